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
    differing: list[set[str]] = []
    drawn = [(pair.image, pair.mask) for pair in pairs if pair.mask and pair.mask != pair.image]
    for image, mask in sample(drawn, LOOKED_AT) if drawn and not drawn[0][1].lower().endswith(".mat") else ():
        with suppress(BadFileError), lift_pillow_limit():  # ingest reports it
            ways = files.fitting(raw.read(image), raw.read(mask))
            differing += [ways] if ways else []
    if not differing:
        return None, []
    number = len(differing)
    start = f"{number} image{'s have' if number > 1 else ' has'} an EXIF orientation that the mask has not"
    apply, ignore = (sum(ways == {way} for ways in differing) for way in ("apply", "ignore"))
    for setting, words, fit, other in (
        ("apply", "as a viewer shows it", apply, ignore),
        ("ignore", "as it is stored", ignore, apply),
    ):
        if fit and not other:
            return setting, [f"{start}; the sizes of {fit} masks fit the image {words}: exif: {setting}"]
    sizes = "sizes tell both ways" if apply else "sizes cannot tell whether masks fit what a viewer shows"
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
