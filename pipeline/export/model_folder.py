"""Where an exported model lies. Imports no TensorFlow, so that a wrong path is reported at once."""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.export import facts


def newest_version(model: Path) -> Path:
    """Find the SavedModel of a folder: itself, or its highest numbered version, as TensorFlow Serving chooses.

    Raises:
        UserError: There is none.
    """
    if (model / "saved_model.pb").is_file():
        return model
    numbers = [int(path.name) for path in model.glob("*") if path.name.isdecimal()]
    if numbers and (model / str(max(numbers)) / "saved_model.pb").is_file():
        return model / str(max(numbers))
    state = "there is no such folder" if not model.is_dir() else "it holds neither saved_model.pb nor numbered versions"
    raise UserError(
        f"{str(model)!r} is not a model: {state}. Give an export of `segline run`, such as workspace/serving/<name> or "
        "workspace/serving/<name>/<version>."
    )


def require(model: Path) -> None:
    """Raise UserError unless a folder, or its highest numbered version, is a model that Segline exported."""
    facts.read(newest_version(model))
