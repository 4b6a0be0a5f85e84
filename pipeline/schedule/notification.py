"""Notify of a scheduled run that failed, by a command, a webhook, or both.

The recipe names the environment variables that hold the URL and the token. Their values never appear in what this
module returns, prints or raises.
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
"""Seconds allowed to a webhook; a command has three times as long."""


def send(config: FailureConfig, summary: dict[str, Any]) -> str | None:
    """Send the summary to every receiver in `config`; return what went wrong, without any secret, or None.

    The command's own output is dropped: it may contain secrets of its configuration.
    """
    problems = []
    if config.command:
        problems.append(_run(config.command, summary))
    if config.webhook_env:
        problems.append(_post(config.webhook_env, config.token_env, summary))
    return "; ".join(filter(None, problems)) or None


def summarise(name: str, slot: str, outcome: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise a failed slot: `text` for people (Slack and Mattermost show that key), the other keys for programs.

    `outcome` holds the fields of tick.Outcome, `steps` the store's rows of the run's steps.
    """
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
    body, null = (json.dumps(summary, indent=2) + "\n").encode(), subprocess.DEVNULL
    try:
        process = subprocess.run(command, input=body, timeout=3 * TIMEOUT, stdout=null, stderr=null, check=False)
    except subprocess.TimeoutExpired:
        return f"on_failure.command: {command[0]} took longer than {3 * TIMEOUT:.0f} s"
    except OSError as error:
        return f"on_failure.command: {command[0]}: {error.strerror}"
    return f"on_failure.command: {command[0]} ended with exit code {process.returncode}" if process.returncode else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token is only for the host in the URL."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse."""


def _post(url_env: str, token_env: str | None, summary: dict[str, Any]) -> str | None:
    missing = [name for name in (url_env, token_env) if name and not os.environ.get(name)]
    if missing:
        return f"on_failure: the environment does not set {', '.join(missing)}"
    url = os.environ[url_env]
    if not url.startswith(("https://", "http://")):
        return f"on_failure: {url_env} must hold a URL that begins with https:// or http://"
    headers = {"Content-Type": "application/json"}
    if token_env:
        headers["Authorization"] = f"Bearer {os.environ[token_env]}"
    try:
        request = urllib.request.Request(url, json.dumps(summary).encode(), headers)
        with urllib.request.build_opener(_NoRedirect()).open(request, timeout=TIMEOUT):
            return None
    except urllib.error.HTTPError as error:
        return f"on_failure: the webhook of {url_env} answered {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"on_failure: the webhook of {url_env} could not be reached ({type(error).__name__})"
