"""KITTI's calibration files: the camera's matrices, from which evaluation computes the bird's-eye view."""

from collections.abc import Iterable

from datasets.audit import BadFileError, join_names
from datasets.errors import DatasetError
from datasets.raw import RawFolder

COLUMNS = {"P0": 4, "P1": 4, "P2": 4, "P3": 4, "R0_rect": 3, "Tr_velo_to_cam": 4, "Tr_imu_to_velo": 4,
           "Tr_cam_to_road": 4}  # fmt: skip
"""Columns of each matrix; all have three rows. P2 projects into the image, Tr_cam_to_road maps to road coordinates."""

NEEDED = ("P2", "R0_rect", "Tr_cam_to_road")
"""Matrices that the bird's-eye view needs."""

Matrices = dict[str, list[list[float]]]


def read(raw: RawFolder, folder: str, ids: Iterable[str]) -> dict[str, Matrices]:
    """Read the calibration of each id that has one.

    Returns:
        {id: {name of a matrix: its rows}}, sorted by id.

    Raises:
        DatasetError: Files are invalid; all are named.
    """
    matrices, bad = {}, []
    for id_ in sorted(ids):
        file = f"{folder}/{id_}.txt"
        if raw.has(file):
            try:
                matrices[id_] = parse(raw.read(file).decode())
            except (BadFileError, ValueError) as error:
                bad.append(f"{file}: {error}")
    if bad:
        raise DatasetError("\n".join([f"In {raw.path}: {len(bad)} bad calibration files.", join_names(bad)]))
    return matrices


def parse(text: str) -> Matrices:
    """Parse the lines of a file, such as "P2: 7.2e+02 0.0 ...", to {name: 3 rows}. Raises ValueError for other text."""
    matrices = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        name, colon, values = line.partition(":")
        numbers = [float(value) for value in values.split()]
        columns = COLUMNS.get(name)
        if not colon or columns is None or len(numbers) != 3 * columns:
            raise ValueError(f"{name[:30]!r} with {len(numbers)} numbers; known are {', '.join(COLUMNS)}")
        matrices[name] = [numbers[row * columns : (row + 1) * columns] for row in range(3)]
    missing = [name for name in NEEDED if name not in matrices]
    if missing:
        raise ValueError(f"there is no {', no '.join(missing)}; needed are {', '.join(NEEDED)}")
    return matrices
