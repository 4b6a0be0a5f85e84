"""Pages in a real browser: a script of the test measures them, allowed by its own hash beside those of the page."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from pipeline.drawing.page_template import csp_hash

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def measure(page: Path, body: str, *, size: str = "500,900", allowed: bool = True) -> Any:
    """Open a page and return what `body`, of an async function, returns a second after it is loaded.

    Args:
        page: The file; a copy beside it is opened.
        body: JavaScript.
        size: Width and height of the window, pixels.
        allowed: Whether the page's Content-Security-Policy is made to allow the script.
    """
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed here (apt-get install chromium)")
    script = (
        "onload=()=>setTimeout(async()=>{let seen;try{seen=await(async()=>{"
        f"{body}"
        "})()}catch(e){seen=String(e)}document.body.dataset.seen=JSON.stringify(seen)},1000)"
    )
    html = page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>")
    if allowed:
        html = html.replace("script-src ", f"script-src {csp_hash(script)} ", 1)
    copy = page.with_name(f"measured-{page.name}")
    copy.write_text(html, encoding="utf-8")
    shown = subprocess.run(
        [*_command(page), f"--window-size={size}", "--virtual-time-budget=6000", "--dump-dom", copy.as_uri()],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    copy.unlink()
    seen = re.search(r'data-seen="([^"]*)"', shown.stdout)
    return json.loads(unescape(seen[1])) if seen else None


def print_pages(page: Path) -> int:
    """Print a page to PDF and return the number of its sheets."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed here (apt-get install chromium)")
    pdf = page.with_suffix(".pdf")
    subprocess.run(
        [*_command(page), "--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.as_uri()],
        capture_output=True,
        timeout=300,
        check=True,
    )
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))


def _command(page: Path) -> list[str]:
    return [
        str(BROWSER),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        f"--user-data-dir={page.parent / 'profile'}",
    ]
