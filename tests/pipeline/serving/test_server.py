"""The server: results, refusals in one clear line, limits, and the page in a browser."""

import base64
import contextlib
import http.client
import io
import json
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from datasets.image_folder.files import FORMATS
from pipeline.drawing import page_template
from pipeline.errors import UserError
from pipeline.serving import http_app, http_limits, service
from pipeline.serving.served_model import ServedModel
from tests.pipeline.export.photos import saved, turned

MAX_BYTES = 200_000


@contextlib.contextmanager
def running(model: ServedModel, **options) -> Iterator[SimpleNamespace]:
    """A server in a thread; its port, and `stop`, after which requests that came before are answered."""
    with (
        service.listening("127.0.0.1", 0) as listener,
        service.prepared(model, local=True, max_bytes=MAX_BYTES, **options) as server,
    ):
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        stop = lambda: setattr(server, "should_exit", True)  # noqa: E731
        yield SimpleNamespace(port=port, stop=stop)
        stop()
        thread.join(15)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def served(red_model) -> ServedModel:
    return ServedModel(red_model)


@pytest.fixture(scope="module")
def server(served):
    with running(served) as server:
        yield server


@pytest.fixture
def narrow(served, monkeypatch):
    """A server with room for one image."""
    monkeypatch.setattr(http_app, "CONCURRENT_REQUESTS", 1)
    with running(served) as server:
        yield server


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
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
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
    assert Image.open(io.BytesIO(content)).convert("RGB").getpixel((7, 0)) == (0, 0, 255)
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
    unsure = np.where(image > 0, 101, image).astype(np.uint8)  # the logits of its right half differ by 1
    confidence = picture(send(server, "POST", "/segment?output=confidence", encode(unsure))[2])
    assert (
        confidence[:, 4:].ravel().tolist() == [round(255 / (1 + np.exp(-1)))] * 24 and (confidence[:, :4] == 255).all()
    )


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
    names = ("picture_base64", "grey_base64", "confidence_base64")
    shown, classes, confidence = (picture(base64.b64decode(result[name])) for name in names)
    assert shown.shape == (60, 80, 3) and classes.shape == (60, 80) == (result["height"], result["width"])
    assert confidence.shape == (60, 80)
    assert abs(shown.astype(int) - half_red(60, 80))[:, [0, 79]].max() < 8
    np.testing.assert_array_equal(classes, half_red(60, 80)[..., 0] > 100)


def test_health_and_model(server):
    assert json.loads(send(server, "GET", "/health")[2]) == {"status": "ok", "model": "3"}
    assert json.loads(send(server, "GET", "/model")[2])["classes"] == ["dark", "red"]


def test_the_document_lists_what_is_answered(server):
    document = json.loads(send(server, "GET", "/openapi.json")[2])
    assert document["openapi"].startswith("3.1") and document["info"]["title"] == "fast on toy"
    for path in set(document["paths"]) - {"/segment"}:
        assert send(server, "GET", path)[0] == 200
    segment = document["paths"]["/segment"]["post"]
    for parameter in segment["parameters"]:
        for value in parameter["schema"].get("enum", [parameter["schema"]["default"]]):
            assert send(server, "POST", f"/segment?{parameter['name']}={value}", encode(half_red()))[0] == 200
    page = send(server, "GET", "/docs")[2].decode()
    assert all(f'<th scope="row">{status}</th>' in page for status in segment["responses"])


def test_200_clients_at_once_get_their_own_results(server):
    images = [half_red(5 + index % 3, 8 + 2 * (index % 4)) for index in range(200)]
    together = threading.Barrier(len(images))

    def one(image: np.ndarray) -> np.ndarray:
        together.wait()
        status, _, content = send(server, "POST", "/segment", encode(image))
        assert status == 200
        return picture(content)

    with ThreadPoolExecutor(len(images)) as clients:
        for image, result in zip(images, clients.map(one, images), strict=True):
            np.testing.assert_array_equal(result, image[..., 0] > 100)


