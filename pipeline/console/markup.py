"""Foreign text in HTML and in Markdown: what stands there is seen, and neither acts nor becomes markup."""

import html
import re

from datasets import foreign_text

LINKED = ("https://", "http://")
"""Schemes of addresses that become links; javascript: and others stay text."""

MARKS = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|(?<=^)[-+#]")
"""Characters that Markdown may read as markup; an underscore between letters is none."""


def escape(text: str) -> str:
    """Return a text as HTML, in an element or in an attribute with quotes; lines stay lines."""
    return html.escape(foreign_text.escape(text, keep="\n\t"))


def link(address: str) -> str:
    """Return an address as HTML: a link if it is one of the web, else its text."""
    text = escape(address)
    return f'<a href="{text}" rel="noreferrer">{text}</a>' if address.lower().startswith(LINKED) else text


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
