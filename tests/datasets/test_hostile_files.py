"""Damaged and hostile raw files end as a named bad file or are decoded: no traceback, no hang, no flood of memory.

    pytest -m long tests/datasets/test_hostile_files.py       # 2,000 mutations of each format

SciPy's reader of .mat files ends the process (a sparse matrix with one wrong index), which is why
`datasets/mat_file.py` takes its place.
"""

import io
import random
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from PIL import Image

from datasets import audit, labels, mat_labels
from datasets.annotations import json_spans
from datasets.audit import BadFileError, Kind
from datasets.errors import DatasetError
from datasets.image_folder import files, palettes, raw_samples, tiff_bands
from datasets.raw import RawFolder

MUTATIONS = pytest.mark.parametrize("mutations", [200, pytest.param(2000, marks=pytest.mark.long)])
"""Number of damaged files of each format."""

GROWTH = 300 * 1024
"""KiB by which the largest memory of the process may grow over the damaged files of one format."""

LIMIT = 1_000_000
"""Pixels of an image in the tests of mutations."""

IDS = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4), np.ones((4, 4), np.uint8))
PHOTO = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
TABLE = labels.id_table({index: index for index in range(12)})


def encoded(pixels: np.ndarray, form: str, mode: str | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, form, **options)
    return file.getvalue()


def mat(values: object, *, compressed: bool = True) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, {"groundtruth": values, "other": 3}, do_compression=compressed)
    return file.getvalue()


def zipped(*methods: int) -> list[bytes]:
    every = []
    for method in methods:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("images/a.png", encoded(PHOTO, "PNG"))
            archive.writestr("masks/a.png", encoded(IDS, "PNG"))
        every.append(file.getvalue())
    return every


