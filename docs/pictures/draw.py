"""Draw the pictures of the pages from a finished `./run demo`.

python docs/pictures/draw.py [PICTURE ...]      # all of them, or strip, report ...
"""

import html
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

PROJECT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT))

from docs.pictures import browser  # noqa: E402, the path is set first
from pipeline.drawing import render  # noqa: E402
from pipeline.orchestration.recipe_loader import load_recipe  # noqa: E402

WORKSPACE = PROJECT / "workspace"
FOLDER = Path(__file__).parent

SEGLINE = (sys.executable, "-m", "pipeline")

WIDTH = 1040
"""Width of a page, CSS pixels: a little more than GitHub shows, so that letters stay legible."""

SCALE = 1.6
"""Pixels of a picture for each CSS pixel: sharp on most screens, and below LIMIT."""

LIMIT = 200_000
"""Most bytes of a picture."""

EXAMPLE = ("median", 2)
"""Kind and rank of the image of the strip: as good as half of them."""

SEGMENTED = "document.querySelector('.parts:not([hidden])')"
"""Whether the page of `segline serve` shows a result."""

CLICKS = f"""
click = (number) => document.querySelectorAll("#samples button")[number].click();
clicked = 1;
click(0);
timer = setInterval(() => {{
  if (!{SEGMENTED}) return;
  clearInterval(timer);
  document.querySelector("#clear").click();
  click(2);
  clicked = 2;
}}, 50);
"""
"""Clicks on two sample pictures, one after the other: the first request also builds the network."""

LAYER = """
layer = document.querySelector("[name=layer]");
layer.value = "prediction";
layer.dispatchEvent(new Event("input", { bubbles: true }));
"""
"""Shows the predictions on the page of `segline browse --html`."""

STRIP = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 4px; font: 15px/1.5 system-ui, sans-serif; color: #1c1f24; }}
div {{ display: grid; grid-template-columns: repeat(4, 1fr); gap: 6px; }}
figure {{ margin: 0; }} img {{ width: 100%; display: block; border-radius: 4px; }}
ul {{ display: flex; flex-wrap: wrap; gap: 0 14px; margin: 8px 0 0; padding: 0; list-style: none; font-size: 13px; }}
i {{ display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 5px; }}
.ignored {{ background: repeating-linear-gradient(135deg, #202124 0 2px, #fff 2px 4px, #808080 4px 6px); }}
</style><div>{pictures}</div><ul>{legend}</ul>"""


def strip(run: Path, out: Path) -> None:
    """Draw image, truth, prediction and error of one image, as the step evaluate wrote them, above a legend."""
    entries = json.loads((run / "evaluate/pictures/index.json").read_text(encoding="utf-8"))["examples"]
    files = next(entry["files"] for entry in entries if (entry["kind"], entry["rank"]) == EXAMPLE)
    urls = {part: (run / "evaluate/pictures" / file).as_uri() for part, file in files.items()}
    pictures = "".join(
        f'<figure><figcaption>{part}</figcaption><img src="{url}"></figure>' for part, url in urls.items()
    )
    named = {**_classes(run), "wrong": render.WRONG}
    legend = "".join(
        f'<li><i style="background: rgb({red}, {green}, {blue})"></i>{html.escape(name)}'
        for name, (red, green, blue) in named.items()
    )
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as page:
        page.write(STRIP.format(pictures=pictures, legend=f'{legend}<li><i class="ignored"></i>ignored'))
        page.flush()
        screenshot(Path(page.name).as_uri(), out, height=252, colours=[*named.values()])


def report(run: Path, out: Path) -> None:
    """Draw the head of the run's report."""
    screenshot((run / "report.html").as_uri(), out, height=520)


def sheet(_: Path, out: Path) -> None:
    """Draw what `segline init` shows of a folder of images and masks."""
    with tempfile.TemporaryDirectory() as folder:
        street = Path(folder, "street")
        drawn = [*SEGLINE, "sample", "camvid", "--out", str(street), "--count", "6", "--seed", "1"]
        for command in (drawn, [*SEGLINE, "init", str(street), "--recipe", str(Path(folder, "street.yaml"))]):
            subprocess.run(command, check=True, capture_output=True, cwd=PROJECT)
        save(Image.open(street / "segline.png").convert("RGB"), out)


def gallery(run: Path, out: Path) -> None:
    """Draw the page on which `segline browse --html` shows a run's predictions."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "gallery")
        command = [*SEGLINE, "browse", run.name, "--html", str(page), "--workspace", str(run.parents[1])]
        subprocess.run(command, check=True, capture_output=True, cwd=PROJECT)
        screenshot((page / "index.html").as_uri(), out, height=560, script=LAYER)


def serve(run: Path, out: Path) -> None:
    """Draw the page of `segline serve` with one of its sample pictures, the second that it segments."""
    command = [*SEGLINE, "serve", str(run.parents[1] / "serving/demo"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as server:
        assert server.stdout
        try:
            address = next(match[0] for line in server.stdout if (match := re.search(r"http://\S+/", line)))
            screenshot(address, out, height=900, script=CLICKS, ready=f"window.clicked === 2 && {SEGMENTED}")
        finally:
            server.terminate()


PICTURES: dict[str, Callable[[Path, Path], None]] = {
    "strip": strip,
    "report": report,
    "sheet": sheet,
    "gallery": gallery,
    "serve": serve,
}
"""Each picture's name, by which its file is called, and what draws it from the folder of a run."""


def screenshot(
    url: str, out: Path, *, height: int, script: str = "", ready: str = "true", colours: Sequence[render.Colour] = ()
) -> None:
    """Write what a browser shows of a page, light; see `Browser.picture` and `save`."""
    with browser.opened() as chromium:
        picture = chromium.picture(url, size=(WIDTH, height), scale=SCALE, script=script, ready=ready)
    save(Image.open(io.BytesIO(picture)).convert("RGB"), out, colours)


def save(picture: Image.Image, out: Path, colours: Sequence[render.Colour] = ()) -> None:
    """Write a picture as a PNG of 256 colours, white and `colours` among them, as large as LIMIT allows."""
    exact = np.array([render.PAPER, *colours], np.float32)
    others = np.array(picture.quantize(256 - len(exact)).getpalette(), np.float32).reshape(-1, 3)
    palette = np.concatenate([exact, others])
    values, where = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_inverse=True)
    nearest = (np.square(palette).sum(axis=1) - 2 * values.astype(np.float32) @ palette.T).argmin(axis=1)
    indices = Image.fromarray(nearest[where].reshape(picture.size[::-1]).astype(np.uint8), "P")
    indices.putpalette(palette.astype(np.uint8).tobytes())
    indices.save(out, optimize=True)
    if out.stat().st_size > LIMIT:
        width, height = picture.size
        smaller = picture.resize((width * 9 // 10, height * 9 // 10), Image.Resampling.LANCZOS)
        save(smaller, out, colours)


def _classes(run: Path) -> dict[str, tuple[int, int, int]]:
    spec = load_recipe(str(run / "recipe.yaml")).data.spec()
    return dict(zip(spec.classes, spec.colours, strict=True))


def main() -> None:
    """Draw the pictures that the command line names, or all, from the newest finished run of the demo."""
    runs = sorted(path for path in (WORKSPACE / "runs").glob("*-demo-*") if (path / "report.html").is_file())
    if not runs:
        raise SystemExit(f"There is no finished run of the demo in {WORKSPACE}. First: ./run demo")
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name](runs[-1], FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
