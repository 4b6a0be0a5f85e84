"""Take pictures of pages in a headless Chromium or Chrome, over its debugging pipe.

The protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BufferedWriter
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
)

WAIT = """new Promise((done) => {{
  const look = () => ({condition}) ? requestAnimationFrame(() => setTimeout(done, 500)) : setTimeout(look, 100);
  look();
}})"""


class Browser:
    """A running browser with one empty page; see `opened`."""

    def __init__(self, commands: BufferedWriter, answers: BufferedReader) -> None:
        self._commands, self._answers, self._numbers = commands, answers, itertools.count(1)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def picture(self, url: str, *, size: tuple[int, int], scale: float, script: str = "", ready: str = "true") -> bytes:
        """Return a page as a PNG.

        Args:
            url: The page.
            size: Width and height of the window, CSS pixels.
            scale: Pixels of the picture for each of them.
            script: JavaScript that runs once the page is loaded, such as a click.
            ready: JavaScript that is true once there is something to see.
        """
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **metrics)
        self._call("Page.navigate", url=url)
        self._wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        self._call("Runtime.evaluate", expression=script)
        self._wait(ready)
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])

    def _wait(self, condition: str) -> None:
        self._call("Runtime.evaluate", expression=WAIT.format(condition=condition), awaitPromise=True)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        for answer in self._messages():
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
        raise RuntimeError("The browser has ended.")

    def _messages(self) -> Iterator[dict[str, Any]]:
        text = b""
        while byte := self._answers.read1(1 << 16):
            text += byte
            *whole, text = text.split(b"\0")
            yield from map(json.loads, whole)


@contextmanager
def opened() -> Iterator[Browser]:
    """Start a browser, and end it.

    Raises:
        SystemExit: There is none.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise SystemExit("There is no Chromium or Chrome. Install one, such as apt-get install chromium.")
    (commands_out, commands_in), (answers_out, answers_in) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [program, *OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        line = f'exec "$@" 3<&{commands_out} 4>&{answers_in}'  # the browser reads commands from 3 and answers on 4
        fds = (commands_out, answers_in)
        with subprocess.Popen(["sh", "-c", line, "sh", *words], pass_fds=fds, stderr=subprocess.DEVNULL) as process:
            os.close(commands_out)
            os.close(answers_in)
            with os.fdopen(commands_in, "wb") as commands, os.fdopen(answers_out, "rb") as answers:
                try:
                    yield Browser(commands, answers)
                finally:
                    process.terminate()
