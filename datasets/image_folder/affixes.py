"""What stands before and after the id in the names of images and masks: usual endings, and what all names share."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from datasets.image_folder.families import Family, Key, means_images, means_masks

MASK_ENDINGS = (
    "_mask", "_masks", "-mask", ".mask", " mask", "_label", "_labels", "-label", "_seg", "_segmentation", "_gt",
    "-gt", "_groundtruth", "_annotation", "_L", "_GT", "_Mask", "_labelIds", "_gtFine_labelIds", "_lab", "_m", "_anno",
    "_manual1", "_manual", "_1stHO", ".ah", ".vk", "_manual2", "_2ndHO",
    "_gtFine_color", "_gtFine_instanceIds", "_color", "_colour",
)  # fmt: skip

IMAGE_ENDINGS = ("", "_leftImg8bit", "_image", "_img", "_sat", "_rgb", "_orig")

SEPARATORS = "-_. "

MOST_ENDS = 64  # Number of the most frequent ends of names that are tried
NUMBER = re.compile(r"[-_ ]?\(?\d+\)?$")  # The number of a further mask, as in a_mask_1, a_mask1 and a_mask (1)


class Affix(NamedTuple):
    """What stands around the id in a name; `{split}` in it is the value of the split. A number may follow the end."""

    start: str = ""
    end: str = ""
    numbered: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the end is a usual one of masks, or after the folder of an image means masks: a/mask."""
        end = self.end.rstrip(SEPARATORS if self.numbered else "").lower()
        return end in KNOWN or (end.startswith("/") and means_masks(end[1:]))

    @property
    def pattern(self) -> str:
        """The pattern of the names."""
        return f"{self.start}{{id}}{self.end}{'*' * self.numbered}"

    def id_of(self, split: str, name: str) -> str | None:
        """Return the id in a name without suffix; None where the name is another."""
        start, end = self.start.replace("{split}", split), self.end.replace("{split}", split)
        if self.numbered:
            shorter = name.rstrip("0123456789")
            if shorter == name:
                return None
            name = shorter
        if len(name) > len(start) + len(end) and name.startswith(start) and name.endswith(end):
            return name[len(start) : len(name) - len(end)]
        return None


KNOWN = frozenset(end.lower() for end in MASK_ENDINGS)


def of_images(family: Family) -> list[Affix]:
    """Return the affixes that images of a family may have, the likely first."""
    in_folders = [end for end in recurring(family, "/") if means_images(end[1:].lower())]
    return list(dict.fromkeys([*(Affix(end=end) for end in (*IMAGE_ENDINGS, *in_folders)), *_shared(family)]))


def of_masks(family: Family, *, among_images: bool) -> list[Affix]:
    """Return the affixes that masks of a family may have; `among_images`: the family holds the images, too."""
    known = [Affix(end=end) for end in _written(family, MASK_ENDINGS)]
    in_folders = [end for end in recurring(family, "/") if means_masks(end[1:].lower())]
    known += [Affix(end=end) for end in sorted(in_folders, key=len)]  # a/label before a/label_viz
    return known if among_images else list(dict.fromkeys([Affix(), *known, *_shared(family)]))


def of_numbered_masks(family: Family, *, among_images: bool) -> list[Affix]:
    """Return the affixes of masks that are all numbered, as a_mask_0 and a_mask_1 without a_mask."""
    shorter = {name.rstrip("0123456789") for *_, name in family.files}
    ends = sorted({name[len(name.rstrip("-_ ")) :] for name in shorter})  # the marks before the numbers
    known = [end for end in MASK_ENDINGS if any(name.rstrip("-_ ").endswith(end) for name in shorter)]
    plain = [] if among_images else [Affix(end=mark, numbered=True) for mark in ends if mark]
    return [*(Affix(end=f"{end}{mark}", numbered=True) for end in known for mark in ends), *plain]


def recurring(family: Family, separators: str = f"{SEPARATORS}/") -> list[str]:
    """Return the ends of names, from a separator on, that several names have: _car, /image; the most frequent ones."""
    ends = Counter(name[at:] for *_, name in family.files for at, sign in enumerate(name) if at and sign in separators)
    return [end for end, number in ends.most_common(MOST_ENDS) if number > 1 and re.search("[A-Za-z]", end)]


def further(family: Family, affix: Affix, used: Mapping[Key, Key]) -> dict[Key, Key]:
    """Return {key of a further mask, such as a_mask_1: key of the first, a_mask}; `used` is {by id: the first}."""
    first_of: dict[Key, Key] = {}
    firsts = set(used.values())
    for key in family.files:
        split, group, name = key
        if affix.numbered:
            first = used.get((split, group, affix.id_of(split, name) or ""))
        else:
            number = NUMBER.search(name)
            is_marked = number and (affix.end or number[0][0] in SEPARATORS)
            first = (split, group, name[: number.start()]) if number and is_marked else None
        if first in firsts and first and first != key:
            first_of[key] = first
    return first_of


def _written(family: Family, endings: Iterable[str]) -> Iterator[str]:
    """Yield the endings that names have, as they are written there: also _MASK for _mask."""
    wanted = tuple(dict.fromkeys(end.lower() for end in endings))
    names = [name for *_, name in family.files if name.lower().endswith(wanted)]  # most have none
    for end in wanted:
        yield from sorted({name[-len(end) :] for name in names if name.lower().endswith(end)})


def _shared(family: Family) -> Iterator[Affix]:
    """Yield what all names of a family share before and after a number: _training, image_; also both."""
    names: dict[str, list[str]] = defaultdict(list)
    for split, _, name in family.files:
        names[split].append(name)
    if any(len(of) < 2 for of in names.values()):
        return
    ends = {_with_split(split, _shared_end(of)) for split, of in names.items()}
    starts = {_with_split(split, _shared_start(of)) for split, of in names.items()}
    end = ends.pop() if len(ends) == 1 else ""
    start = starts.pop() if len(starts) == 1 else ""
    yield from dict.fromkeys([Affix(end=end), Affix(start=start), Affix(start, end)])


def _shared_end(names: list[str]) -> str:
    shared = _common_start([name[::-1] for name in names])[::-1]
    at = min((shared.find(sign) for sign in SEPARATORS if sign in shared), default=len(shared))
    return shared[at:] if "/" not in shared else ""


def _shared_start(names: list[str]) -> str:
    if any(len(PurePosixPath(name).parts) > 1 for name in names):
        return ""
    shared = _common_start(names)
    cut = max((shared.rfind(sign) for sign in SEPARATORS), default=-1) + 1
    return shared[:cut] if cut else re.sub(r"\d+$", "", shared) * all(re.match(r"\D+\d", name) for name in names)


def _common_start(names: list[str]) -> str:
    first, last = min(names), max(names)  # in between all share what these two share
    return "".join(a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))


def _with_split(split: str, affix: str) -> str:
    return affix.replace(split, "{split}") if split else affix