REFUSED = [
    ("GET", "/nothing", None, {}, 404, "There are GET /, /docs"),
    ("GET", "/samples/0", None, {}, 404, "There are GET /"),
    ("GET", "/segment", None, {}, 405, "POST /segment with an image"),
    ("POST", "/health", b"", {}, 405, "POST /segment with an image"),
    ("POST", "/segment?output=gold", b"x", {}, 400, "output must be one of ids, colour, overlay, confidence, json"),
    ("POST", "/segment?alpha=2", b"x", {}, 400, "alpha must be from 0 to 1"),
    ("POST", "/segment", b"", {}, 400, "not an image of an accepted format"),
    ("POST", "/segment", b"no image", {}, 400, "not an image of an accepted format"),
    ("POST", "/segment", encode(half_red(40, 40))[:90], {}, 400, "PNG"),
    ("POST", "/segment", animation(), {}, 400, "several images in one file"),
    ("POST", "/segment?geometry=lying", b"x", {}, 400, "geometry must be one of upright, stored"),
    ("POST", "/segment", encode(np.zeros((1001, 1000), bool)), {}, 400, "1000 x 1001 pixels. At most 1000000"),
    ("POST", "/segment", bytes(MAX_BYTES + 1), {}, 413, "At most 200,000 bytes"),
    ("POST", "/segment", b"x", {"Content-Length": "9" * 18}, 413, "At most 200,000 bytes"),
    ("GET", "/model", b"x" * 70_000, {}, 200, ""),
    ("POST", "/segment", encode(half_red()), {"Origin": "https://evil.example.org"}, 403, "page of another server"),
    ("POST", "/segment", encode(half_red()), {"Origin": "null"}, 403, "page of another server"),
    ("POST", "/segment", encode(half_red()), {"Origin": "http://localhost:3000"}, 403, "page of another server"),
    ("GET", "/model", None, {"Host": "evil.example.org"}, 403, "Host must be one of localhost"),
    ("GET", "/model", None, {"Host": "[::1"}, 400, "The Host is not valid"),
]


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "message"), REFUSED)
def test_refusals_are_one_line_and_the_server_keeps_running(server, method, path, body, headers, status, message):
    received, response_headers, content = send(server, method, path, body, headers)
    error = json.loads(content).get("error", "")
    assert received == status and message in error and "\n" not in error and "{{" not in error
    assert (
        response_headers["Connection"] == "close" and "frame-ancestors" in response_headers["Content-Security-Policy"]
    )
    origin = {"Origin": f"http://127.0.0.1:{server.port}"}
    assert send(server, "POST", "/segment", encode(half_red()), origin)[0] == 200


@pytest.mark.parametrize(
    "lengths", [b"Content-Length: 1\r\nContent-Length: 2", b"Content-Length: 1, 2"]
    + [b"Content-Length: " + value for value in (b"-1", b"x", b"9" * 30, b"9" * 5000)]
    + [b"Content-Length: 1\r\nHost: localhost"],
)  # fmt: skip
def test_an_ambiguous_request_is_refused_and_the_connection_closed(server, lengths):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        request = b"POST /segment HTTP/1.1\r\nHost: localhost\r\n" + lengths + b"\r\n\r\nab"
        client.sendall(request + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 400")
    assert send(server, "GET", "/health")[0] == 200


def test_what_follows_an_unread_body_is_no_request(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"GET /model HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab")
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_all(client).count(b"HTTP/1.1 ") == 1


def read_all(client: socket.socket) -> bytes:
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(1 << 16):
            content += part
    return content


HALF = b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"


def test_a_body_that_trickles_in_times_out_and_frees_its_slot(narrow, monkeypatch):
    monkeypatch.setattr(http_app, "BODY_TIMEOUT", 0.3)
    monkeypatch.setattr(http_app, "TIMEOUT", 0.2)
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=10) as client:
        client.sendall(HALF)
        while not select.select([client], [], [], 0.05)[0]:
            client.sendall(b"x")
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=10) as client:
        client.sendall(HALF)  # and then nothing
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
    assert send(narrow, "POST", "/segment", encode(half_red()))[0] == 200


def test_a_full_queue_answers_503(narrow, monkeypatch):
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=10) as client:
        client.sendall(HALF)
        time.sleep(0.2)
        monkeypatch.setattr(http_app, "TIMEOUT", 0.2)  # of the next request: this one keeps its 30 s
        status, headers, content = send(narrow, "POST", "/segment", encode(half_red()))
        assert (status, headers["Retry-After"]) == (503, "1") and b"Too many" in content
    assert send(narrow, "POST", "/segment", encode(half_red()))[0] == 200


