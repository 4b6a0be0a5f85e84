"""What a step reads that no step has written: the raw files, and the model that is served."""

from collections.abc import Callable, Mapping

from pipeline.config.step_names import TRAIN
from pipeline.export import facts
from pipeline.orchestration import promotion, served_origin
from pipeline.orchestration.graph import RAW, SERVED
from pipeline.orchestration.plan import Context, Input
from pipeline.storage import raw_files
from pipeline.workspace import digest


def raw(context: Context) -> Input:
    """Return the raw folder, fetched first where the recipe names a URL, and the digest of its contents."""
    data = context.recipe.data
    folder = raw_files.ensure_local(data)
    return Input(folder, raw_files.contents_digest(data, context.workspace, folder), RAW)


def served(context: Context) -> Input | None:
    """Return the served model that the new one is compared with, or None where there is none."""
    train = context.run.artifact(TRAIN)
    version = promotion.before(context.workspace, context.recipe.serving_name, train)
    if version is None:
        return None
    served_origin.require_facts(version)
    return Input(version, digest.file_digest(version / facts.FILE), SERVED)


OUTSIDE: Mapping[str, Callable[[Context], Input | None]] = {RAW: raw, SERVED: served}
