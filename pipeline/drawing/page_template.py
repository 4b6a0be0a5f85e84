"""Pages and charts from Jinja2 templates. Every value is escaped; nothing but a page's own style and script acts.

The templates of a page lie in a folder beside its code; those that all pages share, in templates/ here.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import foreign_text

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

SHARED = Path(__file__).with_name("templates")

LINKED = ("https://", "http://")
"""Schemes of addresses that become links; javascript: and others stay text."""

HEAT_STEPS = 20
"""Shades of a heat map."""


def render(folder: Path, name: str, values: Mapping[str, Any]) -> "Markup":
    """Fill a template of `folder`, or of those that all pages share; other templates take the result as markup.

    Text from data cannot become markup: Jinja2 escapes it, and control characters that act on a reader (see
    datasets.foreign_text) are written as escapes.
    """
    from markupsafe import Markup

    return Markup(_environment(folder).get_template(name).render(values))  # nosec: the template has escaped all values


def texts(*paths: Path) -> str:
    """Return style sheets or scripts as one."""
    return "\n".join(path.read_text(encoding="utf-8").strip() for path in paths)


def heat_rules() -> str:
    """Return the style of the classes that `heat` names."""
    return "".join(f".h{step}{{--share:{step / HEAT_STEPS:g}}}" for step in range(HEAT_STEPS + 1))


@cache
def _environment(folder: Path) -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, SHARED]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "counted": counted,
        "data_url": data_url,
        "heat": heat,
        "is_link": lambda address: address.lower().startswith(LINKED),
        "csp_hash": csp_hash,
        "zip": zip,
    }
    return environment


def _visible(value: Any) -> Any:
    """Escape what acts in a text; markup that a template has made is left as it is."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return foreign_text.escape(value, keep="\n\t") if is_text else value


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "image"), counted(2400, "image")
    ('1 image', '2,400 images')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def heat(share: float) -> str:
    """Return the CSS class of a share in 0..1 in a heat map."""
    return f"h{round(share * HEAT_STEPS)}"


def csp_hash(text: str) -> str:
    """Return the source expression by which a Content-Security-Policy allows this inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def data_url(path: Path) -> str:
    """Return a PNG or JPEG file as an address that holds it."""
    kind = "jpeg" if path.suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