def test_a_server_that_stops_answers_what_it_has_begun(narrow):
    content = encode(half_red())
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=10) as client:
        client.sendall(b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(content))
        time.sleep(0.1)
        narrow.stop()
        time.sleep(0.3)
        client.sendall(content)
        assert read_all(client).startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_read_is_disconnected(server, monkeypatch):
    monkeypatch.setattr(http_limits, "SEND_TIMEOUT", 0.3)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(("127.0.0.1", server.port))
        with pytest.raises(ConnectionError):
            while True:
                client.sendall(b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    assert send(server, "GET", "/health")[0] == 200


@pytest.mark.parametrize("start", [b"G", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_head_that_trickles_in_times_out(server, monkeypatch, start):
    monkeypatch.setattr(http_limits, "HEAD_TIMEOUT", 0.3)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(start)
        until = time.monotonic() + 10
        while not select.select([client], [], [], 0.05)[0]:
            assert time.monotonic() < until, "the connection is still open"
            client.sendall(b"x")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(4096) == b""
    assert send(server, "GET", "/health")[0] == 200


def test_an_idle_connection_is_kept_longer_than_the_head_timeout(server, monkeypatch):
    monkeypatch.setattr(http_limits, "HEAD_TIMEOUT", 0.3)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for pause in (0, 0.5):
        time.sleep(pause)
        connection.request("GET", "/health")
        response = connection.getresponse()
        assert response.status == 200 and response.read()
    connection.close()


def test_a_refused_client_that_keeps_sending_is_disconnected(server, monkeypatch):
    monkeypatch.setattr(http_limits, "DRAIN_TIMEOUT", 0.3)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 413")
        until = time.monotonic() + 10
        with pytest.raises(ConnectionError):  # reset, once the server has stopped reading
            while time.monotonic() < until:
                client.sendall(b"x")
                time.sleep(0.05)


def test_an_invalid_address_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 404")
    assert send(server, "GET", "/health")[0] == 200


def test_chunks_without_a_length_are_refused(server):
    status, _, content = send(server, "POST", "/segment", iter([b"a", b"b"]), {"Transfer-Encoding": "chunked"})
    assert status == 411 and b"Content-Length" in content


def test_a_long_body_is_refused_before_it_is_sent(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        lines = "POST /segment HTTP/1.1", "Host: localhost", "Content-Length: 999999999", "Expect: 100-continue", "", ""
        client.sendall("\r\n".join(lines).encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 413")


def test_clients_that_disconnect_do_not_affect_others(server, capfd):
    for _ in range(12):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
    assert send(server, "GET", "/health")[0] == 200
    assert send(server, "POST", "/segment", encode(half_red()))[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_startup_lines_say_where_it_listens_and_who_can_reach_it():
    lines = service.startup_lines("127.0.0.1", 8000)
    assert lines == ["Listening at http://127.0.0.1:8000/  (Ctrl-C stops it)", "Only this machine can reach it."]
    assert "Every machine that can reach this one can use it" in service.startup_lines("0.0.0.0", 1)[1]
    assert "http://[::1]:" in service.startup_lines("::1", 1)[0]


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", None), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000)])
def test_an_unusable_address_is_reported(server, host, port):
    port = server.port if port is None else port
    with (
        pytest.raises(UserError, match=rf"Cannot listen at {re.escape(host)}:{port}: .*--port"),
        service.listening(host, port),
    ):
        pass


EARLY = """
import sys
from pipeline.__main__ import main
port, model, damaged = sys.argv[1:]
assert main(["serve", model, "--port", port]) == 2
assert main(["serve", "nowhere"]) == main(["serve", damaged, "--port", "0"]) == 2
assert main(["predict", model, "no.png", "--out", "out"]) == main(["predict", damaged, __file__, "--out", "out"]) == 2
assert main(["predict", model, "--dry-run", __file__, "--out", "out"]) == 0
assert "tensorflow" not in sys.modules
"""


def test_mistakes_are_reported_before_tensorflow_is_imported(server, red_model, tmp_path):
    (tmp_path / "early.py").write_text(EARLY)
    command = [sys.executable, str(tmp_path / "early.py"), str(server.port), str(red_model), str(tmp_path)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Address already in use" in done.stderr and "Traceback" not in done.stderr


def test_names_of_classes_are_no_markup(served):
    values = {"facts": {**served.facts, "classes": ["<b>", "red"]}, "outputs": {}, "samples": 0, "version": "3"}
    page = page_template.render(http_app.PAGE_FOLDER, "index.html.j2", {**values, "address": "http://localhost/"})
    assert "&lt;b&gt;" in page and "<b>" not in page


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
