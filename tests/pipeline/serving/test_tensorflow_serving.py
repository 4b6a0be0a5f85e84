"""The request of docker/serving.md, run verbatim against a fake of TensorFlow Serving's REST API.

The fake reads the SavedModel's signatures and converts rows to tensors and back by the rules of
tensorflow_serving/util/json_tensor.cc and g3doc/api_rest.md. It does not test the server itself, which is C++.
"""

import base64
import io
import json
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

PAGE = Path(__file__).parents[3] / "docker" / "serving.md"


class FakeServing:
    """Predicts on a request's JSON as TensorFlow Serving's REST API does in its row format."""

    def __init__(self, saved_model: Path) -> None:
        proto = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
        self._signatures = proto.meta_graphs[0].signature_def
        self._loaded = tf.saved_model.load(str(saved_model))

    def predict(self, request: dict) -> list:
        name = request.get("signature_name", "serving_default")
        inputs = {key: tf.as_dtype(info.dtype) for key, info in self._signatures[name].inputs.items()}
        rows = request["instances"]
        assert isinstance(rows, list) and rows, "'instances' must be a list of at least one row"
        assert all(set(row) == set(inputs) for row in rows), f"keys must be equal to: {sorted(inputs)}"
        tensors = {
            key: tf.constant([self._value(row[key], kind) for row in rows], kind) for key, kind in inputs.items()
        }
        outputs = self._loaded.signatures[name](**tensors)
        columns = {key: self._column(key, outputs[key].numpy(), len(rows)) for key in self._signatures[name].outputs}
        if len(columns) == 1:
            return next(iter(columns.values()))
        return [{key: column[row] for key, column in columns.items()} for row in range(len(rows))]

    @staticmethod
    def _value(value, kind: tf.DType):
        if isinstance(value, dict):
            assert kind == tf.string and list(value) == ["b64"], "only a string may be {'b64': ...}"
            return base64.b64decode(value["b64"], validate=True)
        return value

    @staticmethod
    def _column(name: str, values: np.ndarray, rows: int) -> list:
        assert values.shape[:1] == (rows,), f"tensor {name} has an inconsistent batch size"
        if values.dtype != object:
            return values.tolist()
        binary = name.endswith("_bytes")
        return [{"b64": base64.b64encode(value).decode()} if binary else value.decode() for value in values]


@pytest.fixture(scope="module")
def port(red_model) -> Iterator[int]:
    fake = FakeServing(red_model / "3")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                assert self.path == "/v1/models/demo:predict"
                status, response = 200, {"predictions": fake.predict(json.loads(body))}
            except (AssertionError, tf.errors.InvalidArgumentError) as error:
                status, response = 400, {"error": str(error)}
            content = json.dumps(response).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def photo(height: int, width: int, kind: str = "JPEG") -> bytes:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :, 0] = 250
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, quality=95)
    return file.getvalue()


def script(port: int) -> str:
    """The page's commands, with another port."""
    (block,) = re.findall(r"```sh\n(printf .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block.count("127.0.0.1:8501/v1/models/demo:predict") == 1
    return block.replace("127.0.0.1:8501", f"127.0.0.1:{port}")


def test_the_request_on_the_page_writes_the_class_map(port, tmp_path):
    for program in ("curl", "base64", "python3"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    (tmp_path / "photo.jpg").write_bytes(photo(480, 640))
    result = subprocess.run(["sh", "-c", script(port)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stdout == "640 x 480 orientation 1\n", result.stderr
    classes = np.asarray(Image.open(tmp_path / "classes.png"))
    assert classes.shape == (480, 640) and (classes[:, :300] == 0).all() and (classes[:, 340:] == 1).all()


def predict(port: int, request: dict) -> dict:
    url = f"http://127.0.0.1:{port}/v1/models/demo:predict"
    with urllib.request.urlopen(url, json.dumps(request).encode(), timeout=30) as response:
        return json.load(response)


def row(content: bytes) -> dict:
    return {"image_bytes": {"b64": base64.b64encode(content).decode()}}


def test_one_request_may_have_rows_of_different_sizes(port):
    rows = [row(photo(20, 30)), row(photo(9, 50, "PNG"))]
    predictions = predict(port, {"signature_name": "serving_bytes", "instances": rows})["predictions"]
    assert [(one["height"], one["width"]) for one in predictions] == [(20, 30), (9, 50)]
    assert [set(one) for one in predictions] == 2 * [{"png_bytes", "height", "width", "orientation"}]
    probabilities = predict(port, {"signature_name": "probabilities_bytes", "instances": rows[:1]})["predictions"][0]
    tall = np.asarray(Image.open(io.BytesIO(base64.b64decode(probabilities["probabilities_png_bytes"]["b64"]))))
    assert tall.shape == (2 * 20, 30)


def test_the_default_signature_takes_arrays_of_one_size(port):
    image = np.zeros((4, 6, 3), int)
    image[:, 3:, 0] = 250
    (prediction,) = predict(port, {"instances": [{"images": image.tolist()}]})["predictions"]
    assert prediction == [[0, 0, 0, 1, 1, 1]] * 4


@pytest.mark.parametrize("rows", [[row(b"no image")], [row(photo(20, 30)), row(b"")], [], [{"image": {"b64": ""}}]])
def test_a_bad_request_gets_an_error_and_the_next_one_succeeds(port, rows):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        predict(port, {"signature_name": "serving_bytes", "instances": rows})
    assert predict(port, {"signature_name": "serving_bytes", "instances": [row(photo(8, 8))]})["predictions"]
