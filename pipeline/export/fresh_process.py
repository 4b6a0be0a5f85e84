"""Call every signature of a SavedModel in a process without Segline.

    python -P fresh_process.py SAVED_MODEL REQUEST.npz RESPONSE.npz

pipeline.export.parity runs this file by its path, with Python, NumPy and TensorFlow (which imports Keras). Everything
else that the project uses is refused, as it must not be needed to use the model.
"""

import sys
from pathlib import Path
from typing import Any

PROJECT = ("datasets", "models", "pipeline")

REFUSED = (*PROJECT, "PIL", "apache_beam", "pydantic", "tensorflow_datasets", "tensorflow_metadata", "tqdm", "yaml")
"""Packages that cannot be imported where this runs as a program."""


class Refusal:
    """A module finder that refuses REFUSED before any other finder is tried."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raise ModuleNotFoundError for a refused package; leave all others to the other finders."""
        if name.split(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"{name} is refused in the process that checks the SavedModel", name=name)


def main(saved_model: str, request: str, response: str) -> int:
    """Write the class maps of every signature.

    Args:
        saved_model: Folder of the model.
        request: File of arrays "image_<i>" (uint8 [H,W,3]) and "bytes_<i>" (uint8 [n], the same image as a file; may be
            missing).
        response: File to write: "<signature>_<i>", the class map uint8 [H,W] of image i by each signature.

    Returns:
        Exit code: 1 if a module of the project was imported, else 0.
    """
    import numpy as np
    import tensorflow as tf

    with np.load(request) as arrays:
        images, files = (
            {int(name.rpartition("_")[2]): arrays[name] for name in arrays.files if name.startswith(kind)}
            for kind in ("image_", "bytes_")
        )
    contents = [file.tobytes() for file in files.values()]
    signatures = tf.saved_model.load(saved_model).signatures
    class_maps = {}
    for name, signature in signatures.items():
        if "images" in signature.structured_input_signature[1]:
            for index, image in images.items():
                class_maps[f"{name}_{index}"] = signature(images=tf.constant(image[None]))["classes"].numpy()[0]
        elif contents:
            received = _class_maps(signature(image_bytes=tf.constant(contents)))
            class_maps |= {f"{name}_{index}": class_map for index, class_map in zip(files, received, strict=True)}
    np.savez(response, **class_maps)
    imported = sorted({name.split(".")[0] for name in sys.modules} & set(PROJECT))
    if imported:
        print(f"The process that checks the SavedModel imported the project's {', '.join(imported)}.", file=sys.stderr)
        return 1
    return 0


def _class_maps(output: dict[str, Any]) -> list[Any]:
    """Decode the class maps of a signature of image bytes, and check them against the sizes in the output."""
    import tensorflow as tf

    maps = [tf.io.decode_png(png, channels=1).numpy()[..., 0] for png in output["png_bytes"].numpy()]
    stated = list(zip(output["height"].numpy().tolist(), output["width"].numpy().tolist(), strict=True))
    shapes = [class_map.shape for class_map in maps]
    if stated != shapes:
        raise ValueError(f"The signature states sizes {stated}, its class maps have {shapes}.")
    return maps


if __name__ == "__main__":
    sys.meta_path.insert(0, Refusal())  # type: ignore[arg-type]
    sys.exit(main(*(str(Path(argument)) for argument in sys.argv[1:])))
