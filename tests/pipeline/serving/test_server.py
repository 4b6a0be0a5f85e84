"""The server answers what it should, refuses what it should in one clear line, and lives on."""

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

from pipeline.errors import UserError
from pipeline.serving import server as serving_server
from pipeline.serving import service as serving
from pipeline.serving.served_model import ServedModel

MAX_BYTES = 200_000


@pytest.fixture(scope="module")
def server(red_model):
    with serving.serving(ServedModel(red_model), host="127.0.0.1", port=0, max_bytes=MAX_BYTES) as server:
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


def ask(server, method: str, path: str, body: bytes | None = None, headers: dict | None = None):
    """One request; gives the status, the headers and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_an_image_comes_back_as_ids_colours_overlay_and_json(server):
    image = half_red()
    expected = (image[..., 0] > 100).astype(np.uint8)
    status, headers, content = ask(server, "POST", "/segment", encode(image))
    assert status == 200 and headers["Content-Type"] == "image/png"
    np.testing.assert_array_equal(picture(content), expected)
    colour = picture(ask(server, "POST", "/segment?output=colour", encode(image))[2])
    assert colour[0, 0].tolist() == [128, 64, 128] and colour[0, 7].tolist() == [0, 0, 255]
    overlay = picture(ask(server, "POST", "/segment?output=overlay&alpha=0", encode(image))[2])
    np.testing.assert_array_equal(overlay, image)
    told = json.loads(ask(server, "POST", "/segment?output=json", encode(image))[2])
    assert (told["height"], told["width"]) == (6, 8)
    assert [(found["name"], found["pixels"], found["share"]) for found in told["classes"]] == [
        ("dark", 24, 0.5),
        ("red", 24, 0.5),
    ]
    np.testing.assert_array_equal(picture(base64.b64decode(told["png_base64"])), expected)


def test_health_and_what_the_model_says_of_itself(server):
    assert json.loads(ask(server, "GET", "/health")[2]) == {"status": "ok", "model": "3"}
    assert json.loads(ask(server, "GET", "/model")[2])["classes"] == ["dark", "red"]


def test_many_at_once_each_get_their_own(server):
    images = [half_red(5 + index % 3, 8 + 2 * (index % 4)) for index in range(24)]
    answers: list = [None] * len(images)

    def one(index: int) -> None:
        answers[index] = picture(ask(server, "POST", "/segment", encode(images[index]))[2])

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for image, answer in zip(images, answers, strict=True):
        np.testing.assert_array_equal(answer, image[..., 0] > 100)


REFUSED = [
    ("GET", "/nothing", None, {}, 404, "There are /, /health"),
    ("GET", "/segment", None, {}, 405, "POST an image"),
    ("POST", "/health", b"", {}, 404, "POST goes to /segment"),
    ("POST", "/segment?output=gold", b"x", {}, 400, "output must be one of ids, colour, overlay, json"),
    ("POST", "/segment?alpha=2", b"x", {}, 400, "alpha must be from 0 to 1"),
    ("POST", "/segment", b"", {}, 400, "not an image of a kind"),
    ("POST", "/segment", b"no image", {}, 400, "not an image of a kind"),
    ("POST", "/segment", encode(half_red(40, 40))[:90], {}, 400, "PNG"),
    ("POST", "/segment", encode(half_red(), "GIF"), {}, 400, "not an image of a kind"),
    ("POST", "/segment", encode(np.zeros((1001, 1000), bool)), {}, 400, "1000 x 1001 pixels. At most 1000000"),
    ("POST", "/segment", bytes(MAX_BYTES + 1), {}, 413, "At most 200,000 bytes"),
    ("POST", "/segment", b"x", {"Content-Length": "-1"}, 411, "Content-Length"),
    ("POST", "/segment", b"x", {"Content-Length": "9" * 30}, 413, "At most"),
    ("POST", "/segment", b"x", {"Content-Length": "9" * 5000}, 413, "a number of 5,000 digits"),
    ("GET", "/model", None, {"Host": "evil.example.org"}, 403, "under these names alone"),
    ("GET", "/model", None, {"Host": "[::1"}, 400, "The request's Host is none"),
]


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "said"), REFUSED)
def test_what_is_refused_is_told_in_one_line_and_the_server_lives_on(server, method, path, body, headers, status, said):
    found, told, content = ask(server, method, path, body, headers)
    error = json.loads(content)["error"]
    assert found == status and said in error and "\n" not in error and "{{" not in error
    assert told["Connection"] == "close"
    assert ask(server, "POST", "/segment", encode(half_red()))[0] == 200


def test_a_body_that_trickles_in_is_given_up_and_its_turn_is_free_again(server, monkeypatch):
    monkeypatch.setattr(serving_server, "SLOWEST", 0.3)
    monkeypatch.setattr(serving_server, "PATIENCE", 0.2)
    head = b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(head)
        while not select.select([client], [], [], 0.05)[0]:
            client.sendall(b"x")
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(head)  # and then nothing
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
    assert server.turns._value == serving_server.AT_ONCE
    assert ask(server, "POST", "/segment", encode(half_red()))[0] == 200


@pytest.mark.parametrize("begun", [b"G", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_head_that_trickles_in_is_given_up(server, monkeypatch, begun):
    monkeypatch.setattr(serving_server, "HEAD", 0.3, raising=False)
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(begun)
        until = time.monotonic() + 10
        while not select.select([client], [], [], 0.05)[0]:
            assert time.monotonic() < until, "it is still listened to"
            client.sendall(b"x")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(4096) == b""
    assert ask(server, "GET", "/health")[0] == 200


def test_a_connection_is_kept_open_for_longer_than_a_head_may_take(server, monkeypatch):
    monkeypatch.setattr(serving_server, "HEAD", 0.3, raising=False)
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    for pause in (0, 0.5):
        time.sleep(pause)
        connection.request("GET", "/health")
        response = connection.getresponse()
        assert response.status == 200 and response.read()
    connection.close()


def test_a_refused_client_that_goes_on_trickling_is_left(server, monkeypatch):
    monkeypatch.setattr(serving_server, "LINGER", 0.3, raising=False)
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 413")
        until = time.monotonic() + 10
        with pytest.raises(ConnectionError):  # reset, once nobody reads
            while time.monotonic() < until:
                client.sendall(b"x")
                time.sleep(0.05)


def test_an_address_that_is_none_is_told(server):
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 400")
    assert ask(server, "GET", "/health")[0] == 200


def test_chunks_without_a_length_are_refused(server):
    status, _, content = ask(server, "POST", "/segment", iter([b"a", b"b"]), {"Transfer-Encoding": "chunked"})
    assert status == 411 and b"Content-Length" in content


def test_what_is_too_long_is_refused_before_it_is_sent(server):
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        lines = "POST /segment HTTP/1.1", "Host: localhost", "Content-Length: 999999999", "Expect: 100-continue", "", ""
        client.sendall("\r\n".join(lines).encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_client_that_goes_away_in_the_middle_harms_nobody(server, capfd):
    for _ in range(12):
        with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
            client.sendall(b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
    assert ask(server, "GET", "/health")[0] == 200
    assert ask(server, "POST", "/segment", encode(half_red()))[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_it_says_where_it_listens_and_to_whom(server, red_model):
    lines = serving.greeting(server, "127.0.0.1")
    assert lines[1] == f"Listening at http://127.0.0.1:{server.server_address[1]}/  (Ctrl-C ends it)"
    assert lines[2] == "Only this machine can reach it."
    assert "Every machine that can reach this one can use it" in serving.greeting(server, "0.0.0.0")[2]
    assert "http://[::1]:" in serving.greeting(server, "::1")[1]


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", None), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000)])
def test_an_address_that_cannot_be_had_is_told(server, red_model, host, port):
    port = server.server_address[1] if port is None else port
    with (
        pytest.raises(UserError, match=rf"Cannot listen at {re.escape(host)}:{port}: .*--port"),
        serving.serving(server.model, host=host, port=port, max_bytes=1),
    ):
        pass


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_end(red_model):
    command = [sys.executable, "-m", "pipeline", "serve", str(red_model), "--port", "0"]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        shown = [process.stdout.readline() for _ in range(3)]
        port = int(re.search(r":(\d+)/", shown[1])[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", "/segment", encode(half_red()))
        assert connection.getresponse().status == 200
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and rest == "Ended.\n" and errors == ""


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

DRIVER = """
const wait = async (test) => { for (let n = 0; n < 200 && !test(); n++) await new Promise((r) => setTimeout(r, 25)); };
addEventListener("load", async () => {
  const bytes = Uint8Array.from(atob("IMAGE"), (c) => c.charCodeAt(0));
  const drop = (file) => {
    const transfer = new DataTransfer();
    transfer.items.add(file);
    at("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  };
  const seen = {};
  drop(new File([new Uint8Array([1, 2, 3])], "bad.png"));
  await wait(() => at("said").className === "bad");
  seen.bad = at("said").textContent;
  drop(new File([bytes], "good.png", { type: "image/png" }));
  await wait(() => !at("result").hidden);
  const read = (id, x, y) => [...at(id).getContext("2d").getImageData(x, y, 1, 1).data];
  Object.assign(seen, { said: at("said").textContent, title: document.title, ids: [...state.ids],
    photo: read("photo", 300, 5), left: read("mask", 5, 5), right: read("mask", 300, 5),
    rows: [...at("classes").rows].map((row) => row.innerText.trim()), save: at("save").href.slice(0, 5),
    wide: document.documentElement.scrollWidth <= innerWidth });
  at("classes").querySelector("button").click();
  seen.alone = [read("mask", 5, 5)[3], read("mask", 300, 5)[3]];
  at("classes").querySelector("button").click();
  await fetch("seen", { method: "POST", body: JSON.stringify(seen) });
});
"""


@pytest.fixture
def seen(server, monkeypatch, tmp_path) -> dict:
    """What a real browser shows after its script dropped a bad file and a good one on the page."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed here (apt-get install chromium)")
    copy, told = tmp_path / "page", queue.Queue()
    shutil.copytree(serving_server.PAGE_FOLDER, copy)
    driver = DRIVER.replace("IMAGE", base64.b64encode(encode(half_red(240, 320))).decode())
    with (copy / "page.js").open("a", encoding="utf-8") as script:
        script.write(driver)
    post = serving_server.Handler._post

    def listen(handler, path, query):
        if path != "/seen":
            return post(handler, path, query)
        told.put(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))
        return "text/plain", b""

    monkeypatch.setattr(serving_server, "PAGE_FOLDER", copy)
    monkeypatch.setattr(serving_server.Handler, "_post", listen)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    command += ["--window-size=420,900", f"--user-data-dir={tmp_path / 'profile'}"]
    url = f"http://localhost:{server.server_address[1]}/"
    with subprocess.Popen([*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            return told.get(timeout=60)
        finally:
            browser.terminate()


def test_a_browser_shows_what_was_dropped_and_its_classes(seen):
    assert seen["bad"].startswith("bad.png: This is not an image of a kind")
    assert seen["said"].startswith("good.png: 320 × 240 pixels")
    assert seen["title"] == "fast, trained on toy"
    np.testing.assert_array_equal(np.reshape(seen["ids"], (240, 320)), half_red(240, 320)[..., 0] > 100)
    assert seen["photo"] == [200, 0, 0, 255]
    assert seen["left"] == [128, 64, 128, 255] and seen["right"] == [0, 0, 255, 255]
    assert [re.sub(r"\s+", " ", row) for row in seen["rows"]] == ["dark 50.0 %", "red 50.0 %"]
    assert seen["alone"] == [255, 0] and seen["save"] == "blob:" and seen["wide"]
