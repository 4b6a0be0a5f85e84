"""Image files as users have them, read as ingest reads them: for predict, serve and the parity check.

Where ingest keeps a file as it is, so does this. Everything else goes through ingest's own function.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from datasets import audit
from datasets.audit import BadFileError, Kind
from datasets.image_folder import files
from datasets.spec import DatasetSpec
from models import image_file
from models.image_file import Reading

IN_GRAPH = (audit.PNG_SIGNATURE, audit.JPEG_SIGNATURE, b"BM", b"RIFF")
"""First bytes of the formats that the exported signatures of files decode."""

APPLY, IGNORE = "apply", "ignore"
"""Values of `image_exif` in segline.json."""


class BadImageError(Exception):
    """A file that is not an image, is damaged, or has too many pixels; the message is one line."""


def reading_of(facts: "Mapping[str, Any] | DatasetSpec") -> Reading:
    """Return what ingest did to the images, by the content of segline.json or by a dataset's spec."""
    if isinstance(facts, DatasetSpec):
        facts = {name: getattr(facts, name) for name in ("image_range", "image_exif", "image_bands")}
    limits = facts["image_range"]
    return Reading(
        range=limits and (float(limits[0]), float(limits[1])),
        upright=facts["image_exif"] == APPLY,
        bands=tuple(facts["image_bands"] or ()),
    )


class RawImages:
    """Reads the bytes of image files; may be used by several threads."""

    def __init__(self, reading: Reading, max_pixels: int) -> None:
        """Prepare.

        Args:
            reading: What ingest did to the images that the model was trained on.
            max_pixels: An image of more pixels is refused before it is decompressed.
        """
        self._reading, self._max_pixels = reading, max_pixels
        file = [tf.TensorSpec([], tf.string)]
        self._of_record = tf.function(image_file.decode, input_signature=file)
        self._of_file = tf.function(
            lambda content: image_file.decode_untrusted(content, max_pixels, reading)[0], input_signature=file
        )

    def read(self, content: bytes) -> np.ndarray:
        """Decode a file of any format that ingest reads, as training sees it: uint8 [H,W,3] RGB.

        Raises:
            BadImageError: The file is no image, is damaged, too large, or of a kind that ingest refuses.
        """
        try:
            # The records of published datasets hold PNG and JPEG files as they are; their reading states no range.
            if self._reading.range is None and content.startswith(IN_GRAPH[:2]):
                pixels: np.ndarray = self._of_file(tf.constant(content)).numpy()
            else:
                pixels = self._of_record(tf.constant(self._record(content))).numpy()
        except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
            raise BadImageError(image_file.reason(error)) from None
        except BadFileError as error:
            raise BadImageError(_explain(error)) from None
        return pixels

    def orientation(self, content: bytes) -> int:
        """Return the EXIF orientation, 1..8, by which `read` turns a file upright; 1: it is not turned."""
        if not self._reading.upright:
            return 1
        try:
            stated, _ = files.orientation(content)
        except BadFileError as error:
            raise BadImageError(_explain(error)) from None
        return stated if 1 <= stated <= 8 else 1

    def _record(self, content: bytes) -> bytes:
        """Return the PNG or JPEG that ingest would write."""
        audit.check_pixels(content, self._max_pixels)
        low, high = self._reading.range or image_file.FULL_RANGE
        exif = APPLY if self._reading.upright else IGNORE
        record = files.record_image(content, low, high, exif, self._reading.bands)
        if not min(audit.image_size(record)):
            raise BadFileError(Kind.DAMAGED, "it has no pixel")
        return record


def turn_back(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an upright picture or class map [H,W] or [H,W,K] back to how a file of this orientation stores it.

    >>> turn_back(np.array([[1], [2]]), 6).tolist()
    [[1, 2]]
    """
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    return np.ascontiguousarray(upright.swapaxes(0, 1) if orientation >= 5 else upright)


def _explain(error: BadFileError) -> str:
    if error.kind is Kind.NOT_AN_IMAGE:
        return f"This is not an image of an accepted format: {', '.join(files.FORMATS)}."
    if error.kind is Kind.TOO_LARGE:
        return f"The image is too large: {error.detail}."
    return f"{error}".replace("\n", " ")
