"""Segment image files with the LiteRT or ONNX file beside this one, as the evaluated model does.

    python on_device.py model_float32.tflite photo.jpg classes.png

A part of the exported model: it imports NumPy, Pillow and the runtime of the model's file only. `read` decodes a file
to the pixels that training sees, `to_input` brings them to the network's size, and `to_classes` the logits back to the
image's; segline.json beside it says how. What training does not read is a ValueError.
"""

import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")

MODES = ("1", "L", "P", "RGB", "LA", "RGBA", "PA")
"""Pillow's modes of 8 bits or fewer; beside them CMYK of a JPEG."""

ORIENTATION, EXTRA_SAMPLES = 0x0112, 338
"""Tags of EXIF and TIFF."""

BACK = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""{orientation: Image.Transpose that reverts it}: Pillow turns a TIFF always."""

ALL_VALUES = (0, 65535)

GREY = 114.0
"""Value of the margin around an image."""

SOFT_VALUES, SOFT_SHARE = 1, 0.5
"""A fourth band of more values than this between none and full, in more than this share of the pixels, is no
transparency."""

ELSEWHERE = "`segline serve` reads all that training reads."


def read(content: bytes, facts: Mapping[str, Any]) -> np.ndarray:
    """Decode an image file as training does: uint8 [H,W,3] RGB.

    Args:
        content: The file's bytes.
        facts: `image_exif`, `image_range`, `image_bands` and `max_pixels` of segline.json.

    Raises:
        ValueError: No image, damaged, too large, of several images, or of a kind that is not read.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _require_readable(image, content, facts)
            pixels = _load(image, upright=facts["image_exif"] == "apply")
    except ValueError:
        raise
    except Image.UnidentifiedImageError as error:
        raise ValueError(f"This is not an image of an accepted format: {', '.join(FORMATS)}.") from error
    except Exception as error:  # Pillow's exceptions depend on where the damage is
        raise ValueError(f"It is damaged: {error}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if facts["image_bands"]:
        return _choose_bands(pixels, facts["image_bands"])
    return _to_rgb(pixels, facts["image_range"], is_png=content.startswith(b"\x89PNG"))


def to_input(image: np.ndarray, size: tuple[int, int], facts: Mapping[str, Any]) -> np.ndarray:
    """Bring an image uint8 [H,W,3] to the network's input: float32 [1,h,w,3], 0..255, not rounded.

    Args:
        image: From `read`.
        size: (h, w) of the input of the model's file.
        facts: `fit` of segline.json: how images are resized and padded.
    """
    how, padding = _fit(facts)
    inner = _inner(image.shape[:2], size, how)
    resized = image.astype(np.float32) if inner == image.shape[:2] else _resize(image, inner, antialias=True)
    margins = [
        (first, length - own - first) for first, length, own in zip(_before(inner, size), size, inner, strict=True)
    ]
    options = {"constant_values": GREY} if padding == "constant" else {}
    padded: np.ndarray = np.pad(resized, [*margins, (0, 0)], padding, **options)  # type: ignore[call-overload]
    return padded[None]


def to_classes(logits: np.ndarray, shape: tuple[int, int], facts: Mapping[str, Any]) -> np.ndarray:
    """Bring logits float32 [1,h,w,C] back to an image of the size `shape`, (H, W): class ids, uint8 [H,W]."""
    inner = _inner(shape, logits.shape[1:3], _fit(facts)[0])
    top, left = _before(inner, logits.shape[1:3])
    scores = logits[0, top : top + inner[0], left : left + inner[1]]
    scores = scores if inner == tuple(shape) else _resize(scores, shape, antialias=False)
    classes: np.ndarray = scores.argmax(-1).astype(np.uint8)
    return classes


def load(file: Path, threads: int = os.cpu_count() or 1) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[int, int]]:
    """Load the model's file: a function from its input to logits, and the (height, width) of the input."""
    if not file.is_file():  # each runtime has an error of its own for it
        raise FileNotFoundError(f"There is no model {file}.")
    if file.suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        _, height, width, _ = session.get_inputs()[0].shape
        return lambda image: session.run(["logits"], {"image": image})[0], (height, width)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(file), num_threads=threads)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        logits: np.ndarray = interpreter.get_tensor(target["index"])
        return logits

    return run, (int(source["shape"][1]), int(source["shape"][2]))


