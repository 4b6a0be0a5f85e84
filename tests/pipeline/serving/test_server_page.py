"""The page of `segline serve` in a real browser: several images, turned photos, confidence, samples, what is saved."""

import base64
import queue
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from starlette.responses import Response
from starlette.routing import Route

from pipeline.drawing import page_template
from pipeline.serving import http_app
from pipeline.serving.served_model import ServedModel
from tests.pipeline.export.photos import turned
from tests.pipeline.serving.test_server import half_red, running

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

DRIVER = """
const wait = async (test) => { for (let n = 0; n < 1600 && !test(); n++) await new Promise((r) => setTimeout(r, 25)); };
addEventListener("load", async () => {
  const bytes = Uint8Array.from(atob("PHOTO"), (c) => c.charCodeAt(0));
  const drop = (...files) => {
    const transfer = new DataTransfer();
    files.forEach((file) => transfer.items.add(file));
    byId("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  };
  const violations = [];
  addEventListener("securitypolicyviolation", (event) => violations.push(event.blockedURI));
  drop(new File([new Uint8Array([1, 2, 3])], "bad.png"), new File([bytes], "it's good.jpg", { type: "image/jpeg" }));
  document.querySelector("#samples button").click();
  await wait(() => cards.size === 3 && !byId("message").textContent);
  const [bad, good, sample] = [...cards];
  const read = (canvas, x, y) => [...canvas.getContext("2d").getImageData(x, y, 1, 1).data];
  const saved = (card) => new Promise((resolve) => {
    HTMLAnchorElement.prototype.click = function () { resolve([this.download, this.href.slice(0, 5)]); };
    card.get("[data-do=overlay]").click();
  });
  const shown = { bad: bad.get(".note").textContent, note: good.get(".note").textContent, title: document.title,
    ids: [...good.ids], photo: read(good.photo, 300, 5), left: read(good.mask, 5, 5), right: read(good.mask, 300, 5),
    rows: [...good.get("tbody").rows].map((row) => row.innerText.trim()), sample: sample.get("h2").textContent,
    ids_file: [good.get("[data-do=ids]").download, good.get("[data-do=ids]").href.slice(0, 5)],
    overlay_file: await saved(good), curl: byId("curl").textContent,
    wide: document.documentElement.scrollWidth <= innerWidth };
  good.get("tbody button").click();
  shown.selected = [read(good.mask, 5, 5)[3], read(good.mask, 300, 5)[3], read(sample.mask, 300, 5)[3]];
  good.get("tbody button").click();
  document.querySelector("[value=confidence]").click();
  shown.confidence = read(good.mask, 300, 5);
  good.get(".remove").click();
  shown.left_over = [cards.size, document.querySelectorAll("article").length];
  shown.violations = violations;
  await fetch("shown", { method: "POST", body: JSON.stringify(shown) });
});
"""


@pytest.fixture
def shown(red_model, monkeypatch, tmp_path) -> dict:
    """What a browser shows after a script has dropped a bad file and a turned photo, and has chosen a sample."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed here (apt-get install chromium)")
    copy, reports = tmp_path / "page", queue.Queue()
    shutil.copytree(http_app.PAGE_FOLDER, copy)
    photo = turned(Image.fromarray(half_red(240, 320)), "JPEG", 6, quality=95)
    with (copy / "page.js").open("a", encoding="utf-8") as script:
        script.write(DRIVER.replace("PHOTO", base64.b64encode(photo).decode()))
    Image.fromarray(half_red(240, 320)).save(tmp_path / "best-1.jpg", quality=95)

    async def receive(request):
        reports.put(await request.json())
        return Response()

    def with_report(self):
        app = starlette(self)
        app.router.routes.append(Route("/shown", receive, methods=["POST"]))
        return app

    starlette = http_app.Application.starlette
    monkeypatch.setattr(http_app, "PAGE_FOLDER", copy)
    monkeypatch.setattr(http_app.Application, "starlette", with_report)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    command += ["--window-size=420,900", f"--user-data-dir={tmp_path / 'profile'}"]
    with running(ServedModel(red_model), samples=[tmp_path / "best-1.jpg"]) as server:
        url = f"http://localhost:{server.port}/"
        with subprocess.Popen([*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                return reports.get(timeout=60)
            finally:
                browser.terminate()


def test_a_browser_shows_dropped_images_and_their_classes(shown):
    assert shown["bad"].startswith("This is not an image of an accepted format")
    assert shown["note"].startswith("320 × 240 pixels")
    assert shown["title"] == "fast, trained on toy" and shown["sample"] == "Sample 1.jpeg"
    wrong = np.reshape(shown["ids"], (240, 320)) != (half_red(240, 320)[..., 0] > 100)
    assert wrong.mean() < 0.01  # a JPEG blurs the border
    assert max(abs(np.subtract(shown["photo"], [200, 0, 0, 255]))) < 8
    assert shown["left"] == [128, 64, 128, 255] and shown["right"] == [0, 0, 255, 255]
    assert [re.sub(r"\s+", " ", row) for row in shown["rows"]] == ["dark 50.0 % 100 %", "red 50.0 % 100 %"]
    assert shown["selected"] == [255, 0, 0] and shown["confidence"] == [253, 231, 37, 255]
    assert shown["ids_file"] == ["it's good-ids.png", "blob:"]
    assert shown["overlay_file"] == ["it's good-classes.png", "blob:"]
    assert shown["left_over"] == [2, 2] and shown["violations"] == [] and shown["wide"]
    assert "?output=ids'" in shown["curl"] and shown["curl"].startswith("curl --data-binary @")


def test_every_page_loads_only_its_own():
    for path in http_app.PAGE_FOLDER.iterdir():
        content = path.read_text(encoding="utf-8")
        assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//|style=|onclick=\"", content), path.name
    assert "url(" not in page_template.texts(page_template.SHARED / "page.css", http_app.PAGE_FOLDER / "page.css")
