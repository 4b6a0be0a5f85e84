"""Foreign text in Markdown: what stands there is seen, and neither acts nor becomes markup. HTML has templates."""

import re

from datasets import foreign_text

MARKS = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|(?<=^)[-+#]")
"""Characters that Markdown may read as markup; an underscore between letters is none."""


def literal(text: str) -> str:
    r"""Return a text as one line of Markdown, in a table's cell too.

    >>> literal("a|b [x](javascript:1) <b> traffic_light")
    'a\\|b \\[x\\](javascript:1) &lt;b&gt; traffic_light'
    """
    line = foreign_text.escape(" ".join(text.splitlines()) if "\n" in text else text)
    return MARKS.sub(r"\\\g<0>", line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def code_block(text: str, language: str) -> str:
    """Return a text of several lines as a block of code, whose fence is longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{foreign_text.escape(text, keep=chr(10))}\n{fence}"
