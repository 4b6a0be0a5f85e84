"""ONNX: conversion of the network, and inference with the result. Needs the extra `onnx`; see models.libraries."""

import numpy as np

from models.litert import Network

OPSET = 17
"""Opset of 2022: old enough for most runtimes in use, and the first with LayerNormalization."""


def convert(network: Network) -> bytes:
    """Convert a network to an .onnx file: `image` float32 [1,H,W,3], 0..255 RGB -> `logits` float32 [1,H,W,C]."""
    import tf2onnx

    signature = network.infer.input_signature
    proto, _ = tf2onnx.convert.from_function(network.infer, input_signature=signature, opset=OPSET)
    content: bytes = proto.SerializeToString()
    return content


class Runner:
    """Runs an .onnx file with ONNX Runtime on the CPU."""

    def __init__(self, content: bytes, threads: int) -> None:
        """Load the file's contents, for this number of threads."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Compute logits: float32 [1,H,W,3], 0..255 -> float32 [1,H,W,C]."""
        logits: np.ndarray = self._session.run(["logits"], {"image": image})[0]
        return logits
