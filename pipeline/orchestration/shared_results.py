"""Results of steps on shared storage, which hosts and containers with workspaces of their own reuse.

    SEGLINE_ARTIFACTS=s3://bucket/prefix      <prefix>/<step>/<fingerprint>/<contents>/...

What a step publishes in the workspace is uploaded, its seal last: a folder without a seal is no result. Nothing is
written again: two hosts that make the same step at once write two folders, named by their contents. A step that would
have to run is fetched instead if its result is there: checked against its seal, and then published here.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.errors import Unreachable, UserError
from pipeline.orchestration import publication
from pipeline.orchestration.plan import Context, Plan
from pipeline.storage import connection
from pipeline.workspace import digest
from pipeline.workspace.fingerprint import key_of
from pipeline.workspace.seal import SEAL, Seal, parse, read_seal


@dataclass(frozen=True)
class Offer:
    """A whole result on the storage: its URL and its seal."""

    url: str
    seal: Seal


class Uploads:
    """Uploads results as they are made. While the storage cannot be reached they wait, and the run continues.

    Attributes:
        cut: Whether the storage could not be reached once; it is not tried again before `finish`.
    """

    def __init__(self, url: str | None) -> None:
        self._url, self._waiting, self.cut = url, list[Path](), False

    def add(self, artifact: Path) -> None:
        """Upload a result, or have it wait. Without a URL nothing is done."""
        if self._url:
            self._waiting.append(artifact)
        if self._url and not self.cut:
            try:
                self.finish()
            except Unreachable as error:
                self.cut = True
                print(f"upload    waits until the run ends: {error}")

    def finish(self) -> None:
        """Upload what waits.

        Raises:
            Unreachable: The storage cannot be reached. The next run finds what is missing there, and uploads it.
        """
        while self._url and self._waiting:
            give(self._url, self._waiting[0])
            self._waiting.pop(0)


def give(url: str, artifact: Path) -> None:
    """Upload a published result unless it is there.

    Args:
        url: The shared storage.
        artifact: artifacts/<step>/<fingerprint>.

    Raises:
        Unreachable: The network or the storage failed. The same call finishes what was begun.
        UserError: The storage may not be written, or its library is not installed.
    """
    seal, target = read_seal(artifact), _place(url, artifact)
    with connection.translate_errors(target):
        system, root = connection.connect(target)
        if system.exists(f"{root}/{SEAL}"):
            return

        def one(name: str) -> None:
            connection.upload(system, artifact / name, f"{root}/{name}")

        for _ in connection.parallel_map(one, seal["files"]):
            pass
        one(SEAL)
    print(f"{seal['step']:<9} uploaded {target}")


def has(url: str, artifact: Path) -> bool:
    """Whether a published result was uploaded, whole."""
    target = _place(url, artifact)
    with connection.translate_errors(target):
        system, root = connection.connect(target)
        return bool(system.exists(f"{root}/{SEAL}"))


def find(url: str, step: str, key: str) -> Offer | None:
    """Find a whole result of a step with this fingerprint; of several the newest.

    Raises:
        Unreachable, UserError: As `give`.
    """
    place = f"{url}/{step}/{key}"
    offers = []
    with connection.translate_errors(place):
        system, root = connection.connect(place)
        for folder in connection.below(system, root):
            try:
                seal = parse(system.cat_file(f"{folder}/{SEAL}"))
            except FileNotFoundError:
                continue  # its upload was cut, or is under way
            except ValueError as error:
                raise UserError(f"{place}/{PurePosixPath(folder).name}/{SEAL} is damaged: {error}. {_DO}") from None
            offers.append(Offer(f"{place}/{PurePosixPath(folder).name}", seal))
    for offer in offers:
        _require_sound(offer, step, key)
    return max(offers, key=lambda offer: offer.seal["made"], default=None)


def take(context: Context, plan: Plan) -> Path | None:
    """Fetch the result of a step and publish it here, recorded under the run; None where it is not on the storage.

    The lock of the step's slot must be held. After an interruption the next call resumes.

    Raises:
        Unreachable: The storage cannot be reached, so that it is not known whether the step has to run.
        UserError: The result there is damaged, or as `give`.
    """
    step, workspace, store = plan.step, context.workspace, context.store
    offer = find(workspace.shared, step.name, plan.fingerprint.key) if workspace.shared else None
    if offer is None:
        return None
    print(f"{step.name:<9} fetches  what run {offer.seal['run']} made: {offer.url}")
    code = f" with {offer.seal['code']}" if "code" in offer.seal else ""
    execution = publication.begin(context, plan, f"fetched: run {offer.seal['run']} of another workspace made it{code}")
    store.link(execution, "input", "shared", "shared", offer.url, offer.seal["digest"])
    folder = workspace.fetched(step.name, plan.fingerprint.key)
    try:
        whole = _download(offer, folder)
    except BaseException as error:
        state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        store.end(execution, state, str(error) or type(error).__name__)
        raise
    if not whole:
        print(f"{step.name:<9} is no longer whole there, as where files expire: it runs")
        store.end(execution, "failed", f"{offer.url} is no longer whole")
        return None
    for name in step.writes:
        if not (folder / name).exists():  # an object store has no empty folders
            (folder / name).mkdir()
    origin = {"url": offer.url, "run": offer.seal["run"]}
    artifact = publication.publish(context, plan, folder, execution, {**offer.seal, "fetched": origin})
    shutil.rmtree(workspace.partial(step.name, plan.fingerprint.key), ignore_errors=True)  # our own cut training
    return artifact


def _download(offer: Offer, folder: Path) -> bool:
    """Fetch the files of a result that are not here yet, and check each.

    Returns:
        Whether all are on the storage. If not, the seal there is removed, so that a whole result can be uploaded.
    """
    files = offer.seal["files"]
    there = {path.relative_to(folder).as_posix(): path for path in digest.files(folder)}
    for name, path in there.items():
        if digest.file_digest(path) != files.get(name):
            path.unlink()
    for path in list(folder.rglob(".*.partial")):
        path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    with connection.translate_errors(offer.url):
        system, root = connection.connect(offer.url)

        def one(name: str) -> str | None:
            connection.download(system, f"{root}/{name}", folder / name)
            return None if digest.file_digest(folder / name) == files[name] else name

        missing = [name for name in files if not (folder / name).is_file()]
        try:
            damaged = [name for name in connection.parallel_map(one, missing) if name]
        except FileNotFoundError:
            system.rm_file(f"{root}/{SEAL}")
            return False
    if damaged:
        more = f" and {len(damaged) - 5} more" if len(damaged) > 5 else ""
        raise UserError(f"{offer.url} is damaged: {', '.join(damaged[:5])}{more}. {_DO}")
    return True


def _require_sound(offer: Offer, step: str, key: str) -> None:
    """Refuse a seal that is not of this step and fingerprint."""
    if offer.seal["step"] != step or key_of(offer.seal["fingerprint"]) != key:
        raise UserError(f"{offer.url}/{SEAL} does not belong to what lies there. {_DO}")


def _place(url: str, artifact: Path) -> str:
    """Where a result lies on the storage: <url>/<step>/<fingerprint>/<digest of its contents>."""
    seal = read_seal(artifact)
    return f"{url}/{seal['step']}/{artifact.name.partition('-')[0]}/{seal['digest'][:16]}"


_DO = "Remove this folder there, then give the same command again: the step runs again and is uploaded."
