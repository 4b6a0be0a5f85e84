"""Why a command failed, as one message: for the command line and for `import segline`."""

import traceback
from pathlib import Path

from pipeline.errors import UserError


def explain(error: Exception, workspace: Path | None) -> UserError | None:
    """Return the error as one whose text is all that its user needs; None: a fault of Segline, to show in full.

    Args:
        error: What was raised.
        workspace: Where the work was done; None: nowhere in particular.
    """
    from datasets.errors import ConversionError, DatasetError
    from models.errors import ModelError

    if isinstance(error, UserError):
        return error
    if isinstance(error, DatasetError | ModelError):
        return UserError(str(error))
    if isinstance(error, ConversionError):
        return _of_the_machine(str(error))
    from pipeline.orchestration.error_advice import as_user_error

    advised = as_user_error(error, workspace or Path())
    if isinstance(advised, UserError) or workspace is None:
        return advised if isinstance(advised, UserError) else None
    return _damage(error, workspace)


def _damage(error: Exception, workspace: Path) -> UserError | None:
    """Return an error that names what is damaged in a workspace; None where nothing is."""
    from pipeline.lineage import diagnosis
    from pipeline.workspace.layout import Workspace

    damage = diagnosis.damage(Workspace(workspace.absolute()))
    if not damage:
        return None
    place = traceback.extract_tb(error.__traceback__)[-1]  # the damage may not be the reason
    what = f"{type(error).__name__}: {error}".splitlines()[0] + f", at {place.filename}:{place.lineno}"
    return UserError("\n".join([f"The command failed ({what}), and this is damaged:", *(f"  {one}" for one in damage)]))


def _of_the_machine(text: str) -> UserError:
    foreseen = UserError(text)
    foreseen.exit_code = 1
    return foreseen
