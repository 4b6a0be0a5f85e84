"""The raw folder of a recipe: made local, and the digest of its contents."""

from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.errors import UserError
from pipeline.storage import remote
from pipeline.workspace import digest
from pipeline.workspace.layout import Workspace


def ensure_local(data: DataConfig) -> Path:
    """Return the raw folder's absolute path; with `data.url`, download what is new or has changed first.

    Raises:
        UserError: The folder does not exist, or the URL cannot be read.
        Unreachable: The network or the storage failed.
    """
    folder = data.manual_dir.expanduser()
    if data.url:
        # With a layout file, the dataset's own patterns do not apply.
        patterns = ("*",) if data.layout_file else data.spec().patterns
        if fetched := remote.fetch(data.url, patterns, folder):
            print(f"{'fetched':<9} {fetched} files of {data.url}")
    if not folder.is_dir():
        raise UserError(missing_message(data))
    return folder.resolve()


def missing_message(data: DataConfig) -> str:
    """Error message for a raw folder that does not exist, with what it should hold."""
    if data.layout_file:
        expected = f"the images and masks that {data.layout_file} describes"
    else:
        expected = f"the raw files of {data.name}: {', '.join(data.spec().sources)}"
    return (
        f"data.manual_dir: there is no folder {str(data.manual_dir)!r} (relative to {Path.cwd()}). "
        f"It should hold {expected}."
    )


def contents_digest(data: DataConfig, workspace: Workspace, folder: Path) -> str:
    """Digest of the files in a raw folder that the dataset reads; hashes only new and changed files."""
    return digest.remembered(folder, data.spec().patterns, digest_file(data, workspace, folder))


def digest_file(data: DataConfig, workspace: Workspace, folder: Path) -> Path:
    """Path of the file that stores the digests of a raw folder's files."""
    return workspace.memory(digest.text_digest("\n".join([str(folder), *data.spec().patterns])))
