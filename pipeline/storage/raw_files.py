"""Where the raw files of a recipe lie, with the digest of what is in them."""

from pathlib import Path

from pipeline.config.recipe import DataConfig
from pipeline.errors import UserError
from pipeline.storage import remote
from pipeline.workspace import digest
from pipeline.workspace.layout import Workspace


def local(data: DataConfig) -> Path:
    """Give the raw folder; where `data.url` is set, it is first brought up to date.

    Raises:
        UserError: There is no such folder, or what is at the URL cannot be had.
    """
    folder = data.manual_dir.expanduser()
    if data.url:
        # A folder of one's own says in a file of its own what is read.
        patterns = ("*",) if data.layout_file else data.spec().patterns
        if fetched := remote.fetch(data.url, patterns, folder):
            print(f"{'fetched':<9} {fetched} files of {data.url}")
    if not folder.is_dir():
        raise UserError(missing(data))
    return folder.resolve()


def missing(data: DataConfig) -> str:
    """Say that there is no raw folder, and what it should hold."""
    if data.layout_file:
        wanted = f"the images and masks that {data.layout_file} describes"
    else:
        wanted = f"the raw files of {data.name}: {', '.join(data.spec().sources)}"
    return (
        f"data.manual_dir: there is no folder {str(data.manual_dir)!r} (looked from {Path.cwd()}). "
        f"It should hold {wanted}."
    )


def contents(data: DataConfig, workspace: Workspace, folder: Path) -> str:
    """Digest of what the dataset reads of a raw folder; only what is new or has changed is read."""
    return digest.remembered(folder, data.spec().patterns, memory(data, workspace, folder))


def memory(data: DataConfig, workspace: Workspace, folder: Path) -> Path:
    """File that remembers the digests of a raw folder's files."""
    return workspace.memory(digest.text_digest("\n".join([str(folder), *data.spec().patterns])))
