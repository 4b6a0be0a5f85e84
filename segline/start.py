"""The start with one's own images: `segline.init`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segline import cells
from segline.errors import Error

if TYPE_CHECKING:
    from pipeline.config.recipe import Recipe


@dataclass(frozen=True)
class Start:
    """What `segline.init` wrote. `segline.run` takes it in place of a recipe.

    Attributes:
        recipe: A first recipe.
        layout: How the folder is read; to be corrected where the guess is wrong.
        sheet: A picture of images and masks as the layout reads them; None where it cannot be used as it is.
        notes: What was recognised, as `segline init` prints it.
    """

    recipe: Path
    layout: Path
    sheet: Path | None
    notes: tuple[str, ...]

    def __fspath__(self) -> str:
        return os.fspath(self.recipe)

    def __repr__(self) -> str:
        return "\n".join(self.notes)

    def _repr_html_(self) -> str:
        from PIL import Image

        shown = [cells.text("\n".join(self.notes))]
        if self.sheet:
            shown.append(cells.picture(Image.open(self.sheet), "How the layout reads the masks"))
        return cells.html(*shown)


def init(
    folder: Path,
    recipe: "str | os.PathLike[str] | None",
    layout: "str | os.PathLike[str] | None",
    budget: str | None,
    *,
    force: bool,
) -> Start:
    """Describe a folder; see `segline.init`."""
    from pipeline.config.duration import parse_seconds
    from pipeline.data import initialisation

    try:
        seconds = parse_seconds(budget) if budget else None
    except ValueError as error:
        raise Error(f"budget {error}") from None
    given = (Path(layout) if layout else None, Path(recipe) if recipe else None)
    written = initialisation.targets(folder, *given)
    notes = initialisation.initialise(folder, *given, force=force, budget=seconds, measure=_measure)
    sheet = written.sheet if written.sheet.is_file() else None
    return Start(written.recipe, written.layout, sheet, tuple(notes))


def _measure(recipe: "Recipe", num_classes: int) -> float:
    from pipeline.training.step_probe import megapixels_per_second  # imports TensorFlow

    return megapixels_per_second(recipe, num_classes)
