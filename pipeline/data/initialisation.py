"""`segline init`: guess the layout of a folder, and write the layout and a first recipe."""

import re
import textwrap
from functools import partial
from pathlib import Path

from datasets.image_folder.guess import guess
from pipeline.errors import UserError

RECIPE = """\
# {name}: the folder {folder}, described by {layout}. Written by `segline init`.
data:
  name: image_folder
  manual_dir: {folder}
  layout: {layout}

input:
  augment: {{flip: true, scale: [0.75, 1.5], brightness: 0.1, contrast: 0.1}}

model:
  name: fast

train:
  epochs: 30
  batch_size: 8
  learning_rate: 2e-3
  weight_decay: 0.02
  warmup_epochs: 1
  class_weights: sqrt_median_frequency
"""


def initialise(
    folder: Path, layout: Path | None, recipe: Path | None, *, force: bool, dry_run: bool = False
) -> list[str]:
    """Guess the layout of a folder; write the layout and a recipe that trains on it.

    Args:
        folder: Folder of images and masks.
        layout: The file to write; None: segline.yaml in `folder`.
        recipe: The recipe to write; None: <folder's name>.yaml in the working directory.
        force: Whether existing files may be overwritten.
        dry_run: Return the text of the files, and write none.

    Returns:
        Lines for the terminal.

    Raises:
        UserError: A file exists already, or cannot be written.
        DatasetError: The folder is not enough to guess from.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", folder.resolve().name).strip("_.-") or "mine"
    layout = layout or folder / "segline.yaml"
    recipe = recipe or Path(f"{name}.yaml")
    existing = [str(path) for path in (layout, recipe) if path.exists()]
    if existing and not (force or dry_run):
        raise UserError(
            f"{' and '.join(existing)}: exists already. --force overwrites it; --out and --recipe name other files."
        )
    guessed = guess(folder)
    texts = {layout: guessed.text(), recipe: RECIPE.format(name=name, folder=_quoted(folder), layout=_quoted(layout))}
    if dry_run:
        return [f"# {path}\n{text}" for path, text in texts.items()]
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"{path} cannot be written: {error.strerror}. Choose another with --out and --recipe."
            ) from None
    wrap = partial(textwrap.wrap, width=79, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)
    return [
        f"Guessed from {folder}:",
        *(part for note in guessed.notes for part in wrap(note)),
        f"Wrote {layout}: correct it where the guess is wrong.",
        f"Wrote {recipe}: a first recipe. Next:",
        f"  segline check {_shell(recipe)}",
        f"  segline run {_shell(recipe)}",
    ]


def _quoted(path: Path) -> str:
    """Write a path as YAML text."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shell(path: Path) -> str:
    text = str(path)
    return text if re.fullmatch(r"[\w./-]+", text) else f"'{text}'"