def _require_readable(image: Image.Image, content: bytes, facts: Mapping[str, Any]) -> None:
    if image.width * image.height > facts["max_pixels"]:
        raise ValueError(
            f"The image is {image.width} x {image.height}; at most {facts['max_pixels']} pixels are accepted."
        )
    if image.format not in ("JPEG", "MPO") and getattr(image, "n_frames", 1) > 1:
        raise ValueError(f"This {image.format} holds several images; a file must hold one.")
    deep = image.mode.startswith(("I", "F"))
    high_colour = image.format == "PNG" and content[24] > 8 and content[25] != 0
    if high_colour and (facts["image_bands"] or tuple(facts["image_range"] or ALL_VALUES) != ALL_VALUES):
        raise ValueError("It has 16-bit colour, of which only the high bytes can be read.")
    odd_tiff = image.format == "TIFF" and (
        (image.mode in ("LA", "RGBA") and image.tag_v2.get(EXTRA_SAMPLES) not in ((1,), (2,), 1, 2))  # type: ignore[attr-defined]
        or (not deep and max(image.tag_v2.get(258, (8,))) > 8)  # type: ignore[attr-defined]
    )
    is_known = image.mode in MODES or (image.mode == "CMYK" and image.format in ("JPEG", "MPO"))
    if odd_tiff or not (is_known or deep) or (deep and facts["image_bands"]):
        raise ValueError(f"Of this {image.format} ({image.mode}) the bands are not read here. {ELSEWHERE}")


def _load(image: Image.Image, *, upright: bool) -> Image.Image:
    stored = image.getexif().get(ORIENTATION, 1) if image.format == "TIFF" else 1
    image.load()
    if upright:
        return ImageOps.exif_transpose(image)
    return image.transpose(Image.Transpose(BACK[stored])) if stored in BACK else image


def _choose_bands(image: Image.Image, bands: list[int]) -> np.ndarray:
    pixels = np.atleast_3d(np.asarray(image.convert("RGB") if image.mode in ("P", "1") else image))
    if max(bands) > pixels.shape[2]:
        raise ValueError(f"It has {pixels.shape[2]} bands; the model sees {list(bands)}.")
    return np.ascontiguousarray(pixels[..., [band - 1 for band in (bands if len(bands) == 3 else bands * 3)]])


def _to_rgb(image: Image.Image, limits: tuple[float, float] | None, *, is_png: bool) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        grey = np.asarray(image)
        if limits is None and is_png:  # as published data sets are read
            grey = (grey >> 8).astype(np.uint8)
        else:
            low, high = limits or ALL_VALUES
            grey = np.clip(np.nan_to_num(np.rint((grey.astype(np.float64) - low) * (255 / (high - low)))), 0, 255)
        return np.stack([grey.astype(np.uint8)] * 3, -1)
    if image.mode in ("LA", "RGBA", "PA"):
        counts = np.asarray(image.getchannel("A").histogram())[1:-1]
        if np.count_nonzero(counts) > SOFT_VALUES and counts.sum() > SOFT_SHARE * image.width * image.height:
            raise ValueError("Its last band is no transparency, and would be dropped.")
    return np.asarray(image.convert("RGB"))


def _fit(facts: Mapping[str, Any]) -> tuple[str, str]:
    fit = facts["fit"] or {"how": "resize", "padding": "constant"}
    return fit["how"], fit["padding"]


def _inner(own: tuple[int, ...], size: tuple[int, ...], how: str) -> tuple[int, int]:
    """Return the size of an image inside its margin; a larger one is never padded, but made smaller."""
    if how == "pad" and own[0] <= size[0] and own[1] <= size[1]:
        return own[0], own[1]
    if how == "resize":
        return size[0], size[1]
    ratio = (np.asarray(size, np.float32) / np.asarray(own, np.float32)).min()
    height, width = np.clip(np.rint(np.asarray(own, np.float32) * ratio), 1, size).astype(int).tolist()
    return height, width


def _before(inner: tuple[int, int], size: tuple[int, ...]) -> tuple[int, int]:
    """Return the margin above and to the left; of an odd margin it is the larger half."""
    return (size[0] - inner[0] + 1) // 2, (size[1] - inner[1] + 1) // 2


def _resize(image: np.ndarray, size: tuple[int, ...], *, antialias: bool) -> np.ndarray:
    """Resize [H,W,K] bilinearly: float32 [h,w,K]."""
    rows, columns = (_weights(own, new, antialias=antialias) for own, new in zip(image.shape[:2], size, strict=False))
    resized: np.ndarray = np.einsum("hH,HWK,wW->hwK", rows, image.astype(np.float32), columns, optimize=True)
    return resized


def _weights(own: int, new: int, *, antialias: bool) -> np.ndarray:
    """Return the weights of the own pixels in each new one, float32 [new,own]: a triangle around the centre."""
    width = max(1.0, own / new) if antialias else 1.0
    centres = (np.arange(new)[:, None] + 0.5) * own / new
    weights = np.maximum(0, 1 - np.abs(np.arange(own) + 0.5 - np.clip(centres, 0.5, own - 0.5)) / width)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def main(model: str, source: str, target: str) -> None:
    """Segment one image file, and write its class ids as a grey PNG."""
    facts = json.loads(Path(__file__).with_name("segline.json").read_text(encoding="utf-8"))
    run, size = load(Path(model))
    image = read(Path(source).read_bytes(), facts)
    Image.fromarray(to_classes(run(to_input(image, size, facts)), image.shape[:2], facts)).save(target)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"usage: {Path(sys.argv[0]).name} MODEL IMAGE CLASSES.png")
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError) as error:
        sys.exit(f"{sys.argv[2]}: {error}")
