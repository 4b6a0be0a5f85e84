"""ONNX: converting the network alone, and asking what came of it. Needs the extra `onnx`: see models.libraries."""

import numpy as np

from models.litert import Network

OPSET = 17
"""Of 2022: old enough for most runtimes in use, and the first with LayerNormalization."""


def convert(network: Network) -> bytes:
    """Convert a network to an .onnx file: `image` float32 [1,H,W,3], 0..255 RGB -> `logits` float32 [1,H,W,C]."""
    import tf2onnx

    signature = network.infer.input_signature
    found, _ = tf2onnx.convert.from_function(network.infer, input_signature=signature, opset=OPSET)
    content: bytes = found.SerializeToString()
    return content


class Runner:
    """Answers with an .onnx file by ONNX Runtime, on the CPU."""

    def __init__(self, content: bytes, threads: int) -> None:
        """Take the file's contents and the number of threads."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Compute logits: float32 [1,H,W,3], 0..255 -> float32 [1,H,W,C]."""
        logits: np.ndarray = self._session.run(["logits"], {"image": image})[0]
        return logits
