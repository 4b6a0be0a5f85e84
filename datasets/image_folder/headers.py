"""What the headers of images and masks show before anything is decoded: pages, bands, orientations, palettes."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from datasets.audit import BadFileError, Kind, Problem, lift_pillow_limit, open_image
from datasets.image_folder import files, palettes, tiff_bands
from datasets.image_folder.layout import Layout
from datasets.image_folder.sampling import read_each, sample
from datasets.image_folder.sections import ALL_16_BITS
from datasets.pairs import Pair, Split
from datasets.raw import RawFolder

LOOKED_AT = 500  # Number of pairs whose files are opened, evenly spaced; ingest reads all

SHOWN_BY_HEADERS = (Kind.PAGES, Kind.BANDS, Kind.ORIENTATION)


def problems(
    raw: RawFolder, layout: Layout, splits: Mapping[str, Split], check: Callable[[bytes, bytes], None] | None
) -> list[Problem]:
    """Return the problems that headers show: of at most LOOKED_AT pairs, and of the palettes of all masks.

    `check` is that of the layout's Reader.
    """
    bad = []
    for split, pair in sample([(name, pair) for name, of in splits.items() for pair in of.pairs], LOOKED_AT):
        contents = {}
        for file in (pair.image, pair.mask, *pair.further):
            try:
                if file and not file.lower().endswith((".mat", ".json", ".xml", ".txt", ".csv")):
                    content = raw.read(file)
                    _check(content, is_image=file == pair.image and not layout.image.bands)
                    contents[file] = content
                    if check and pair.mask and file == pair.image and layout.annotations:
                        check(content, b"")
                    elif check and file != pair.image and pair.image in contents and not layout.annotations:
                        check(contents[pair.image], content)
            except BadFileError as error:
                if error.kind in SHOWN_BY_HEADERS:
                    bad.append(Problem(error.kind, split, file or "", pair.id, error.detail))
    return [*bad, *palettes.problems(raw, layout, splits, most=palettes.COMPARED)]


def bands(raw: RawFolder, images: Sequence[str]) -> tuple[tuple[int, ...] | None, list[str]]:
    """Return `image.bands` where images have bands that are no colours, else None; and notes."""
    bad: list[tuple[str, str]] = []
    fewest = 4
    for name in sample(images, 20):
        with suppress(BadFileError):  # ingest reports it
            content = raw.read(name)
            try:
                files.record_image(content, *ALL_16_BITS, "ignore")
            except BadFileError as error:
                if error.kind is Kind.BANDS:
                    bad.append((name, error.detail.split(";")[0]))
                    fewest = min(fewest, tiff_bands.count(content) if tiff_bands.is_tiff(content) else 3)
    if not bad:
        return None, []
    chosen = (1, 2, 3) if fewest > 2 else (1,)
    seen = "bands 1, 2 and 3 are seen as red, green and blue" if fewest > 2 else "band 1 is seen as grey"
    return chosen, [f"{len(bad)} sampled images are like {bad[0][0]}: {bad[0][1]}. {seen}; put `image.bands` right"]


def orientation(raw: RawFolder, pairs: Sequence[Pair]) -> tuple[str | None, list[str]]:
    """Return `image.exif` where the sizes of masks tell it, else None; and notes on orientations that masks lack."""
    number, fits = 0, dict.fromkeys(("apply", "ignore", ""), 0)
    for pair in sample(pairs, LOOKED_AT):
        with suppress(BadFileError):  # ingest reports it
            if pair.mask and pair.mask != pair.image and not pair.mask.lower().endswith(".mat"):
                fit = _fit(raw.read(pair.image), raw.read(pair.mask))
                if fit is not None:
                    number += 1
                    fits[fit] += 1
    if not number:
        return None, []
    start = f"{number} image{'s have' if number > 1 else ' has'} an EXIF orientation that the mask has not"
    for setting, words in (("apply", "as a viewer shows it"), ("ignore", "as it is stored")):
        other = "ignore" if setting == "apply" else "apply"
        if fits[setting] and not fits[other]:
            return setting, [f"{start}; the sizes of {fits[setting]} masks fit the image {words}: exif: {setting}"]
    sizes = "sizes tell both ways" if fits["apply"] else "sizes cannot tell whether masks fit what a viewer shows"
    return None, [
        f"{start}, and {sizes}: set `image: {{exif: apply}}` or `exif: ignore`; until then they are bad files"
    ]


def note_turned(raw: RawFolder, images: Sequence[str]) -> list[str]:
    """Return a note on images that EXIF turns, of annotations that say nothing of it."""
    number = sum(turned not in (0, 1) for _, (turned, _) in read_each(raw, images, LOOKED_AT, files.orientation))
    if not number:
        return []
    are = f"{number} of the images that were looked at are" if number > 1 else "1 image is"
    return [
        f"{are} turned by EXIF. Set `image: {{exif: apply}}` if the annotations fit what a viewer shows, or `exif: "
        "ignore` if they fit the pixels as stored; until then an image whose size does not tell is a bad file"
    ]


def _check(content: bytes, *, is_image: bool) -> None:
    """Raise BadFileError for several images in a file, or bands that are no colours."""
    if is_image and tiff_bands.is_tiff(content):
        tiff_bands.require_colours(content)
    with lift_pillow_limit():
        open_image(content, files.FORMATS)


def _fit(image: bytes, mask: bytes) -> str | None:
    """Return how a mask fits an image of another orientation by its size: "apply", "ignore" or "", if that is open."""
    with lift_pillow_limit():
        (turned, stored), (mask_turned, size) = files.orientation(image), files.orientation(mask)
    if turned == mask_turned:
        return None
    upright = stored[::-1] if turned in files.SWAPPED else stored
    size = size[::-1] if mask_turned in files.SWAPPED else size
    if upright == stored:
        return ""
    return "apply" if size == upright else "ignore" if size == stored else ""
