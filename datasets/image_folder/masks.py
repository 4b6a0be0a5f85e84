"""Guess from a sample of masks what their pixels mean."""

import io
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from PIL import Image

from datasets import mat_labels
from datasets.audit import MAX_PIXELS, BadFileError, check_pixels, lift_pillow_limit
from datasets.errors import DatasetError
from datasets.image_folder import encodings, files, palettes
from datasets.image_folder.exact import LARGEST, of_ids
from datasets.image_folder.meaning import Meaning, Sampled
from datasets.image_folder.palettes import Colour
from datasets.image_folder.sampling import sample
from datasets.image_folder.tally import Tally, pack
from datasets.image_folder.values import of_colours, of_grey
from datasets.raw import RawFolder

SAMPLED = 200  # Number of masks that are opened, evenly spaced

ENOUGH = 200_000
"""With more colours no further masks are counted: they are photos, or JPEGs whose colours are known by then."""

FEW = 4
"""With more indices of a grey palette than this, some may be those of smooth edges: their grey levels are counted."""

JPEG_TOLERANCE = 16  # Values of an area in a JPEG differ by less

Contents = Sequence[tuple[str, bytes]]


def guess(raw: RawFolder, names: Sequence[str]) -> Meaning:
    """Open a sample of the masks `names`, compare the palettes of all, and guess their meaning.

    Raises:
        DatasetError: No mask can be read, or the masks hold no classes.
    """
    chosen = sample(names, SAMPLED)
    contents: list[tuple[str, bytes]] = []
    bad = []
    with lift_pillow_limit():  # else Pillow's own limit would look like a damaged image
        for name in chosen:
            try:
                content = raw.read(name)
                check_pixels(content, MAX_PIXELS)
                contents.append((name, content))
            except BadFileError as error:
                bad.append(f"{name}: {error}")
    if not contents:
        raise DatasetError("\n".join([f"In {raw.path}: no mask can be read.", *bad]))
    if chosen[0].lower().endswith(".mat"):
        return _of_mat(raw, contents)
    uses = palettes.disputed(raw, names, most=palettes.COMPARED)
    with lift_pillow_limit():
        return _of_images(raw, contents, uses)


def _of_mat(raw: RawFolder, contents: Contents) -> Meaning:
    keys: Counter[str] = Counter()
    for _, content in contents:
        keys.update(mat_labels.matrices(content))
    if not keys:
        raise DatasetError(f"In {raw.path}: {contents[0][0]} holds no matrix. Write the layout by hand.")
    key = keys.most_common(1)[0][0]
    values: set[int] = set()
    for _, content in contents:
        with suppress(BadFileError):
            values |= set(np.unique(mat_labels.read(content, key)).astype(int).tolist())
    if not values:
        raise DatasetError(f"In {raw.path}: {key!r} holds no ids, as in {contents[0][0]}. Write the layout by hand.")
    return of_ids(sorted(values), {"read": "mat", "key": key}, f"variable {key!r} of .mat files", {})


def _of_images(raw: RawFolder, contents: Contents, uses: palettes.Uses) -> Meaning:
    """Return the meaning of images: by colour where some hold colours, or palettes give an index several."""
    modes: Counter[str] = Counter()
    lossy, by_colour = False, bool(uses)
    readable = []
    bad = []
    for name, content in contents:
        try:
            by_colour |= encodings.read_ids(content) is None
            with Image.open(io.BytesIO(content)) as image:
                modes[f"{image.format} {image.mode}"] += 1
                lossy |= _is_lossy(image, content)
            readable.append((name, content))
        except BadFileError as error:  # ingest reports all of them
            bad.append(f"{name}: {error}")
    if not readable:
        raise DatasetError(f"In {raw.path}: none of {len(contents)} sampled masks can be read. {bad[0]}.")
    kind = ", ".join(f"{mode} ({number})" for mode, number in modes.most_common(3))
    if len(modes) > 1 and not by_colour:
        by_colour = encodings.differ(readable)
    elif len(modes) > 1:
        encodings.refuse_ids_among_colours(str(raw.path), readable)
    tolerance, place, example = JPEG_TOLERANCE if lossy else 0, str(raw.path), readable[0][0]
    if not by_colour:
        tally = Tally(tolerance)
        palette = _count_ids(readable, tally)
        is_grey = all(len(set(colour)) == 1 for colour in palette.values())
        levels_differ = any(colour[0] != value for value, colour in palette.items())
        if not (is_grey and levels_differ and len(tally.pixels) > FEW):
            own = not is_grey and len(set(palette.values())) == len(palette)
            meaning = of_grey(Sampled(place, example, kind, lossy, tally, palette if own else {}))
            for void in () if own else {*meaning.ignore, LARGEST} & tally.pixels.keys():
                encodings.refuse_two_scales(place, [name for name, _ in readable], tally.shown, void)
            return meaning
    meaning = of_colours(
        Sampled(place, example, kind, lossy, _count_colours(readable, tolerance), is_disputed=bool(uses))
    )
    meaning.notes += [_describe_dispute(uses)] if uses else []
    return meaning


def _count_colours(contents: Contents, tolerance: int) -> Tally:
    tally = Tally(tolerance)
    for _, content in contents:
        rgb = files.read_rgb(content, "apply")
        tally.add(pack(rgb), rgb)
        if len(tally.pixels) > ENOUGH:
            break
    return tally


def _count_ids(contents: Contents, tally: Tally) -> dict[int, Colour]:
    """Count the ids of masks; return {id: colour} of their palettes."""
    palette: dict[int, Colour] = {}
    for _, content in contents:
        ids = files.read_ids(content, "apply")
        stored = palettes.palette_of(content)
        if stored is None:
            tally.add(ids)
            continue
        table = np.zeros((256, 3), np.uint8)
        number = min(len(stored) // 3, 256)
        table[:number] = np.frombuffer(stored, np.uint8)[: 3 * number].reshape(-1, 3)
        tally.add(ids, table[ids])
        palette |= {value: colour for value in tally.shown[-1] if (colour := palettes.colour_of(stored, value))}
    return palette


def _describe_dispute(uses: palettes.Uses) -> str:
    index, masks = next(iter(uses.items()))
    examples = [f"{list(colour)} in {names[0]}" for colour, names in list(masks.items())[:2]]
    return f"palettes differ, so colours are read, not indices: {index} is {' and '.join(examples)}"


def _is_lossy(image: Image.Image, content: bytes) -> bool:
    """Whether a file's compression has changed its pixels."""
    if image.format == "WEBP":
        return b"VP8L" not in content[:64] and b"VP8 " in content
    return image.format in ("JPEG", "MPO") or image.info.get("compression") in ("jpeg", "tiff_jpeg", "webp")
