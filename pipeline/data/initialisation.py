"""`segline init`: guess the layout of a folder; write it, a first recipe, and a sheet that shows how it reads."""

import io
import re
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from datasets import catalog
from datasets.audit import Problem
from datasets.errors import DatasetError
from datasets.image_folder.guess import guess
from datasets.raw import SHEET
from pipeline.console.quiet import quiet
from pipeline.data import first_look, first_recipe, planning
from pipeline.data.first_recipe import FirstRecipe
from pipeline.data.planning import Measure
from pipeline.data.raw_examples import RawExamples
from pipeline.errors import UserError
from pipeline.input.records import TRAIN

NAMED = 3
"""Bad files that are named at most; ingest lists all."""


class Targets(NamedTuple):
    """The name of the data, and the files to write: layout, recipe, a sheet of how the layout reads the masks."""

    name: str
    layout: Path
    recipe: Path
    sheet: Path


def targets(folder: Path, layout: Path | None, recipe: Path | None) -> Targets:
    """Return the files that `initialise` writes for these arguments of it."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", folder.resolve().name).strip("_.-") or "mine"
    layout = layout or folder / "segline.yaml"
    return Targets(name, layout, recipe or Path(f"{name}.yaml"), _sheet(layout, folder))


def initialise(
    folder: Path,
    layout: Path | None,
    recipe: Path | None,
    *,
    force: bool,
    dry_run: bool = False,
    budget: float | None = None,
    measure: Measure | None = None,
) -> list[str]:
    """Guess the layout of a folder; write the layout, a recipe that trains on it, and a contact sheet.

    Args:
        folder: Folder of images and masks.
        layout: The file to write; None: segline.yaml in `folder`. The sheet is written beside it.
        recipe: The recipe to write; None: <folder's name>.yaml in the working directory.
        force: Whether existing files may be overwritten.
        dry_run: Return the text of the files, and write none.
        budget: Seconds of the training, for which the recipe is planned; None: a recipe that fits the sizes.
        measure: Measures the planned network; None: a table gives its pace.

    Returns:
        Lines for the terminal.

    Raises:
        UserError: A file exists already, or cannot be written.
        DatasetError: The folder is not enough to guess from.
    """
    name, layout, recipe, sheet = targets(folder, layout, recipe)
    existing = [str(path) for path in (layout, recipe, sheet) if path.exists()]
    if existing and not (force or dry_run):
        raise UserError(
            f"{' and '.join(existing)}: exists already. --force overwrites it; --out and --recipe name other files."
        )
    with quiet():  # Beam logs a warning when it is imported
        catalog.builder_class("image_folder")
    guessed = guess(folder)
    with tempfile.TemporaryDirectory() as scratch:
        described = Path(scratch, layout.name)
        described.write_text(guessed.text(), encoding="utf-8")
        examples, fault = _examples(described, folder)
        first = _first_recipe(examples)
        classes = catalog.spec("image_folder", None, described).num_classes
        text = first.text(name, folder, layout, classes)
        if budget and examples:
            data = first_recipe.data_section(folder, layout) + "\n" + first_recipe.gate_section(classes)
            text = planning.recipe_text(planning.gather(examples, classes, budget), name, data, classes, measure)
        texts = {layout: guessed.text(), recipe: text}
        if dry_run:
            return [f"# {path}\n{text}" for path, text in texts.items()]
        for path, text in texts.items():
            _write(path, text.encode())
        looked = _look(examples, described, sheet, folder.resolve().name)
    return [
        f"Guessed from {folder}:",
        *_notes([*guessed.notes, *(() if budget else first.notes), *fault]),
        f"Wrote {layout}: correct it where the guess is wrong.",
        *looked,
        f"Wrote {recipe}: {'planned for its budget' if budget else 'a first recipe'}. Next:",
        f"  segline check {_shell(recipe)}",
        f"  segline run {_shell(recipe)}",
    ]


def _sheet(layout: Path, folder: Path) -> Path:
    """Return where the sheet of a layout is written: under a name that ingest ignores where it reads the folder."""
    if layout.resolve().is_relative_to(folder.resolve()):
        return layout.with_name(SHEET)
    return layout.with_suffix(".png")


def _examples(layout: Path, folder: Path) -> tuple[RawExamples | None, list[str]]:
    """Open the raw files as a layout reads them; None, and the reason as a note, where it cannot be used as it is."""
    builder = catalog.builder("image_folder", layout, data_dir=folder)
    try:
        return RawExamples(builder, folder), []
    except DatasetError as error:
        return None, [f"as it is, the layout cannot be used, so no sheet is drawn. {' '.join(str(error).split())}"]


def _first_recipe(examples: RawExamples | None) -> FirstRecipe:
    if examples is None:
        return first_recipe.choose(0, {})
    return first_recipe.choose(examples.counts.get(TRAIN, 0), examples.sizes(TRAIN))


def _look(examples: RawExamples | None, layout: Path, sheet: Path, name: str) -> list[str]:
    """Draw the sheet, and return what is to be said of it; a sheet of an earlier layout is removed."""
    spec = catalog.spec("image_folder", None, layout)
    drawn, problems = (None, []) if examples is None else first_look.draw(examples, spec, name)
    lines = list(_bad(problems))
    if drawn is None:
        sheet.unlink(missing_ok=True)
        return lines
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "PNG")
    _write(sheet, file.getvalue())
    if undrawn := first_look.undrawn(spec):
        text = f"The sheet's font lacks some signs: {', '.join(undrawn)}."
        lines += textwrap.wrap(text, 79, subsequent_indent="  ")
    return [*lines, f"Wrote {sheet}: how the layout reads the masks. Look at it."]


def _bad(problems: list[Problem]) -> Iterator[str]:
    """Yield a line on the files that cannot be read."""
    if problems:
        named = "; ".join(f"{one.file}: {one.kind.value}" for one in problems[:NAMED])
        more = f" and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        count = f"{len(problems)} of the files that were looked at {'are' if len(problems) > 1 else 'is'} bad"
        yield from textwrap.wrap(
            f"{count}: {named}{more}. `segline run` lists all of them.", 79, subsequent_indent="  "
        )


def _notes(notes: Iterable[str]) -> Iterator[str]:
    wrap = partial(textwrap.wrap, width=79, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)
    for note in notes:
        yield from wrap(note)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}. Choose another with --out and --recipe."
        ) from None


def _shell(path: Path) -> str:
    text = str(path)
    return text if re.fullmatch(r"[\w./-]+", text) else f"'{text}'"
