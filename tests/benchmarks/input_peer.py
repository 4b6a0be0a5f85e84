"""The peer of input.py: a typical PyTorch DataLoader with albumentations. Imports nothing of Segline.

Reads CamVid's train folder from PNG files or from arrays in memory, and prints one line of JSON.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import albumentations
import cv2
import numpy as np
import torch


class CamVid(torch.utils.data.Dataset):
    """Augmented images and masks, decoded from PNG files or kept in memory."""

    def __init__(self, folder: Path, size: tuple[int, int], *, keep: bool) -> None:
        """List the pairs of a folder with train and trainannot; with `keep`, decode all of them now."""
        self._pairs = [(path, folder / "trainannot" / path.name) for path in sorted((folder / "train").glob("*.png"))]
        self._transform = albumentations.Compose(
            [
                albumentations.RandomScale(scale_limit=(-0.5, 1.0), p=1),
                albumentations.PadIfNeeded(*size, border_mode=cv2.BORDER_CONSTANT, fill=114, fill_mask=255),
                albumentations.RandomCrop(*size),
                albumentations.HorizontalFlip(p=0.5),
                albumentations.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=1),
            ]
        )
        self._kept = [self._read(pair) for pair in self._pairs] if keep else None

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image uint8 [3,h,w] and mask int64 [h,w]."""
        image, mask = self._kept[index] if self._kept else self._read(self._pairs[index])
        augmented = self._transform(image=image, mask=mask)
        image = np.ascontiguousarray(augmented["image"].transpose(2, 0, 1))
        return torch.from_numpy(image), torch.from_numpy(augmented["mask"].astype(np.int64))

    @staticmethod
    def _read(pair: tuple[Path, Path]) -> tuple[np.ndarray, np.ndarray]:
        image = cv2.cvtColor(cv2.imread(str(pair[0])), cv2.COLOR_BGR2RGB)
        return image, cv2.imread(str(pair[1]), cv2.IMREAD_GRAYSCALE)


def cpu_seconds(who: int) -> float:
    """Return the CPU seconds of this process (RUSAGE_SELF) or of its finished children (RUSAGE_CHILDREN)."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Load `--images` images after one batch of warm-up, and print speed and memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, nargs=2, required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(0)  # recommended for a DataLoader with several workers
    data = CamVid(options.folder, tuple(options.size), keep=options.keep)
    sampler = torch.utils.data.RandomSampler(data, replacement=True, num_samples=options.images + options.batch_size)
    loader = torch.utils.data.DataLoader(
        data, options.batch_size, sampler=sampler, num_workers=options.workers, drop_last=True
    )
    batches = iter(loader)
    next(batches)
    began, own, children = time.monotonic(), cpu_seconds(resource.RUSAGE_SELF), cpu_seconds(resource.RUSAGE_CHILDREN)
    count = sum(len(images) for images, _ in batches)
    wall = time.monotonic() - began
    del batches
    used = cpu_seconds(resource.RUSAGE_SELF) - own + cpu_seconds(resource.RUSAGE_CHILDREN) - children
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    megabytes = (peaks[0] + options.workers * peaks[1]) / 1e3
    print(json.dumps({"images_per_s": count / wall, "cpu_ms": 1e3 * used / count, "megabytes": megabytes}))


if __name__ == "__main__":
    main()
