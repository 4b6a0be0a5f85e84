"""segline predict with videos: one video of the same name per output, with all frames."""

import sys
from collections.abc import Generator, Iterator
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.serving import video
from pipeline.serving.image_files import ImageFile
from pipeline.serving.output_formats import Output
from pipeline.serving.prediction import predict
from tests.pipeline.serving.toy import files


def test_a_video_gives_a_lossless_video_of_ids_and_one_of_overlays(model, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed")
    source = tmp_path / "in" / "file:drive -i.mp4"
    source.parent.mkdir()
    writer = ffmpeg.write_frames(str(source), (64, 48), fps=5, macro_block_size=1)
    writer.send(None)
    for shift in range(7):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[:, 16 + 2 * shift :, 0] = 250
        writer.send(frame)
    writer.close()
    (tmp_path / "in" / "no.mkv").write_bytes(b"no video")
    with pytest.raises(UserError, match="1 of 2 files could not be read") as error:
        predict(model, [tmp_path / "in"], tmp_path / "out", outputs=["ids", "overlay"], batch_size=3)
    assert "no.mkv: ffmpeg cannot read it" in str(error.value)
    assert files(tmp_path / "out") == {"ids/file:drive -i.mkv", "overlay/file:drive -i.mp4"}
    frames = ffmpeg.read_frames(str(tmp_path / "out/ids/file:drive -i.mkv"), pix_fmt="gray", bits_per_pixel=8)
    assert next(frames)["size"] == (64, 48)
    ids = [np.frombuffer(frame, np.uint8).reshape(48, 64) for frame in frames]
    assert len(ids) == 7
    for shift, mask in enumerate(ids):
        assert set(np.unique(mask)) == {0, 1} and abs((mask[24] == 0).sum() - (16 + 2 * shift)) <= 1
    (tmp_path / "in" / "no.mkv").unlink()
    assert predict(model, [tmp_path / "in"], tmp_path / "out", outputs=["ids", "overlay"], batch_size=3).reused == 1


def test_a_missing_ffmpeg_is_reported(model, tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"")
    monkeypatch.setattr("pipeline.serving.video.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'segline\[video\]'"):
        predict(model, [tmp_path / "a.mp4"], tmp_path / "out")


class Counting:
    """A model that predicts class 0 and records its batch sizes."""

    max_pixels = 10_000
    facts: ClassVar = {"classes": ["one"]}

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []

    def classify(self, images: np.ndarray) -> np.ndarray:
        self.batch_sizes.append(len(images))
        return np.zeros(images.shape[:3], np.uint8)


def five_frames(path, **options) -> Iterator[Any]:
    yield {"size": (64, 48), "fps": 5.0, "duration": 1.0}
    yield from [bytes(64 * 48 * 3)] * 5


def to_file(path, size, **options) -> Generator[None, np.ndarray, None]:
    with Path(path).open("wb") as file:
        while True:
            file.write((yield))


@pytest.mark.parametrize(("pixels", "batch_sizes"), [(2 * 64 * 48, [2, 2, 1]), (100, [1] * 5), (10**9, [4, 1])])
def test_batches_of_frames_respect_the_limit_of_pixels(tmp_path, monkeypatch, pixels, batch_sizes):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", SimpleNamespace(read_frames=five_frames, write_frames=to_file))
    monkeypatch.setattr(video, "BATCH_PIXELS", pixels)
    outputs, model = [Output("ids", lambda _, image, mask: mask)], Counting()
    file = ImageFile(tmp_path / "a.mp4", PurePath("a.png"), named=True)
    assert video.predict(model, file, outputs, tmp_path, batch_size=4).tolist() == [5 * 48 * 64]
    assert model.batch_sizes == batch_sizes and (tmp_path / "ids/a.mkv").stat().st_size == 5 * 64 * 48
