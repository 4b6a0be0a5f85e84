"""The frames of each split: the lists of the SegNet tutorial (train.txt, val.txt and test.txt), as ranges."""

from collections.abc import Mapping
from types import MappingProxyType


def _frames(drive: str, first: int, last: int, step: int, digits: str = "05d") -> tuple[str, ...]:
    return tuple(f"{drive}{frame:{digits}}" for frame in range(first, last + 1, step))


IDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "train": (
            *_frames("0001TP_", 6690, 8520, 30, "06d"),
            *_frames("0006R0_f", 930, 3930, 30),
            *_frames("0016E5_", 390, 870, 30),
            "0016E5_00901",  # the only frame between the regular steps
            *_frames("0016E5_", 930, 2400, 30),
            *_frames("0016E5_", 4350, 7920, 30),
            *_frames("0016E5_", 8190, 8640, 30),
        ),
        "val": _frames("0016E5_", 7959, 8159, 2),
        "test": (*_frames("0001TP_", 8550, 10380, 30, "06d"), *_frames("Seq05VD_f", 0, 5100, 30)),
    }
)
"""{split: ids of its frames}: 367, 101 and 233 of the 701 labelled frames."""
