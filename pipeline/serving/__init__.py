"""Inference with an exported model: on files (`segline predict`), and over HTTP (`segline serve`)."""
