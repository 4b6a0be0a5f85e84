"""Write the tables of recipes from their heads: the measured ones into README, the others into docs/recipes.md.

python tests/benchmarks/recipe_table.py
"""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
README, PAGE, RECIPES = PROJECT / "README.md", PROJECT / "docs/recipes.md", PROJECT / "pipeline/recipes"

MEASURED = "| recipe | what | measured |\n|---|---|---|\n"
UNMEASURED = "| recipe, not measured yet | what |\n|---|---|\n"
KEYS = ("mIoU", "time", "hardware")


def tables() -> dict[Path, str]:
    """Return the table of each page: {README: "| recipe | ...", PAGE: ...}."""
    measured, unmeasured = MEASURED, UNMEASURED
    for path in sorted(RECIPES.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        what = text.split("\n", 1)[0].removeprefix("#").strip().rstrip(".")
        if cells := figures(text):
            measured += f"| `{path.stem}` | {what} | {cells} |\n"
        else:
            unmeasured += f"| `{path.stem}` | {what} |\n"
    return {README: measured, PAGE: unmeasured}


def figures(text: str) -> str | None:
    r"""Return the figures of a recipe's head in short; None: not measured.

    >>> figures("# mIoU  0.5 on val (9 images); always Road 0.03\n# time  9 min, all\n# hardware  2 cores")
    'mIoU 0.5 on val (9 images); 9 min; 2 cores'
    """
    lines = {key: re.search(rf"^# {key} +(.*)$", text, re.M) for key in KEYS}
    values = [line[1] if line else "" for line in (lines[key] for key in KEYS)]
    if not values[0] or values[0].startswith("not measured"):
        return None
    score = re.match(r"[^;:(]*(\([^)]*\))?", values[0])
    assert score
    shares = [re.split(r"[,;(]| of training", value)[0].strip() for value in values[1:]]
    return "; ".join([f"mIoU {score[0].strip()}", *shares])


def updated(page: str, table: str) -> str:
    """Return the page with the table in place of the one that has the same first line."""
    first = re.escape(table.split("\n", 1)[0])
    return re.sub(rf"^{first}\n(\|.*\n)+", lambda _: table, page, count=1, flags=re.M)


if __name__ == "__main__":
    for path, table in tables().items():
        path.write_text(updated(path.read_text(encoding="utf-8"), table), encoding="utf-8")
