"""Tell of a scheduled run that failed: a command of the user's, a webhook, or both.

Where the URL and the token come from is named in the recipe; what they are stays in the environment. Neither stands in
any text that this module gives back, prints or raises.
"""

import http.client
import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from typing import Any

from pipeline.config.schedule import FailureConfig

TIMEOUT = 20.0
"""Seconds that a webhook may take, and three times that a command may."""


def tell(to: FailureConfig, summary: dict[str, Any]) -> str | None:
    """Send the summary to everyone named. Gives what went wrong, without any secret, or None.

    What the command prints is dropped: it may be anything, the secrets of its own configuration too.
    """
    problems = []
    if to.command:
        problems.append(_run(to.command, summary))
    if to.webhook_env:
        problems.append(_post(to.webhook_env, to.token_env, summary))
    return "; ".join(filter(None, problems)) or None


def summarise(name: str, slot: str, outcome: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Make the summary of a failed slot: `text` for people (Slack and Mattermost show that key), the rest to read."""
    host = socket.gethostname()
    run = outcome["run"] or "no run began"
    return {
        "text": f"segline: {name}, slot {slot}: {outcome['state']} on {host} ({run}). {outcome['reason']}",
        "schedule": name,
        "slot": slot,
        "host": host,
        **{key: outcome[key] for key in ("state", "reason", "run", "code")},
        "steps": [{key: step[key] for key in ("step", "state", "error")} for step in steps],
    }


def _run(command: tuple[str, ...], summary: dict[str, Any]) -> str | None:
    body, nowhere = (json.dumps(summary, indent=2) + "\n").encode(), subprocess.DEVNULL
    try:
        done = subprocess.run(command, input=body, timeout=3 * TIMEOUT, stdout=nowhere, stderr=nowhere, check=False)
    except subprocess.TimeoutExpired:
        return f"on_failure.command: {command[0]} took longer than {3 * TIMEOUT:.0f} s"
    except OSError as error:
        return f"on_failure.command: {command[0]}: {error.strerror}"
    return f"on_failure.command: {command[0]} ended with exit code {done.returncode}" if done.returncode else None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token was meant for the host that was named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse."""


def _post(url_from: str, token_from: str | None, summary: dict[str, Any]) -> str | None:
    missing = [name for name in (url_from, token_from) if name and not os.environ.get(name)]
    if missing:
        return f"on_failure: the environment does not set {', '.join(missing)}"
    url = os.environ[url_from]
    if not url.startswith(("https://", "http://")):
        return f"on_failure: {url_from} must hold a URL that begins with https:// or http://"
    headers = {"Content-Type": "application/json"}
    if token_from:
        headers["Authorization"] = f"Bearer {os.environ[token_from]}"
    try:
        request = urllib.request.Request(url, json.dumps(summary).encode(), headers)
        with urllib.request.build_opener(_Stay()).open(request, timeout=TIMEOUT):
            return None
    except urllib.error.HTTPError as error:
        return f"on_failure: the webhook of {url_from} answered {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"on_failure: the webhook of {url_from} could not be reached ({type(error).__name__})"
