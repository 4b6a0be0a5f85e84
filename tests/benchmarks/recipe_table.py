"""Write README's table of recipes from their heads: what each one does, its mIoU, the time and the hardware.

python tests/benchmarks/recipe_table.py
"""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
README, RECIPES = PROJECT / "README.md", PROJECT / "pipeline/recipes"

HEADER = "| recipe | what | measured |\n|---|---|---|\n"
KEYS = ("mIoU", "time", "hardware")


def table() -> str:
    """Return the table; recipes that are not measured share its last row."""
    rows, rest = [], []
    for path in sorted(RECIPES.glob("*.yaml")):
        figures = measured(path.read_text(encoding="utf-8"))
        if figures is None:
            rest.append(f"`{path.stem}`")
        else:
            what = path.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("#").strip().rstrip(".")
            rows.append(f"| `{path.stem}` | {what} | {figures} |\n")
    if rest:
        rows.append(f"| {', '.join(rest)} | in their heads | not measured |\n")
    return HEADER + "".join(rows)


def measured(text: str) -> str | None:
    r"""Return the figures of a recipe's head in short; None: not measured.

    >>> measured("# mIoU  0.5 on val (9 images); always Road 0.03\n# time  9 min, all\n# hardware  2 cores")
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


def updated(page: str) -> str:
    """Return the page with the table in place of the one that it holds."""
    return re.sub(r"^\| recipe \|.*\n(\|.*\n)+", lambda _: table(), page, count=1, flags=re.M)


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
