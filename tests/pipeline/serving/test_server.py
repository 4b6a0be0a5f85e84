"""The server: results, refusals in one clear line, limits, and the page in a browser."""

import base64
import contextlib
import http.client
import io
import json
import queue
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.image_folder.files import FORMATS
from pipeline.errors import UserError
from pipeline.serving import server as serving_server
from pipeline.serving import service
from pipeline.serving.served_model import ServedModel
from tests.pipeline.export.photos import saved, turned

MAX_BYTES = 200_000


@pytest.fixture(scope="module")
def server(red_model):
    with service.bound_server(ServedModel(red_model), host="127.0.0.1", port=0, max_bytes=MAX_BYTES) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def half_red(height: int = 6, width: int = 8) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :, 0] = 200
    return image


def encode(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def animation() -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(np.full((6, 8, 3), value, np.uint8)) for value in (0, 200)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def send(server, method: str, path: str, body: bytes | None = None, headers: dict | None = None):
    """Send one request; return the status, the headers and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_outputs_of_segment(server):
    image = half_red()
    expected = (image[..., 0] > 100).astype(np.uint8)
    status, headers, content = send(server, "POST", "/segment", encode(image))
    assert status == 200 and headers["Content-Type"] == "image/png"
    np.testing.assert_array_equal(picture(content), expected)
    colour = picture(send(server, "POST", "/segment?output=colour", encode(image))[2])
    assert colour[0, 0].tolist() == [128, 64, 128] and colour[0, 7].tolist() == [0, 0, 255]
    overlay = picture(send(server, "POST", "/segment?output=overlay&alpha=0", encode(image))[2])
    np.testing.assert_array_equal(overlay, image)
    result = json.loads(send(server, "POST", "/segment?output=json", encode(image))[2])
    assert (result["height"], result["width"]) == (6, 8)
    assert [(entry["name"], entry["pixels"], entry["share"]) for entry in result["classes"]] == [
        ("dark", 24, 0.5),
        ("red", 24, 0.5),
    ]
    np.testing.assert_array_equal(picture(base64.b64decode(result["png_base64"])), expected)


def test_a_turned_photo_is_answered_upright_or_as_it_is_stored(server):
    picture_of = half_red(60, 80)
    content = turned(Image.fromarray(picture_of), "JPEG", 6, quality=95)
    expected = picture_of[..., 0] > 100
    assert Image.open(io.BytesIO(content)).size == (60, 80)
    np.testing.assert_array_equal(picture(send(server, "POST", "/segment", content)[2]), expected)
    stored = picture(send(server, "POST", "/segment?geometry=stored", content)[2])
    np.testing.assert_array_equal(stored, np.rot90(expected))
    overlay = picture(send(server, "POST", "/segment?output=overlay&alpha=0&geometry=stored", content)[2])
    np.testing.assert_array_equal(overlay, np.asarray(Image.open(io.BytesIO(content))))


@pytest.mark.parametrize("kind", FORMATS)
def test_the_page_gets_the_picture_that_the_model_sees(server, kind):
    image = Image.fromarray(half_red(60, 80))
    if kind in ("JPEG", "PNG", "TIFF"):
        content = turned(image, kind, 6)
    else:
        content = saved(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    result = json.loads(send(server, "POST", "/segment?output=page", content)[2])
    shown, classes = (picture(base64.b64decode(result[name])) for name in ("picture_base64", "png_base64"))
    assert shown.shape == (60, 80, 3) and classes.shape == (60, 80) == (result["height"], result["width"])
    assert abs(shown.astype(int) - half_red(60, 80))[:, [0, 79]].max() < 8
    np.testing.assert_array_equal(classes, half_red(60, 80)[..., 0] > 100)


def test_health_and_model(server):
    assert json.loads(send(server, "GET", "/health")[2]) == {"status": "ok", "model": "3"}
    assert json.loads(send(server, "GET", "/model")[2])["classes"] == ["dark", "red"]


def test_concurrent_requests_get_their_own_results(server):
    images = [half_red(5 + index % 3, 8 + 2 * (index % 4)) for index in range(24)]
    results: list = [None] * len(images)

    def one(index: int) -> None:
        results[index] = picture(send(server, "POST", "/segment", encode(images[index]))[2])

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for image, result in zip(images, results, strict=True):
        np.testing.assert_array_equal(result, image[..., 0] > 100)


REFUSED = [
    ("GET", "/nothing", None, {}, 404, "There are GET /, /health"),
    ("GET", "/segment", None, {}, 405, "POST an image"),
    ("POST", "/health", b"", {}, 404, "Only /segment accepts POST"),
    ("POST", "/segment?output=gold", b"x", {}, 400, "output must be one of ids, colour, overlay, json"),
    ("POST", "/segment?alpha=2", b"x", {}, 400, "alpha must be from 0 to 1"),
    ("POST", "/segment", b"", {}, 400, "not an image of an accepted format"),
    ("POST", "/segment", b"no image", {}, 400, "not an image of an accepted format"),
    ("POST", "/segment", encode(half_red(40, 40))[:90], {}, 400, "PNG"),
    ("POST", "/segment", animation(), {}, 400, "several images in one file"),
    ("POST", "/segment?geometry=lying", b"x", {}, 400, "geometry must be one of upright, stored"),
    ("POST", "/segment", encode(np.zeros((1001, 1000), bool)), {}, 400, "1000 x 1001 pixels. At most 1000000"),
    ("POST", "/segment", bytes(MAX_BYTES + 1), {}, 413, "At most 200,000 bytes"),
    ("POST", "/segment", b"x", {"Content-Length": "-1"}, 411, "Content-Length"),
    ("POST", "/segment", b"x", {"Content-Length": "9" * 30}, 413, "At most"),
    ("POST", "/segment", b"x", {"Content-Length": "9" * 5000}, 413, "a number of 5,000 digits"),
    ("GET", "/model", None, {"Host": "evil.example.org"}, 403, "Host must be one of localhost"),
    ("GET", "/model", None, {"Host": "[::1"}, 400, "The Host is not valid"),
]


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "message"), REFUSED)
def test_refusals_are_one_line_and_the_server_keeps_running(server, method, path, body, headers, status, message):
    received, response_headers, content = send(server, method, path, body, headers)
    error = json.loads(content)["error"]
    assert received == status and message in error and "\n" not in error and "{{" not in error
    assert response_headers["Connection"] == "close"
    assert send(server, "POST", "/segment", encode(half_red()))[0] == 200


def test_a_body_that_trickles_in_times_out_and_frees_its_slot(server, monkeypatch):
    monkeypatch.setattr(serving_server, "BODY_TIMEOUT", 0.3)
    monkeypatch.setattr(serving_server, "TIMEOUT", 0.2)
    head = b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(head)
        while not select.select([client], [], [], 0.05)[0]:
            client.sendall(b"x")
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(head)  # and then nothing
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
    assert server.slots._value == serving_server.CONCURRENT_REQUESTS
    assert send(server, "POST", "/segment", encode(half_red()))[0] == 200


@pytest.mark.parametrize("start", [b"G", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_head_that_trickles_in_times_out(server, monkeypatch, start):
    monkeypatch.setattr(serving_server, "HEAD_TIMEOUT", 0.3)
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(start)
        until = time.monotonic() + 10
        while not select.select([client], [], [], 0.05)[0]:
            assert time.monotonic() < until, "the connection is still open"
            client.sendall(b"x")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(4096) == b""
    assert send(server, "GET", "/health")[0] == 200


def test_an_idle_connection_is_kept_longer_than_the_head_timeout(server, monkeypatch):
    monkeypatch.setattr(serving_server, "HEAD_TIMEOUT", 0.3)
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    for pause in (0, 0.5):
        time.sleep(pause)
        connection.request("GET", "/health")
        response = connection.getresponse()
        assert response.status == 200 and response.read()
    connection.close()


def test_a_refused_client_that_keeps_sending_is_disconnected(server, monkeypatch):
    monkeypatch.setattr(serving_server, "DRAIN_TIMEOUT", 0.3)
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 413")
        until = time.monotonic() + 10
        with pytest.raises(ConnectionError):  # reset, once the server has stopped reading
            while time.monotonic() < until:
                client.sendall(b"x")
                time.sleep(0.05)


def test_an_invalid_address_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 400")
    assert send(server, "GET", "/health")[0] == 200


def test_chunks_without_a_length_are_refused(server):
    status, _, content = send(server, "POST", "/segment", iter([b"a", b"b"]), {"Transfer-Encoding": "chunked"})
    assert status == 411 and b"Content-Length" in content


def test_a_long_body_is_refused_before_it_is_sent(server):
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        lines = "POST /segment HTTP/1.1", "Host: localhost", "Content-Length: 999999999", "Expect: 100-continue", "", ""
        client.sendall("\r\n".join(lines).encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 413")


def test_clients_that_disconnect_do_not_affect_others(server, capfd):
    for _ in range(12):
        with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
            client.sendall(b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
    assert send(server, "GET", "/health")[0] == 200
    assert send(server, "POST", "/segment", encode(half_red()))[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_startup_lines_say_where_it_listens_and_who_can_reach_it(server, red_model):
    lines = service.startup_lines(server, "127.0.0.1")
    assert lines[1] == f"Listening at http://127.0.0.1:{server.server_address[1]}/  (Ctrl-C stops it)"
    assert lines[2] == "Only this machine can reach it."
    assert "Every machine that can reach this one can use it" in service.startup_lines(server, "0.0.0.0")[2]
    assert "http://[::1]:" in service.startup_lines(server, "::1")[1]


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", None), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000)])
def test_an_unusable_address_is_reported(server, red_model, host, port):
    port = server.server_address[1] if port is None else port
    with (
        pytest.raises(UserError, match=rf"Cannot listen at {re.escape(host)}:{port}: .*--port"),
        service.bound_server(server.model, host=host, port=port, max_bytes=1),
    ):
        pass


@pytest.mark.slow
def test_the_command_serves_until_sigterm(red_model):
    command = [sys.executable, "-m", "pipeline", "serve", str(red_model), "--port", "0"]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        port = int(re.search(r":(\d+)/", lines[1])[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", "/segment", encode(half_red()))
        assert connection.getresponse().status == 200
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and rest == "Stopped.\n" and errors == ""


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

DRIVER = """
const wait = async (test) => { for (let n = 0; n < 200 && !test(); n++) await new Promise((r) => setTimeout(r, 25)); };
addEventListener("load", async () => {
  const bytes = Uint8Array.from(atob("IMAGE"), (c) => c.charCodeAt(0));
  const drop = (file) => {
    const transfer = new DataTransfer();
    transfer.items.add(file);
    byId("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  };
  const shown = {};
  drop(new File([new Uint8Array([1, 2, 3])], "bad.png"));
  await wait(() => byId("message").className === "bad");
  shown.bad = byId("message").textContent;
  drop(new File([bytes], "good.png", { type: "image/png" }));
  await wait(() => !byId("result").hidden);
  const read = (id, x, y) => [...byId(id).getContext("2d").getImageData(x, y, 1, 1).data];
  Object.assign(shown, { message: byId("message").textContent, title: document.title, ids: [...state.ids],
    photo: read("photo", 300, 5), left: read("mask", 5, 5), right: read("mask", 300, 5),
    rows: [...byId("classes").rows].map((row) => row.innerText.trim()), save: byId("save").href.slice(0, 5),
    wide: document.documentElement.scrollWidth <= innerWidth });
  byId("classes").querySelector("button").click();
  shown.selected = [read("mask", 5, 5)[3], read("mask", 300, 5)[3]];
  byId("classes").querySelector("button").click();
  await fetch("shown", { method: "POST", body: JSON.stringify(shown) });
});
"""


@pytest.fixture
def shown(server, monkeypatch, tmp_path) -> dict:
    """What a real browser shows after a script has dropped a bad file and a good one on the page."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed here (apt-get install chromium)")
    copy, reports = tmp_path / "page", queue.Queue()
    shutil.copytree(serving_server.PAGE_FOLDER, copy)
    driver = DRIVER.replace("IMAGE", base64.b64encode(encode(half_red(240, 320))).decode())
    with (copy / "page.js").open("a", encoding="utf-8") as script:
        script.write(driver)
    post = serving_server.Handler._post

    def receive(handler, path, query):
        if path != "/shown":
            return post(handler, path, query)
        reports.put(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))
        return "text/plain", b""

    monkeypatch.setattr(serving_server, "PAGE_FOLDER", copy)
    monkeypatch.setattr(serving_server.Handler, "_post", receive)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    command += ["--window-size=420,900", f"--user-data-dir={tmp_path / 'profile'}"]
    url = f"http://localhost:{server.server_address[1]}/"
    with subprocess.Popen([*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            return reports.get(timeout=60)
        finally:
            browser.terminate()


def test_a_browser_shows_a_dropped_image_and_its_classes(shown):
    assert shown["bad"].startswith("bad.png: This is not an image of an accepted format")
    assert shown["message"].startswith("good.png: 320 × 240 pixels")
    assert shown["title"] == "fast, trained on toy"
    np.testing.assert_array_equal(np.reshape(shown["ids"], (240, 320)), half_red(240, 320)[..., 0] > 100)
    assert max(abs(np.subtract(shown["photo"], [200, 0, 0, 255]))) < 8  # the page shows a JPEG
    assert shown["left"] == [128, 64, 128, 255] and shown["right"] == [0, 0, 255, 255]
    assert [re.sub(r"\s+", " ", row) for row in shown["rows"]] == ["dark 50.0 %", "red 50.0 %"]
    assert shown["selected"] == [255, 0] and shown["save"] == "blob:" and shown["wide"]
