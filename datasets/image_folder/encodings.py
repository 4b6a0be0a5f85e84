"""Recognise folders whose masks are stored in several ways, of which one number means several things."""

import io
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from datasets.audit import BadFileError, Kind
from datasets.errors import DatasetError
from datasets.image_folder import files, palettes

DARK = 64  # Grey levels below this, among masks of colours, are ids rather than colours
FEWEST = 2  # Number of masks of each of two scales at least: a single one may show nothing but void

Contents = Sequence[tuple[str, bytes]]


def read_ids(content: bytes) -> np.ndarray | None:
    """Decode a mask to raw ids, [H, W]; return None if its pixels are colours. Raises BadFileError."""
    try:
        return files.read_ids(content, "apply")
    except BadFileError as error:
        if error.kind is Kind.MASK_CHANNELS:
            return None
        raise


def differ(contents: Contents) -> bool:
    """Whether the numbers of some masks stand for grey levels that other masks hold, so that grey is what to compare.

    So do 1 in a mask of 1 bit, and an index of a grey palette, beside masks that hold 255.
    """
    plain: set[int] = set()
    shifted: set[tuple[int, int]] = set()
    for _, content in contents:
        with Image.open(io.BytesIO(content)) as image:
            mode = image.mode
        values = _values(content)
        if mode == "1":
            shifted |= {(value, 255) for value in values if value}
        elif mode == "P":
            shifted |= set(_grey_levels(palettes.palette_of(content) or b"", values))
        else:
            plain |= values
    return any(level in plain and value not in plain for value, level in shifted)


def refuse_ids_among_colours(place: str, contents: Contents) -> None:
    """Raise DatasetError if some masks hold colours, and others grey numbers that are none of these colours."""
    colours: set[int] = set()
    grey: dict[int, str] = {}
    coloured = ""
    for name, content in contents:
        ids = read_ids(content)
        if ids is None:
            rgb = files.read_rgb(content, "apply")
            level = rgb[..., 0][(rgb[..., 0] == rgb[..., 1]) & (rgb[..., 0] == rgb[..., 2])]
            colours |= set(np.unique(level).tolist())
            coloured = name
        elif palettes.palette_of(content) is None:
            grey |= dict.fromkeys(np.unique(ids).tolist(), name)
    alien = {value: name for value, name in grey.items() if 0 < value < DARK and value not in colours}
    if alien:
        value, name = min(alien.items())
        raise DatasetError(
            f"In {place}: {name} holds numbers, such as {value}, and {coloured} holds colours: no reading fits both. "
            "Keep the masks of one kind, or convert them."
        )


def refuse_two_scales(place: str, names: Sequence[str], shown: Sequence[frozenset[int]], void: int) -> None:
    """Raise DatasetError if no mask holds both the void and the one id but 0, so that both may be one class."""
    with_void = [name for name, values in zip(names, shown, strict=True) if void in values]
    with_ids = [name for name, values in zip(names, shown, strict=True) if values - {0, void}]
    ids = sorted(frozenset().union(*shown) - {0, void})
    fewest = 1 if ids and ids[0] >= DARK else FEWEST  # 65535 beside 255: levels of grey, of which none is void
    if min(len(with_void), len(with_ids)) < fewest or len(ids) > 1 or not set(with_void).isdisjoint(with_ids):
        return  # of several ids 255 is no second scale: masks that hold only it are void
    raise DatasetError(
        f"In {place}: {len(with_void)} of {len(names)} masks, such as {with_void[0]}, hold {void}, and "
        f"{len(with_ids)}, such as {with_ids[0]}, hold {ids[0]}; none holds both. So {void} may be no void but a class "
        f"that other masks store as {ids[0]}. Store all masks on one scale, or write the layout by hand: `raw: "
        f"[{ids[0]}, {void}]` for one class, or `ignore: [{void}]`; datasets/image_folder/README.md shows how."
    )


def _values(content: bytes) -> set[int]:
    ids = read_ids(content)
    return set() if ids is None else set(np.unique(ids).tolist())


def _grey_levels(palette: bytes, values: set[int]) -> Iterator[tuple[int, int]]:
    for value in values:
        colour = palettes.colour_of(palette, value)
        if colour and len(set(colour)) == 1 and colour[0] != value:
            yield value, colour[0]