WHOLE = {
    "png": [encoded(PHOTO, "PNG"), encoded(IDS, "PNG", "P"), encoded(IDS.astype(np.uint16) * 257, "PNG")],
    "jpeg": [encoded(PHOTO, "JPEG"), encoded(PHOTO, "JPEG", progressive=True), encoded(PHOTO, "JPEG", "CMYK")],
    "tiff": [
        *(encoded(PHOTO, "TIFF", compression=one) for one in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")),
        encoded(PHOTO, "TIFF", compression="jpeg"),
        encoded(IDS, "TIFF", "1", compression="group4"),
        encoded(IDS.astype(np.float32), "TIFF"),
    ],
    "webp": [encoded(PHOTO, "WEBP"), encoded(PHOTO, "WEBP", lossless=True)],
    "gif": [encoded(IDS, "GIF"), encoded(PHOTO, "GIF", "P")],
    "bmp": [encoded(PHOTO, "BMP"), encoded(IDS, "BMP", "P"), encoded(IDS, "BMP", "1")],
    "mat": [
        *(mat(IDS, compressed=packed) for packed in (True, False)),
        *(mat(scipy.sparse.csc_matrix(IDS), compressed=packed) for packed in (True, False)),
        mat({"a": IDS}, compressed=False),
        mat(np.array([IDS, "text"], dtype=object), compressed=False),
    ],
}

READERS: dict[str, list[Callable[[bytes], object]]] = {
    "mat": [
        lambda content: files.read_mat_mask(content, TABLE, "groundtruth"),
        lambda content: mat_labels.read_texts(content, "groundtruth"),
        mat_labels.matrices,
    ],
}
IMAGE_READERS: list[Callable[[bytes], object]] = [
    lambda content: audit.image_size(files.record_image(content, 0, 65535, "apply")),
    lambda content: files.record_image(content, 0, 65535, "apply", (1, 2, 3)),
    lambda content: files.read_ids(content, "apply"),
    lambda content: files.read_rgb(content, "ignore"),
    palettes.palette_of,
    raw_samples.kind,
]


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Flip, overwrite, cut, insert or remove bytes, mostly in headers; the checksums of a PNG are mended."""
    damaged = bytearray(content)
    if chance.random() < 0.1:
        return content[: chance.randrange(1, len(content))]
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(min(len(damaged), 400)) if chance.random() < 0.6 else chance.randrange(len(damaged))
        kind = chance.randrange(4)
        if kind == 0:
            damaged[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            number = chance.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0xFFFF, chance.getrandbits(32)))
            damaged[at : at + 4] = number.to_bytes(4, chance.choice(("little", "big")))
        elif kind == 2 and len(damaged) > 16:
            del damaged[at : at + chance.randrange(1, 9)]
        else:
            damaged[at:at] = chance.randbytes(chance.randrange(1, 9))
    return with_checksums(bytes(damaged)) if content.startswith(audit.PNG_SIGNATURE) else bytes(damaged)


def with_checksums(png: bytes) -> bytes:
    parts, at = [png[:8]], 8
    while at + 12 <= len(png) and (end := at + 8 + int.from_bytes(png[at : at + 4], "big")) + 4 <= len(png):
        parts += [png[at:end], zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")]
        at = end + 4
    return b"".join([*parts, png[at:]])


@MUTATIONS
@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.filterwarnings("ignore::Warning:PIL")
def test_a_mutated_file_is_decoded_or_a_bad_file(form: str, mutations: int) -> None:
    chance = random.Random(f"{form} {mutations}")
    readers = READERS.get(form, IMAGE_READERS)
    refused, before = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with audit.lift_pillow_limit(LIMIT):
        for number in range(mutations):
            content = mutated(WHOLE[form][number % len(WHOLE[form])], chance)
            for read in readers:
                try:
                    read(content)
                except BadFileError as error:
                    refused += 1
                    assert "object at 0x" not in str(error)
    assert refused > mutations // 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH


@MUTATIONS
def test_a_mutated_zip_is_read_or_named(tmp_path: Path, mutations: int) -> None:
    chance = random.Random(mutations)
    whole = zipped(zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    refused = 0
    for number in range(mutations):
        (tmp_path / "a.zip").write_bytes(mutated(whole[number % 4], chance))
        raw = RawFolder(tmp_path)
        try:
            for name in raw.files("*/*"):
                raw.read(name)
            assert isinstance(raw.problems, list)
        except (BadFileError, DatasetError):
            refused += 1
    assert refused > mutations // 2


@pytest.mark.parametrize("compressed", [True, False])
def test_a_string_beside_the_mask_of_a_mat_file_is_no_damage(compressed: bool) -> None:
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    opaque = element(6, struct.pack("<II", 17, 0)) + element(1, b"note") + element(1, b"MCOS") + element(1, b"string")
    variable = element(14, opaque)
    packed = zlib.compress(variable)
    content = mat(IDS, compressed=compressed)
    content += struct.pack("<II", 15, len(packed)) + packed if compressed else variable
    assert (mat_labels.read(content, "groundtruth") == IDS).all()
    with pytest.raises(BadFileError, match="note is a object"):
        mat_labels.read(content, "note")
    assert "groundtruth" in mat_labels.matrices(content)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("values", "what"),
    [
        (scipy.sparse.csc_matrix(IDS), "sparse matrix"),
        ({"a": IDS}, "struct"),
        (np.array([IDS, "text"], dtype=object), "cell array"),
        ("text", "text"),
        (IDS + 1j, "complex array"),
    ],
)
def test_only_plain_numbers_of_a_mat_file_are_read(values: object, what: str, compressed: bool) -> None:
    with pytest.raises(BadFileError, match=f"groundtruth is a {what}") as caught:
        mat_labels.read(mat(values, compressed=compressed), "groundtruth")
    assert caught.value.kind is Kind.DAMAGED
    assert "groundtruth" not in mat_labels.matrices(mat(values, compressed=compressed))


def test_a_sparse_matrix_with_a_wrong_row_is_a_bad_file() -> None:
    content = mat(scipy.sparse.csc_matrix(IDS), compressed=False)
    rows = scipy.sparse.csc_matrix(IDS).indices.astype("<i4").tobytes()
    damaged = content.replace(rows, struct.pack("<i", 2**30) + rows[4:])
    assert damaged != content
    with pytest.raises(BadFileError, match="sparse matrix"):
        mat_labels.read(damaged, "groundtruth")


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("version", ["5", "4"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f8", "?"])
def test_mat_files_are_read_as_scipy_reads_them(dtype: str, version: str, compressed: bool) -> None:
    file = io.BytesIO()
    scipy.io.savemat(file, {"before": "x", "key": IDS.astype(dtype)}, format=version, do_compression=compressed)
    values = mat_labels.read(file.getvalue(), "key")
    np.testing.assert_array_equal(values, scipy.io.loadmat(file)["key"])
    assert mat_labels.matrices(file.getvalue()) == ["key"]


def test_a_list_of_names_is_read_from_a_mat_file() -> None:
    names = np.empty((3, 1), object)
    names[:, 0] = ["null", "bag", "größe"]
    for compressed in (True, False):
        assert mat_labels.read_texts(mat(names, compressed=compressed), "groundtruth") == ["null", "bag", "größe"]


def test_hdf5_is_named() -> None:
    head = b"MATLAB 7.3 MAT-file".ljust(124) + struct.pack("<H", 0x200) + b"IM"
    with pytest.raises(BadFileError, match="save it with -v7"):
        mat_labels.read(head + b"\x89HDF\r\n\x1a\n".rjust(392) + bytes(100), "groundtruth")


def bomb_mat() -> bytes:
    side = 60_000
    array = (
        struct.pack("<IIII", 6, 8, 9, 0) + struct.pack("<IIii", 5, 8, side, side) + struct.pack("<HH4s", 1, 3, b"key")
    )
    element = struct.pack("<II", 14, len(array) + 8 + side * side) + array + struct.pack("<II", 2, side * side)
    packed = zlib.compress(element + bytes(1000))
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed


def bomb_png() -> bytes:
    png = encoded(np.zeros((1, 1), np.uint8), "PNG")
    return with_checksums(png[:16] + struct.pack(">II", 60_000, 60_000) + png[24:])


def bomb_tiff() -> bytes:
    return encoded(PHOTO, "TIFF").replace(
        struct.pack("<HHIHH", 277, 3, 1, 3, 0), struct.pack("<HHIHH", 277, 3, 1, 60000, 0)
    )


BOMBS: dict[str, tuple[bytes, list[Callable[[bytes], object]]]] = {
    "mat": (bomb_mat(), [lambda content: mat_labels.read(content, "key")]),
    "png": (bomb_png(), [*IMAGE_READERS[:4], raw_samples.kind, audit.image_size]),
    "gif": (encoded(IDS, "GIF").replace(b"GIF87a\x10\x00\x0c\x00", b"GIF87a\xff\xff\xff\xff"), IMAGE_READERS[:4]),
}


@pytest.mark.parametrize("form", BOMBS)
def test_a_bomb_is_refused_by_its_header(form: str) -> None:
    content, readers = BOMBS[form]
    for read in readers:
        with audit.lift_pillow_limit(), pytest.raises(BadFileError) as caught:
            read(content)
        assert caught.value.kind is Kind.TOO_LARGE


def test_the_bands_of_a_tiff_are_bounded_as_its_pixels_are() -> None:
    content = bomb_tiff()
    with audit.lift_pillow_limit(1000), pytest.raises(BadFileError) as caught:
        tiff_bands.read(content)
    assert caught.value.kind is Kind.TOO_LARGE


def test_a_zip_whose_member_holds_more_than_it_says_is_bounded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(2**24))
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(struct.pack("<I", 2**24), struct.pack("<I", 1000)))
    with pytest.raises(BadFileError, match=r"a\.zip: Bad CRC-32"):
        RawFolder(tmp_path).read("a.png")


def test_a_member_larger_than_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", bytes(2**16))
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(struct.pack("<I", 2**16), struct.pack("<I", 2**31)))
    with pytest.raises(BadFileError, match=r"2147483648 bytes, allowed are 1073741824; extract it"):
        RawFolder(tmp_path).read("a.json")


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"[" * 100_000])
def test_json_nested_deeply_is_a_bad_file(content: bytes) -> None:
    for read in (json_spans.parse, lambda content: json_spans.walk(content, {"a": lambda *_: None})):
        with pytest.raises(BadFileError):
            read(content)


@pytest.mark.parametrize(
    ("name", "why"),
    [("a\nb.png", "U+000A"), ("a\x1b[2J.png", "U+001B"), ("a\u202egnp.exe.png", "U+202E"), ("a\x9b.png", "U+009B")],
)
def test_a_file_name_that_acts_is_a_named_problem(name: str, why: str, tmp_path: Path) -> None:
    on_disk, in_zip = tmp_path / "disk", tmp_path / "zip"
    (on_disk / "images").mkdir(parents=True)
    in_zip.mkdir()
    (on_disk / "images" / name).write_bytes(b"x")
    (on_disk / "images" / "日本　語.png").write_bytes(b"x")
    with zipfile.ZipFile(in_zip / "a.zip", "w") as archive:
        archive.writestr(f"images/{name}", b"x")
        archive.writestr("images/日本　語.png", b"x")
    for folder in (on_disk, in_zip):
        raw = RawFolder(folder)
        assert raw.files("images/*") == ["images/日本　語.png"]
        (problem,) = raw.problems
        assert problem.kind is Kind.NAME and why in problem.detail and name not in problem.file
