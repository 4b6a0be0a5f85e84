"""ONNX: conversion of the network. Needs the extra `onnx`; see models.libraries."""

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
