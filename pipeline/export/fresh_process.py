"""Call every signature of a SavedModel in a process that knows nothing of Segline.

    python -P fresh_process.py SAVED_MODEL REQUEST.npz RESPONSE.npz

pipeline.export.parity runs this file by its path. It has Python, NumPy and TensorFlow (which imports Keras by itself):
what else the project uses cannot be imported here, or the proof would prove less.
"""

import sys
from pathlib import Path
from typing import Any

PROJECT = ("datasets", "models", "pipeline")

REFUSED = (*PROJECT, "PIL", "apache_beam", "pydantic", "tensorflow_datasets", "tensorflow_metadata", "tqdm", "yaml")
"""What cannot be imported where this runs as a program."""


class Refusal:
    """A finder of modules that finds none of REFUSED, and so hides them from every other finder."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raise ModuleNotFoundError for what is refused; leave all else to the other finders."""
        if name.split(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"{name} is not to be had in the process that checks the SavedModel", name=name)


def main(saved_model: str, request: str, response: str) -> int:
    """Answer a request.

    Args:
        saved_model: Folder of the model.
        request: File of arrays "image_<i>" (uint8 [H,W,3]) and "bytes_<i>" (uint8 [n], the same image as a file).
        response: File to write: "<signature>_<i>", the class map uint8 [H,W] of image i by each signature.
    """
    import numpy as np
    import tensorflow as tf

    with np.load(request) as arrays:
        count = len(arrays.files) // 2
        images = [arrays[f"image_{index}"] for index in range(count)]
        files = [arrays[f"bytes_{index}"].tobytes() for index in range(count)]
    signatures = tf.saved_model.load(saved_model).signatures
    found = {}
    for name, signature in signatures.items():
        if "images" in signature.structured_input_signature[1]:
            for index, image in enumerate(images):
                found[f"{name}_{index}"] = signature(images=tf.constant(image[None]))["classes"].numpy()[0]
        else:
            for index, row in enumerate(_rows(signature(image_bytes=tf.constant(files)))):
                found[f"{name}_{index}"] = row
    np.savez(response, **found)
    strangers = sorted({name.split(".")[0] for name in sys.modules} & set(PROJECT))
    if strangers:
        print(f"The process that checks the SavedModel imported the project's {', '.join(strangers)}.", file=sys.stderr)
        return 1
    return 0


def _rows(answer: dict[str, Any]) -> list[Any]:
    """Decode the class maps of an answer to image bytes, and check that each has the size that the answer states."""
    import tensorflow as tf

    maps = [tf.io.decode_png(png, channels=1).numpy()[..., 0] for png in answer["png_bytes"].numpy()]
    sizes = list(zip(answer["height"].numpy().tolist(), answer["width"].numpy().tolist(), strict=True))
    if sizes != [found.shape for found in maps]:
        raise ValueError(f"The answer states sizes {sizes}, its class maps have {[found.shape for found in maps]}.")
    return maps


if __name__ == "__main__":
    sys.meta_path.insert(0, Refusal())  # type: ignore[arg-type]
    sys.exit(main(*(str(Path(argument)) for argument in sys.argv[1:])))
