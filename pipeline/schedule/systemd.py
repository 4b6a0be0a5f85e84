"""Units for systemd: a timer that calls `segline run-due` every minute, and the service that it starts.

The cron expression is not translated into systemd's calendar syntax: two interpretations of one schedule would differ
some day. A call with nothing due takes less than a second of CPU, and systemd never runs two at a time.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.console.url_secrets import mask_word
from pipeline.errors import UserError
from pipeline.workspace.digest import write_atomically
from pipeline.workspace.fingerprint import PROJECT

SERVICE = """[Unit]
Description=Segline: recipe {name}, when it is due
Documentation=man:systemd.timer(5)

[Service]
Type=oneshot
WorkingDirectory={directory}
Environment={path}
# Secrets, such as the URL of a webhook, one NAME=VALUE a line; readable only by you (chmod 600).
EnvironmentFile=-{secrets}
ExecStart={command}
# 75: another process holds this schedule.
SuccessExitStatus=75
TimeoutStartSec=infinity
# SIGTERM goes only to the scheduler, which passes it on; a training then has time to write its checkpoint.
KillMode=mixed
TimeoutStopSec=300
Nice=5
"""

TIMER = """[Unit]
Description=Segline: checks every minute whether recipe {name} is due

[Timer]
OnCalendar=minutely
AccuracySec=5s

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class Units:
    """The two units of a schedule.

    Attributes:
        name: The recipe's name.
        command: What the service runs, with absolute paths.
        directory: Its working directory.
    """

    name: str
    command: Sequence[str]
    directory: Path

    def files(self, folder: Path) -> dict[Path, str]:
        """Return the path in `folder` and the text of each unit."""
        stem = f"segline-{self.name}"
        values = {
            "name": self.name.replace("%", "%%"),
            "directory": _path(self.directory),
            "path": quote(f"PYTHONPATH={PROJECT}", variables=False),
            "secrets": f"%E/segline/{self.name}.env",
            "command": " ".join(quote(part) for part in self.command),
        }
        return {
            folder / f"{stem}.service": SERVICE.format(**values),
            folder / f"{stem}.timer": TIMER.format(**values),
        }

    def install(self, folder: Path) -> list[str]:
        """Write the units and return lines that say how to start them."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, text in self.files(folder).items():
                write_atomically(path, text)
        except OSError as error:
            raise UserError(f"The units cannot be written to {folder}: {error.strerror}.") from None
        return [
            *(str(path) for path in self.files(folder)),
            "Start them, and let them run while you are not logged in:",
            f"  systemctl --user daemon-reload && systemctl --user enable --now segline-{self.name}.timer",
            "  loginctl enable-linger",
            f"Output: journalctl --user --unit segline-{self.name}",
        ]


def run_due_command(recipe: Path | str, overrides: Sequence[str], workspace: Path) -> list[str]:
    """Return the command that the service runs.

    Raises:
        UserError: A setting holds a password or a signature: every user of the host may read a unit and a command.
    """
    if secret := [mask_word(override) for override in overrides if mask_word(override) != override]:
        raise UserError(
            f"--set must hold no password: it would stand in the unit. Received: {', '.join(secret)}. Put what the "
            "storage's library reads, such as AWS_SECRET_ACCESS_KEY, into the unit's EnvironmentFile."
        )
    python = [sys.executable, "-P", "-m", "pipeline"]
    settings = [part for override in overrides for part in ("--set", override)]
    return [*python, "run-due", str(recipe), *settings, "--workspace", str(workspace)]


def user_folder() -> Path:
    """Return the folder in which systemd looks for a user's own units.

    Raises:
        UserError: Neither XDG_CONFIG_HOME nor HOME is set.
    """
    if config := os.environ.get("XDG_CONFIG_HOME"):
        return Path(config) / "systemd" / "user"
    if not os.environ.get("HOME"):
        raise UserError("Neither HOME nor XDG_CONFIG_HOME is set, so there is no folder for units. Set one of them.")
    return Path(os.environ["HOME"]) / ".config" / "systemd" / "user"


def quote(word: str, *, variables: bool = True) -> str:
    r"""Quote a word for a unit file: % and, in commands, $ doubled; blanks, " and \ in quotes.

    >>> quote("100 %")
    '"100 %%"'

    Args:
        word: One argument.
        variables: Whether systemd would replace $NAME here, as it does in commands.
    """
    text = word.replace("%", "%%")
    if variables:
        text = text.replace("$", "$$")
    if text == shlex.quote(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _path(path: Path) -> str:
    """Escape the value of a setting that is one path: systemd reads it to the end of the line, without quotes."""
    return str(path).replace("%", "%%")
