"""An exported model and its predictions: `segline.load`."""

import io
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipeline.drawing import render
from segline import cells
from segline.errors import Error, sentences
from segline.tables import Table

if TYPE_CHECKING:
    from pipeline.serving.served_model import ServedModel

IN_PNG, IN_TIFF = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}), frozenset({"F", "I", "I;16B"})
"""Modes of Pillow that a file of this format keeps as they are; the others, such as CMYK, become RGB."""


class Model:
    """An exported model. Its facts are read at once, its network at the first prediction, which takes seconds.

    Attributes:
        path: Folder of the SavedModel.
        classes: Class names; the index is the class id.
        facts: All that the model says of itself: colours, data, licence, metrics (see pipeline/export/facts.py).
    """

    def __init__(self, served: "ServedModel") -> None:
        self._served = served
        self.path: Path = served.folder
        self.facts: dict[str, Any] = served.facts
        self.classes = tuple(served.facts["classes"])

    def predict(self, image: "str | os.PathLike[str] | Image.Image | np.ndarray") -> "Prediction":
        """Segment one image.

        Args:
            image: A file of any format that training reads, an image of Pillow, or an array uint8 [H,W,3] of RGB. Files
                and images of Pillow are read as ingest reads them: EXIF orientation, bands and range of the data.

        Raises:
            Error: There is no such file, or it is no image, damaged or too large; the array is of another kind; or the
                files of the model are damaged.
        """
        with sentences():
            self._served.load()
            pixels = self._pixels(image)
            return Prediction(self, pixels, self._served.classify(pixels[None])[0])

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return class probabilities: uint8 [H,W,3] -> float32 [H,W,C] in 0..1.

        Raises:
            Error: The model was exported without them (`export.outputs`).
        """
        with sentences():
            return self._served.probabilities(pixels[None])[0]

    def _pixels(self, image: Any) -> np.ndarray:
        from datasets.audit import lift_pillow_limit
        from pipeline.export.raw_image import BadImageError

        if isinstance(image, np.ndarray):
            return _require_rgb(image)
        if isinstance(image, Image.Image):
            name, content = "image", _file_of(image)
        elif isinstance(image, str | os.PathLike):
            name, content = os.fspath(image), _read(Path(image))
        else:
            raise Error(
                "image must be the path of a file, an image of Pillow, or an array uint8 [H,W,3] of RGB. "
                f"Received: {type(image).__name__}."
            )
        try:
            with lift_pillow_limit():
                return self._served.images.read(content)
        except BadImageError as error:
            raise Error(f"{name}: {error}") from None

    def __repr__(self) -> str:
        name, data = self.facts["model"]["name"], self.facts["data"]["name"]
        return f"Model({str(self.path)!r}, {name} on {data}, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        metrics, data = self.facts["metrics"], self.facts["data"]
        facts = {"Model": self.facts["model"]["name"], "Data": data["name"], "Licence of the data": data["licence"]}
        facts |= {"mIoU": cells.cell(metrics.get("miou")), "Classes": ", ".join(self.classes)}
        return cells.html(cells.table([{"": name, " ": value} for name, value in facts.items()], ["", " "]))


class Prediction:
    """What a model answers for one image.

    Attributes:
        image: The image as the model saw it, uint8 [H,W,3].
        ids: Class ids, uint8 [H,W].
    """

    def __init__(self, model: Model, image: np.ndarray, ids: np.ndarray) -> None:
        self._model, self.image, self.ids = model, image, ids

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Class probabilities, float32 [H,W,C] in 0..1; computed when they are first read.

        Raises:
            Error: The model was exported without them (`export.outputs`).
        """
        return self._model.probabilities(self.image)

    @property
    def overlay(self) -> Image.Image:
        """The image with the class colours over it."""
        return Image.fromarray(render.overlay(self.image, self.ids, self._model.facts["colours"]))

    @property
    def classes(self) -> Table:
        """A row for each class in the image, the largest first: id, name, pixels and share."""
        from pipeline.serving.responses import class_shares

        return Table(class_shares(self.ids, self._model.facts), f"{self.ids.shape[0]} x {self.ids.shape[1]} pixels")

    def __repr__(self) -> str:
        height, width = self.ids.shape
        largest = ", ".join(f"{row['name']} {row['share']:.0%}" for row in self.classes[:3])
        return f"Prediction({height} x {width} pixels: {largest})"

    def _repr_html_(self) -> str:
        shown = self.classes
        return cells.html(cells.picture(self.overlay, repr(self)), cells.table(shown, shown.columns, shown.caption))


def load(folder: Path) -> Model:
    """Load an exported model; see `segline.load`."""
    from pipeline.serving.served_model import ServedModel

    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # leave memory of the GPU to the steps of a run
    return Model(ServedModel(folder))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Error(
            f"{path}: {error.strerror}. predict takes one image; `segline predict` takes folders and videos."
        ) from None


def _file_of(image: Image.Image) -> bytes:
    """Return an image as a file that keeps its values and its orientation."""
    file, exif = io.BytesIO(), image.getexif()
    kept = image if image.mode in IN_PNG | IN_TIFF else image.convert("RGB")
    kept.save(file, "TIFF" if kept.mode in IN_TIFF else "PNG", exif=exif)
    return file.getvalue()


def _require_rgb(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
        return array
    raise Error(
        f"An array must be uint8 [H,W,3] of RGB in 0..255. Received: {array.dtype} {list(array.shape)}. Convert it, or "
        "give the file or an image of Pillow, which are read as training reads them."
    )
