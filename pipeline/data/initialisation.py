"""What `segline init` does: look at a folder, write its layout and a recipe to begin with, and say what was guessed."""

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
    """Look at `folder` and write its layout and a recipe.

    Args:
        folder: Images and masks.
        layout: The file to write; None: segline.yaml in `folder`.
        recipe: The recipe to write; None: <folder's name>.yaml where the command is given.
        force: Whether files that are there may be overwritten.
        dry_run: Give the text of the files, and write none.

    Returns:
        What to tell the user, line by line.

    Raises:
        UserError: A file is there already, or cannot be written.
        DatasetError: The folder does not say enough to guess from.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", folder.resolve().name).strip("_.-") or "mine"
    layout = layout or folder / "segline.yaml"
    recipe = recipe or Path(f"{name}.yaml")
    there = [str(path) for path in (layout, recipe) if path.exists()]
    if there and not (force or dry_run):
        raise UserError(f"{' and '.join(there)}: there already. --force writes anew; --out and --recipe name others.")
    found = guess(folder)
    texts = {
        layout: found.text(),
        recipe: RECIPE.format(name=name, folder=_quoted(folder), layout=_quoted(layout)),
    }
    if dry_run:
        return [f"# {path}\n{text}" for path, text in texts.items()]
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}. Name another place.") from None
    wrap = partial(textwrap.wrap, width=79, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)
    told = [part for line in found.said for part in wrap(line)]
    return [
        f"Looked at {folder} and guessed:",
        *told,
        f"Wrote {layout}: correct it where the guess is wrong.",
        f"Wrote {recipe}: a recipe to begin with. Next:",
        f"  segline check {_shell(recipe)}",
        f"  segline run {_shell(recipe)}",
    ]


def _quoted(path: Path) -> str:
    """Write a path as YAML text."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shell(path: Path) -> str:
    text = str(path if path.parent != Path() else Path(path.name))
    return text if re.fullmatch(r"[\w./-]+", text) else f"'{text}'"
