"""The values that a sweep tries: lists and ranges of settings, every combination of them or a random sample."""

import itertools
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import UserError

WIDE = 10
"""A range of positive numbers is sampled by logarithm if its upper end is this many times its lower one or more."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones if both are written as such."""

    low: float
    high: float
    is_whole: bool

    @property
    def is_logarithmic(self) -> bool:
        """Whether numbers are drawn evenly by their logarithm."""
        return self.low > 0 and self.high / self.low >= WIDE

    def draw(self, source: random.Random) -> str:
        """Draw a number, written with three digits."""
        low, high = (math.log(end) if self.is_logarithmic else end for end in (self.low, self.high))
        value = source.uniform(low, high)
        value = math.exp(value) if self.is_logarithmic else value
        value = min(max(value, self.low), self.high)
        return str(round(value)) if self.is_whole else f"{value:.3g}"


Values = tuple[str, ...] | Range
"""Values of one setting, as written."""

Space = Mapping[str, Values]


def parse(grids: Sequence[str]) -> dict[str, Values]:
    """Return the values of each setting.

    >>> parse(["train.learning_rate=1e-4..1e-2", "input.size=[64, 64],null"])["input.size"]
    ('[64, 64]', 'null')

    Args:
        grids: "key=a,b,..." or "key=low..high" each; a comma inside brackets or quotes belongs to the value.

    Raises:
        UserError: One is not of that form, or a key is given twice.
    """
    axes = [_axis(grid) for grid in grids]
    keys = [key for key, _ in axes]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise UserError(f"--grid: {', '.join(repeated)} is given more than once. Write all its values in one --grid.")
    return dict(axes)


def combinations(space: Space) -> list[dict[str, str]]:
    """Return every combination, the last setting varying fastest.

    Raises:
        UserError: A setting is a range, of which there are too many values.
    """
    if ranges := [key for key, values in space.items() if isinstance(values, Range)]:
        raise UserError(f"--grid: {', '.join(ranges)}: a range LOW..HIGH needs --sample N, the number of runs.")
    lists = [values for values in space.values() if not isinstance(values, Range)]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*lists)]


def sample(space: Space, number: int, seed: int) -> list[dict[str, str]]:
    """Draw different combinations at random; all of them where there are no more than `number`."""
    source = random.Random(seed)
    if not any(isinstance(values, Range) for values in space.values()):
        every = combinations(space)
        return every if number >= len(every) else source.sample(every, number)
    drawn: dict[tuple[str, ...], dict[str, str]] = {}
    for _ in range(100 * number):  # a range of few whole numbers may hold fewer combinations than `number`
        settings = {
            key: values.draw(source) if isinstance(values, Range) else source.choice(values)
            for key, values in space.items()
        }
        drawn.setdefault(tuple(settings.values()), settings)
        if len(drawn) == number:
            break
    return list(drawn.values())


def _axis(grid: str) -> tuple[str, Values]:
    key, equals, text = grid.partition("=")
    values = tuple(value.strip() for value in _split(text))
    if not equals or not key.strip() or not all(values):
        raise UserError(
            f"--grid must be KEY=A,B,... or KEY=LOW..HIGH, such as train.learning_rate=1e-3,3e-3. Received: {grid!r}."
        )
    if not (match := _RANGE.fullmatch(text.strip())):
        return key.strip(), values
    low, high = float(match[1]), float(match[2])
    if low >= high:
        raise UserError(f"--grid: {key.strip()}: the range LOW..HIGH must rise. Received: {text.strip()}.")
    return key.strip(), Range(low, high, all(end.lstrip("+-").isdecimal() for end in match.groups()))


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets and quotation marks."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
