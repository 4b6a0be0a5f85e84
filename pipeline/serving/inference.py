"""Read, predict and write images and videos: decoded ahead, batched by size, written behind. Imports TensorFlow."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.console.progress import Progress
from pipeline.export.raw_image import BadImageError, turn_back
from pipeline.serving import image_files, video
from pipeline.serving.image_files import ImageFile
from pipeline.serving.output_formats import Output, result_paths, to_picture
from pipeline.serving.prediction_progress import Journal
from pipeline.serving.served_model import BATCH_PIXELS, ServedModel

PENDING_PIXELS = 4 * BATCH_PIXELS
"""Pixels of all images that wait for others of their size, at most."""

THREADS = 4
"""Reading and writing files takes longer than a fast model; Pillow and TensorFlow release the GIL meanwhile."""

Decoded = tuple[ImageFile, np.ndarray, int]
"""A file, its image uint8 [H,W,3] as training sees it, and the EXIF orientation from which results are turned back."""


@dataclass
class Inference:
    """A running prediction; `unreadable` has a line for each file that could not be read."""

    model: ServedModel
    outputs: Sequence[Output]
    out: Path
    batch_size: int
    journal: Journal
    bar: Progress
    stored: bool
    unreadable: list[str] = field(default_factory=list)

    def of_images(self, files: Sequence[ImageFile]) -> None:
        """Decode ahead, predict in batches and write behind, with a few batches in memory."""
        writing: deque[Future[None]] = deque()
        probabilities = any(output.probabilities for output in self.outputs)
        predict_batch = self.model.probabilities if probabilities else self.model.classify
        with ThreadPoolExecutor(THREADS) as pool:
            for batch in _batches(self._decode(files, pool, 2 * self.batch_size), self.batch_size):
                predictions = predict_batch(np.stack([image for _, image, _ in batch]))
                for (file, image, turned), prediction in zip(batch, predictions, strict=True):
                    upright = (image, prediction)
                    writing.append(pool.submit(self._write, file, *(turn_back(part, turned) for part in upright)))
                self.bar.add(len(batch))
                while len(writing) > self.batch_size:
                    writing.popleft().result()
            for future in writing:
                future.result()

    def of_videos(self, files: Sequence[ImageFile]) -> None:
        """Predict one video after the other."""
        for file in files:
            try:
                with self.journal.writing(file.path, result_paths(self.out, self.outputs, file)) as pixels:
                    pixels += video.predict(self.model, file, self.outputs, self.out, self.batch_size).tolist()
            except BadImageError as error:
                self.unreadable.append(f"  {file.path}: {error}")
            self.bar.add()

    def _decode(self, files: Sequence[ImageFile], pool: ThreadPoolExecutor, ahead: int) -> Iterator[Decoded]:
        """Decode files in threads, up to `ahead` files in advance."""
        waiting: deque[tuple[ImageFile, Future[tuple[np.ndarray, int]]]] = deque()
        for file in [*files, *[None] * ahead]:
            if file is not None:
                waiting.append((file, pool.submit(self._read, file.path)))
            if waiting and (file is None or len(waiting) > ahead):
                first, future = waiting.popleft()
                try:
                    yield first, *future.result()
                except (OSError, BadImageError) as error:
                    self.unreadable.append(f"  {first.path}: {getattr(error, 'strerror', None) or error}")
                    self.bar.add()

    def _read(self, path: Path) -> tuple[np.ndarray, int]:
        """Read an image, and the orientation from which its results are turned back; called in threads."""
        content = path.read_bytes()
        return self.model.images.read(content), self.model.images.orientation(content) if self.stored else 1

    def _write(self, file: ImageFile, image: np.ndarray, prediction: np.ndarray) -> None:
        """Write the results of an image; called in threads."""
        paths = result_paths(self.out, self.outputs, file)
        with self.journal.writing(file.path, paths) as pixels:
            for path, output in zip(paths, self.outputs, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = image_files.partial_path(path)
                drawn = output.draw(file, image, prediction)
                to_picture(drawn, output.palette).save(partial, "PNG", compress_level=1)
                partial.replace(path)
            if prediction.ndim == 2:  # class ids, not probabilities
                pixels += np.bincount(prediction.ravel(), minlength=len(self.model.facts["classes"])).tolist()


def _batches(decoded: Iterator[Decoded], size: int) -> Iterator[list[Decoded]]:
    """Group images by size; once too many pixels wait, the oldest group is yielded incomplete."""
    waiting: dict[tuple[int, ...], list[Decoded]] = {}
    for file, image, turned in decoded:
        batch = waiting.setdefault(image.shape, [])
        batch.append((file, image, turned))
        pixels = image[..., 0].size
        if len(batch) == size or (len(batch) + 1) * pixels > BATCH_PIXELS:
            yield waiting.pop(image.shape)
        elif sum(len(group) * shape[0] * shape[1] for shape, group in waiting.items()) > PENDING_PIXELS:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()
