"""What is printed for people fits a terminal of 80 columns. Imports no library."""

import os
import textwrap

WIDTH = 80


def wrapped(text: str) -> str:
    """Break lines of more than WIDTH columns between words; a path or another long word stays whole.

    Lines that fit, as those of tables do, stay as they are. What is broken goes on two columns further in where the
    line was indented. For programs (--log-json) nothing is broken: there a line is a record.
    """
    from pipeline.console.json_lines import VARIABLE

    if os.environ.get(VARIABLE) == "1":
        return text
    return "\n".join(part for line in text.split("\n") for part in _parts(line))


def _parts(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip(" "))]
    further = f"{indent}  " if indent else ""
    return textwrap.wrap(
        line,
        WIDTH,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def cut(text: str, width: int) -> str:
    """Shorten a name to at most `width` columns, two dots in its middle: both its ends tell names apart."""
    if len(text) <= width:
        return text
    end = (width - 2) // 2
    return f"{text[: width - 2 - end]}..{text[len(text) - end :]}"
