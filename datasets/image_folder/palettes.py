"""Compare the palettes of masks: where they give one index several colours, the colour is the truth, not the index."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from datasets.audit import PNG_SIGNATURE, BadFileError, Kind, Problem, open_image
from datasets.image_folder import files
from datasets.image_folder.layout import Layout
from datasets.image_folder.sampling import read_each
from datasets.pairs import Split
from datasets.raw import Part, RawFolder

HEAD = 4096  # Bytes of a PNG that are read at first; its palette lies before its pixels, usually within these
BY_PALETTE = 3  # Colour type of a PNG with a palette
SUFFIXES = (".png", ".gif", ".bmp", ".tif", ".tiff")  # Formats whose pixels may be indices
COMPARED = 2000  # Number of masks whose pixels `init` and `check` read where palettes differ; ingest compares all

Colour = tuple[int, int, int]

Uses = Mapping[int, Mapping[Colour, Sequence[str]]]
"""{index: {its colour: masks in which pixels have the index}}."""


def palette_of(content: bytes) -> bytes | None:
    """Return the palette of an image file, 3 bytes per index; None where it has none. Of a PNG no pixel is decoded."""
    if content.startswith(PNG_SIGNATURE):
        return _png_palette(content) if content[25:26] == bytes([BY_PALETTE]) else None
    try:
        with open_image(content, files.FORMATS) as image:  # it bounds the pixels, which Pillow decodes here
            return bytes(image.getpalette() or ()) if image.mode == "P" else None
    except Exception:  # no image, or a damaged one: decoding reports it
        return None


def disputed(raw: RawFolder, names: Sequence[str], *, most: int | None = None) -> Uses:
    """Return the indices that have several colours, among those that pixels have; empty where palettes agree.

    Headers are read of all masks, pixels only of those whose palettes differ; of at most so many, evenly spaced.
    """
    palettes = dict(_read_palettes(raw, names))
    differing = _differing(set(palettes.values()))
    rivals = [name for name, palette in palettes.items() if any(3 * index < len(palette) for index in differing)]
    uses: dict[int, dict[Colour, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, indices in read_each(raw, rivals, most or len(rivals), _indices):
        for index in differing & indices:
            if colour := colour_of(palettes[name], index):
                uses[index][colour].append(name)
    return {index: dict(masks) for index, masks in sorted(uses.items()) if len(masks) > 1}


def colour_of(palette: bytes, index: int) -> Colour | None:
    """Return the colour of an index; None beyond the end of the palette."""
    entry = palette[3 * index : 3 * index + 3]
    return (entry[0], entry[1], entry[2]) if len(entry) == 3 else None


def problems(raw: RawFolder, layout: Layout, splits: Mapping[str, Split], *, most: int | None = None) -> list[Problem]:
    """Return a problem for each mask that gives an index another colour than other masks do.

    The colour of an index is that of its class in the layout, if any mask has it, else that of most masks. `most` is
    as in `disputed`.
    """
    if layout.annotations or layout.mask.read != "ids" or layout.mask.palette == "ignore":
        return []
    of = [
        (mask, name, pair.id)
        for name, split in splits.items()
        for pair in split.pairs
        for mask in (pair.mask, *pair.further)
        if mask
    ]
    details = _describe(disputed(raw, sorted({mask for mask, *_ in of}), most=most), layout)
    return [Problem(Kind.PALETTE, name, mask, id_, details[mask]) for mask, name, id_ in of if mask in details]


def leave_out_disputed(raw: RawFolder, splits: dict[str, Split], layout: Layout) -> dict[str, Split]:
    """Move the pairs with such a mask to the problems of their splits."""
    bad: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems(raw, layout, splits):
        bad[problem.split].append(problem)
    return {name: _leave_out(split, bad[name]) for name, split in splits.items()} if bad else splits


def _leave_out(split: Split, bad: Sequence[Problem]) -> Split:
    ids = {problem.id for problem in bad}
    pairs = tuple(pair for pair in split.pairs if pair.id not in ids)
    return replace(split, pairs=pairs, problems=(*split.problems, *bad))


def _describe(uses: Uses, layout: Layout) -> dict[str, str]:
    """Return {mask that gives an index another colour: what is wrong}."""
    numbered = enumerate(layout.classes)
    declared = {raw: class_.colour for index, class_ in numbered for raw in class_.raws("ids") or [index]}
    details: dict[str, str] = {}
    for index, masks in uses.items():
        wanted = declared.get(index)
        # Of colours that equally many masks have, that of the first mask, so that one mask is right in all its indices.
        most = min(masks, key=lambda colour: (-len(masks[colour]), masks[colour][0]))
        right = wanted if wanted and wanted in masks else most
        for colour, names in masks.items():
            for name in names if colour != right else ():
                details.setdefault(name, f"{index} is {colour} in its palette, {right} in {masks[right][0]}")
    return details


def _read_palettes(raw: RawFolder, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        if not name.lower().endswith(SUFFIXES):
            continue
        with suppress(BadFileError):  # reported when the mask is read
            content = raw.read_parts([Part(name, 0, HEAD)])[0][1]
            if content.startswith(PNG_SIGNATURE) and content[25:26] != bytes([BY_PALETTE]):
                continue
            palette = palette_of(content) if content.startswith(PNG_SIGNATURE) else None
            palette = palette if palette is not None else palette_of(raw.read(name))
            if palette is not None:
                yield name, palette


def _png_palette(content: bytes) -> bytes | None:
    """Return the contents of a PNG's chunk PLTE; None where `content` ends before."""
    begin = len(PNG_SIGNATURE)
    while begin + 8 <= len(content):
        length = int.from_bytes(content[begin : begin + 4], "big")
        kind, end = content[begin + 4 : begin + 8], begin + 8 + length
        if kind == b"PLTE":
            return content[begin + 8 : end] if end <= len(content) else None
        begin = end + 4
    return None


def _differing(palettes: set[bytes]) -> set[int]:
    """Return the indices to which palettes give several colours."""
    first = np.full((256, 3), -1, np.int16)
    differing = np.zeros(256, bool)
    for palette in palettes:
        number = min(len(palette) // 3, 256)
        colours = np.frombuffer(palette, np.uint8)[: 3 * number].reshape(-1, 3)
        known = first[:number]
        differing[:number] |= ((known != colours) & (known >= 0)).any(axis=1)
        known[:] = np.where(known < 0, colours, known)
    return set(np.flatnonzero(differing).tolist())


def _indices(content: bytes) -> set[int]:
    """Return the indices of a mask's pixels. Raises BadFileError."""
    return set(np.flatnonzero(np.bincount(files.read_ids(content, "ignore").ravel())).tolist())
