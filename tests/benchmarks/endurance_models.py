"""Many raw files with bad ones, a served model under hostile requests, and all commands at once (endurance.py)."""

import http.client
import io
import json
import random
import re
import resource
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.benchmarks import ingest as small_images

PROJECT = Path(__file__).parents[2]
MAX_BYTES = 200_000
"""Longest request, bytes."""


def many(number: int, scratch: Path) -> str:
    """Ingest so many small images, of which one of 100 is cut, empty, no image or without its mask's size."""
    raw = small_images.generate(scratch / "raw", number)
    images = sorted((raw / "train").glob("*.png"))[:: 100 * 4 // 5]
    for index, path in enumerate(images):
        content = path.read_bytes()
        bad = (content[: len(content) // 2], b"", b"no image", _png(np.zeros((5, 7, 3), np.uint8)))
        path.write_bytes(bad[index % len(bad)])
    command = ["run", str(PROJECT / "tests/tiny.yaml"), "--until", "ingest", "--workspace", str(scratch / "work")]
    settings = [f"data.manual_dir={raw}", "ingest.on_bad_input=quarantine"]
    began = time.monotonic()
    _segline(*command, *(word for setting in settings for word in ("--set", setting)))
    took = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    (file,) = (scratch / "work/artifacts/ingest").glob("*/audit.json")
    text = file.read_text()
    places = ("train", "trainannot")  # of two sizes the mask is named
    unnamed = [path.name for path in images if not any(f"{place}/{path.name}" in text for place in places)]
    assert not unnamed, f"{len(unnamed)} of {len(images)} bad files are not named: {unnamed[:5]}"
    (info,) = (scratch / "work/artifacts/ingest").glob("*/records/dataset_info.json")
    kept = sum(int(n) for split in json.loads(info.read_text())["splits"] for n in split["shardLengths"])
    assert kept == number - len(images), f"{kept} records of {number} images, {len(images)} of them bad"
    return f"{len(images)} bad files named, {kept} records, {took:.0f} s, at most {peak:.0f} MiB"


def requests(number: int, scratch: Path) -> str:
    """Send so many requests from eight clients to a server, every second one hostile."""
    with _serving(_red_model(scratch / "red"), scratch, "--max-mb", str(MAX_BYTES / 1e6)) as (process, port):
        with ThreadPoolExecutor(8) as clients:
            first = list(clients.map(lambda index: _request(port, index), range(number // 5)))
            before = _held(process)
            rest = list(clients.map(lambda index: _request(port, index), range(number // 5, number)))
        time.sleep(2)  # threads of closed connections end
        after = _held(process)
    answers = Counter(first + rest)
    shown = ", ".join(f"{count} {name}" for name, count in sorted(answers.items()))
    assert set(answers) <= {"right", "refused", "hung up"}, shown
    assert after[1] <= before[1] + 8 and after[2] <= before[2] + 8, f"files and threads: {before} -> {after}"
    grown = (after[0] - before[0]) / 1e6
    assert grown < 100, f"{grown:.0f} MB more memory"
    return f"{shown}; memory {grown:+.0f} MB, open files {after[1] - before[1]:+d}, threads {after[2] - before[2]:+d}"


def together(minutes: int, scratch: Path) -> str:
    """For so many minutes predict, serve, clean up, verify and run in one workspace, all at the same time."""
    from datasets.camvid import sample

    sample.write(scratch / "raw", count=14, seed=3, size=(72, 96))
    work, settings = scratch / "work", ["--set", f"data.manual_dir={scratch / 'raw'}"]
    run = ["run", str(PROJECT / "tests/tiny.yaml"), *settings, "--workspace", str(work)]
    _segline(*run)
    (served,) = (path for path in (work / "serving").iterdir() if path.is_dir())
    end, done = time.monotonic() + 60 * minutes, Counter[str]()

    def repeat(name: str, command: Callable[[int], list[str]]) -> None:
        while time.monotonic() < end:
            _segline(*command(done[name]))
            done[name] += 1

    image = str(next((scratch / "raw/val").glob("*.png")))
    loops: dict[str, Callable[[int], list[str]]] = {
        "run": lambda n: [*run, "--set", f"evaluate.min_miou={n / 1e6}"],
        "predict": lambda n: ["predict", str(served), image, "--out", str(scratch / f"out{n}")],
        "gc": lambda n: ["gc", "--keep-last", "2", "--workspace", str(work)],
        "verify": lambda n: ["verify", str(work)],
    }
    with _serving(served, scratch) as (_, port), ThreadPoolExecutor(len(loops) + 1) as threads:
        calls = [threads.submit(repeat, *loop) for loop in loops.items()]
        calls.append(threads.submit(_ask_until, end, port, Path(image).read_bytes(), done))
        for call in calls:
            call.result()
    _segline("verify", str(work))
    kept = len(list((work / "runs").iterdir()))
    return f"{', '.join(f'{count} x {name}' for name, count in done.items())}; none failed, {kept} runs are kept"


_COMMAND = [sys.executable, "-m", "pipeline"]


def _segline(*words: str) -> str:
    """Call a command; it must succeed."""
    ended = subprocess.run([*_COMMAND, *words], cwd=PROJECT, capture_output=True, text=True, check=False)
    shown = ended.stdout + ended.stderr
    assert ended.returncode == 0 and "Traceback" not in shown, f"{words[0]}: {ended.returncode}\n{shown[-3000:]}"
    return shown


def _red_model(folder: Path) -> Path:
    """Export a model that answers 1 where red is above 100."""
    import tensorflow as tf

    from datasets.spec import DatasetSpec
    from models.image_file import Reading
    from models.servable import SIGNATURES, Servable
    from pipeline.config.model import ModelConfig
    from pipeline.export import facts
    from tests.pipeline import red_network

    module = Servable(red_network.build(), None, max_pixels=1_000_000, reading=Reading(upright=True))
    tf.saved_model.save(module, folder / "1", signatures=module.signatures())
    spec = DatasetSpec("toy", ("dark", "red"), ((0, 0, 0), (0, 0, 255)), {}, (), "", "", "")
    made = ModelConfig(name="fast")
    facts.write(folder / "1", spec=spec, model=made, fit=None, metrics={}, signatures=SIGNATURES)
    return folder


@contextmanager
def _serving(model: Path, scratch: Path, *options: str) -> Iterator[tuple[int, int]]:
    """Serve a model while the block runs; yield the server's process id and its port."""
    log = scratch / "serve.log"
    with log.open("w") as output:
        command = [*_COMMAND, "serve", str(model), "--port", "0", *options]
        server = subprocess.Popen(command, cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT)
    try:
        while not (port := re.search(r"http://[^/]*:(\d+)", log.read_text())):
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
        yield server.pid, int(port[1])
        assert server.poll() is None, f"the server ended: {log.read_text()[-3000:]}"
    finally:
        server.terminate()
        server.wait()
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


def _ask_until(end: float, port: int, image: bytes, done: Counter[str]) -> None:
    expected = None
    while time.monotonic() < end:
        answer = _post(port, image)
        assert answer[0] == 200 and expected in (None, answer), f"serve: {answer[0]}"
        expected, done["serve"] = answer, done["serve"] + 1


def _post(port: int, body: bytes, path: str = "/segment", method: str = "POST") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _request(port: int, index: int) -> str:
    """Send the request of a number: the even ones are good. Return how it was answered."""
    draw = random.Random(index)
    good = np.zeros((6, 8, 3), np.uint8)
    good[:, 4:, 0] = 150 + index % 100
    if index % 2 == 0:
        status, content = _post(port, _png(good))
        right = status == 200 and np.array_equal(_pixels(content), (good[..., 0] > 100).astype(np.uint8))
        return "right" if right else "wrong"
    kind = draw.choice(("cut", "noise", "header", "large", "path", "method", "half", "length"))
    if kind in ("half", "length"):
        length = b"10" if kind == "half" else draw.choice((b"-1", b"1e9", b"999999999999", b"x"))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
            raw.sendall(b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\nabc")
        return "hung up"
    bodies: dict[str, bytes] = {
        "cut": _png(good)[: draw.randrange(8, 60)],
        "noise": draw.randbytes(500),
        "header": _png(good)[:16] + (40_000).to_bytes(4, "big") * 2 + _png(good)[24:],
        "large": bytes(MAX_BYTES + 1),
    }
    path = (
        draw.choice(("/../../etc/passwd", "/segment?alpha=nan", "/segment?output=x")) if kind == "path" else "/segment"
    )
    try:
        status, _ = _post(port, bodies.get(kind, _png(good)), path, "PUT" if kind == "method" else "POST")
    except (http.client.HTTPException, OSError):
        return "hung up"
    return "refused" if 400 <= status < 500 or status == 501 else f"answered with {status}"


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _pixels(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)))


def _held(process: int) -> tuple[int, int, int]:
    """Return what a process holds: resident memory in bytes, open files and sockets, threads."""
    place = Path(f"/proc/{process}")
    pages = int((place / "statm").read_text().split()[1])
    return pages * resource.getpagesize(), len(list((place / "fd").iterdir())), len(list((place / "task").iterdir()))
