"""Results as rows: dictionaries for programs, a table in a terminal and in a notebook, a data frame of pandas."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from segline import cells
from segline.errors import Error

if TYPE_CHECKING:
    import pandas

WIDEST = 60
"""Columns of a cell in a terminal, at most."""


class Table(list[dict[str, Any]]):
    """Rows of a result; a value that a row lacks is not known."""

    def __init__(self, rows: Iterable[Mapping[str, Any]] = (), caption: str = "") -> None:
        super().__init__(map(dict, rows))
        self.caption = caption

    @property
    def columns(self) -> list[str]:
        """The keys of all rows, in their order."""
        return list(dict.fromkeys(key for row in self for key in row))

    def frame(self) -> "pandas.DataFrame":
        """Return the rows as a data frame.

        Raises:
            Error: pandas is not installed.
        """
        return frame(self, self.columns)

    def __getitem__(self, key: Any) -> Any:
        rows = super().__getitem__(key)
        return Table(rows, self.caption) if isinstance(key, slice) else rows

    def __repr__(self) -> str:
        columns = [column for column in self.columns if column != "colour"]
        lines = [columns, *([cells.cell(row.get(column), WIDEST) for column in columns] for row in self)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rows = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join(row.rstrip() for row in rows)

    def _repr_html_(self) -> str:
        return cells.html(cells.table(self, self.columns, self.caption))


class Metrics(dict[str, float | None]):
    """Every metric of an evaluation by its name, as the gate writes it: "miou", "iou/Car", "ece" ...

    None: not defined, as the IoU of a class that is nowhere.

    Attributes:
        classes: A row for each class: IoU with its interval, precision, recall, F1, share of the pixels.
        intervals: The interval of each metric that has one, {"miou": (low, high)}.
    """

    def __init__(
        self, values: Mapping[str, float | None], classes: Table, intervals: Mapping[str, tuple[float, float]]
    ) -> None:
        super().__init__(values)
        self.classes, self.intervals = classes, dict(intervals)

    def frame(self) -> "pandas.DataFrame":
        """Return a data frame with a row for each metric: value, low and high.

        Raises:
            Error: pandas is not installed.
        """
        rows = []
        for name, value in self.items():
            low, high = self.intervals.get(name, (None, None))
            rows.append({"metric": name, "value": value, "low": low, "high": high})
        return frame(rows, ["metric", "value", "low", "high"]).set_index("metric")

    def blocks(self) -> list[cells.Block]:
        """Return the totals with their intervals and the table of the classes, for a notebook."""
        from pipeline.report.metric_values import TOTALS

        totals = [(title, self[key], self.intervals.get(key)) for title, key, _ in TOTALS]
        return [cells.tiles(totals), cells.table(self.classes, self.classes.columns, self.classes.caption)]

    def _repr_html_(self) -> str:
        return cells.html(*self.blocks())


def frame(rows: list[dict[str, Any]], columns: list[str]) -> "pandas.DataFrame":
    """Return rows as a data frame.

    Raises:
        Error: pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError:
        raise Error("A data frame needs pandas: pip install 'segline[notebook]'.") from None
    return pandas.DataFrame(rows, columns=columns)
