"""Passwords and signatures in URLs: hidden in all that is printed or written, known only where one connects.

A recipe may name ftp://user:password@host/data or https://host/data?X-Amz-Signature=... What is hidden stays in the
environment of this process, which its steps inherit, and in no file: a run's recipe.yaml has the URL as it is shown.
"""

import json
import os
import re

VARIABLE = "SEGLINE_URL_SECRETS"
"""{URL as it is shown: whole URL}, JSON."""

HIDDEN = "***"

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)

_PASSWORD = re.compile(r"(?<=://)([^\s:/@?#]*:)(?!\d+(?:/|$))[^\s?#]*@")
"""user:password@; digits before a slash are a port, and "@" may follow in the path."""

_TOKEN = re.compile(r"(?:(?<=http://)|(?<=https://))[^\s:/@?#]+@", re.IGNORECASE)
"""token@ of HTTP. Elsewhere it is a user's name, or a container of Azure's."""

_PARAMETER = re.compile(
    r"([?&;#][\w.~%-]*(?:sig|token|secret|pass|pwd|auth(?!or)|credential|key)[\w.~%-]*=)[^&;#\s]+", re.IGNORECASE
)
"""Parameters of signed queries: X-Amz-Signature, X-Goog-Credential, sig (Azure), token, access_key ..."""


def mask(text: str) -> str:
    """Hide passwords and signatures in the URLs of a text.

    >>> mask("cannot reach ftp://ann:pw@host/a and https://host/b?x=1&sig=ab%2F")
    'cannot reach ftp://ann:***@host/a and https://host/b?x=1&sig=***'
    """
    for shown, url in _known().items():
        text = text.replace(url, shown)
    return _URL.sub(lambda match: _masked(match[0]), text)


def mask_word(word: str) -> str:
    """Hide passwords and signatures in one argument, such as KEY=URL: its URL ends where the word does.

    >>> mask_word("data.url=ftp://ann:it's@host/a")
    'data.url=ftp://ann:***@host/a'
    """
    return _masked(word) if "://" in word else word


def hide(url: str) -> str:
    """Return a URL as it is shown, and remember the whole one for `reveal`."""
    shown = mask_word(url)
    if shown != url:
        os.environ[VARIABLE] = json.dumps({**_known(), shown: url})
    return shown


def reveal(shown: str) -> str | None:
    """Return the whole URL of one that is shown, or of a place below it; None where this process does not know it."""
    for start, url in sorted(_known().items(), key=lambda item: -len(item[0])):
        rest = shown.removeprefix(start)
        # Not ftp://ann:***@host.evil by the password of ftp://ann:***@host.
        if shown.startswith(start) and (not rest or rest[0] in "/?#" or start.endswith("/")):
            return url + rest
    return None if HIDDEN in shown else shown


def _masked(url: str) -> str:
    url = _TOKEN.sub(f"{HIDDEN}@", _PASSWORD.sub(rf"\g<1>{HIDDEN}@", url))
    return _PARAMETER.sub(rf"\g<1>{HIDDEN}", url)


def _known() -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(os.environ.get(VARIABLE) or "{}")
    except ValueError:
        return {}
    return known
