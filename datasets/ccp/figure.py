"""A person in street clothes, part by part from the skin outwards."""

from dataclasses import dataclass

import numpy as np

from datasets.ccp.brush import Brush, Cloth, Point, cloth, ellipse
from datasets.ccp.classes import CLASSES
from datasets.scenes.people import SKIN

ID = {name: index for index, name in enumerate(CLASSES)}

OUTER = {"coat": 0.68, "jacket": 0.45, "blazer": 0.5, "cardigan": 0.54, "vest": 0.44, "cape": 0.55}
"""{garment: its lower end, in figure heights below the crown}, as in TOPS, BOTTOMS and LEGWEAR (upper end)."""

TOPS = {
    "shirt": 0.48, "t-shirt": 0.47, "blouse": 0.47, "top": 0.44, "sweater": 0.49, "sweatshirt": 0.48, "hoodie": 0.5,
    "jumper": 0.49, "bodysuit": 0.46,
}  # fmt: skip

SHORT_SLEEVED = ("t-shirt", "top", "bodysuit", "dress", "romper")

BOTTOMS = {"pants": 0.93, "jeans": 0.93, "leggings": 0.9, "shorts": 0.6, "skirt": 0.66, "suit": 0.94}

SHOES = ("shoes", "boots", "sneakers", "flats", "heels", "pumps", "loafers", "sandals", "wedges", "clogs")

LEGWEAR = {"tights": 0.5, "stockings": 0.6, "socks": 0.8}


@dataclass(frozen=True)
class Pose:
    """The positions of the joints.

    Attributes:
        knees, feet, elbows, hands: (left, right), in the units of Point.
        slim: Factor on the body's widths.
    """

    knees: tuple[Point, Point]
    feet: tuple[Point, Point]
    elbows: tuple[Point, Point]
    hands: tuple[Point, Point]
    slim: float


def random_pose(rng: np.random.Generator) -> Pose:
    """Draw a random pose."""
    stride, lean = rng.uniform(0.02, 0.09), rng.normal(0, 0.012)
    feet = ((-stride + lean, 0.955 - rng.uniform(0, 0.02)), (stride + lean, 0.955))
    knees = ((-stride * 0.8 - 0.012, 0.72), (stride * 0.8 + 0.012, 0.72))
    elbows, hands = [], []
    for side in (-1, 1):
        out = rng.uniform(0.13, 0.19)
        elbows.append((side * out, 0.37 + rng.uniform(-0.01, 0.01)))
        bent = rng.random() < 0.3
        hands.append((side * (out - rng.uniform(0.02, 0.1)), 0.4) if bent else (side * (out + 0.01), 0.51))
    return Pose(knees, feet, (elbows[0], elbows[1]), (hands[0], hands[1]), rng.uniform(0.9, 1.15))


def paint(brush: Brush, rng: np.random.Generator) -> None:
    """Paint one person in random clothes."""
    pose, tone = random_pose(rng), SKIN[rng.integers(len(SKIN))]
    skin = Cloth(tuple(np.asarray(tone) * rng.uniform(0.9, 1.1)), tone, "plain", 0.1)
    hair = Cloth(tuple(np.array([1.0, 0.78, 0.58]) * rng.uniform(18, 150)), (0.0, 0.0, 0.0), "plain", 0.1)
    long = rng.random() < 0.6
    if long:
        brush.shape(ellipse((0, 0.14), 0.066, rng.uniform(0.1, 0.15)), hair, ID["hair"])
    _legs(brush, pose, skin, rng)
    _torso(brush, pose, skin, rng)
    _head(brush, skin, hair, rng)
    _extras(brush, pose, rng)


def _legs(brush: Brush, pose: Pose, skin: Cloth, rng: np.random.Generator) -> None:
    for side in (0, 1):
        _leg(brush, pose, side, (0.46, 0.95), 1.0, skin, ID["skin"])
    if rng.random() < 0.45:
        name = str(rng.choice(list(LEGWEAR)))
        worn = cloth(rng, patterns=("plain", "knit"), dark=0.9)
        for side in (0, 1):
            _leg(brush, pose, side, (LEGWEAR[name], 0.95), 1.03, worn, ID[name])
    shoe, kind = cloth(rng, patterns=("plain",), dark=1.2), str(rng.choice(SHOES))
    for side in (0, 1):
        _shoe(brush, pose.feet[side], -1 if side == 0 else 1, kind, shoe)
    _bottom(brush, pose, rng)


def _bottom(brush: Brush, pose: Pose, rng: np.random.Generator) -> None:
    name = str(rng.choice(list(BOTTOMS), p=[0.28, 0.26, 0.08, 0.13, 0.2, 0.05]))
    denim = Cloth((60, 80, 120 + rng.uniform(-20, 30)), (30.0, 40.0, 70.0), "denim", 0.1)
    worn = denim if name == "jeans" else cloth(rng)
    if name == "skirt":
        flare, end = rng.uniform(0.1, 0.17), BOTTOMS[name] + rng.uniform(-0.06, 0.12)
        w = 0.078 * pose.slim
        right = [(w, 0.38), (w * 1.3, 0.46), (flare, end)]
        brush.shape([*right, (0, end + 0.01), *[(-x, y) for x, y in reversed(right)]], worn, ID[name])
        return
    loose = rng.uniform(1.1, 1.45) if name != "leggings" else 1.05
    for side in (0, 1):
        _leg(brush, pose, side, (0.44, BOTTOMS[name]), loose, worn, ID[name])
    w = 0.08 * pose.slim
    brush.shape([(-w, 0.38), (w, 0.38), (w * 1.3, 0.47), (0.02, 0.54), (-0.02, 0.54), (-w * 1.3, 0.47)], worn, ID[name])


def _leg(brush: Brush, pose: Pose, side: int, reach: tuple[float, float], loose: float, worn: Cloth, id_: int) -> None:
    """Paint the part of a leg between two heights."""
    way = -1 if side == 0 else 1
    joints = np.array([(way * 0.05 * pose.slim, 0.44), pose.knees[side], pose.feet[side]])
    down = np.linspace(*reach, 8)
    across = np.interp(down, joints[:, 1], joints[:, 0])
    wide = np.interp(down, [0.44, 0.58, 0.72, 0.8, 0.94], [0.095, 0.085, 0.058, 0.056, 0.036]) * pose.slim * loose
    brush.limb(list(zip(across.tolist(), down.tolist(), strict=True)), wide.tolist(), worn, id_)


def _shoe(brush: Brush, foot: Point, way: int, kind: str, worn: Cloth) -> None:
    x, y = foot
    tall = {"boots": 0.09, "sneakers": 0.035, "sandals": 0.012}.get(kind, 0.022)
    sole = {"heels": 0.035, "pumps": 0.03, "wedges": 0.03, "clogs": 0.02}.get(kind, 0.008)
    profile = [(-0.024, -tall), (0.024, -tall), (0.05, 0.018), (0.046, 0.03 + sole), (-0.022, 0.03 + sole),
               (-0.027, 0.018)]  # fmt: skip
    brush.shape([(x + way * across, y + down) for across, down in profile], worn, ID[kind])


def _torso(brush: Brush, pose: Pose, skin: Cloth, rng: np.random.Generator) -> None:
    brush.limb([(0, 0.1), (0, 0.18)], [0.042, 0.05], skin, ID["skin"])
    name = "dress" if rng.random() < 0.22 else "romper" if rng.random() < 0.05 else str(rng.choice(list(TOPS)))
    end = {"dress": rng.uniform(0.6, 0.85), "romper": 0.56}.get(name) or TOPS[name]
    top = cloth(rng)
    for side in (0, 1):
        _arm(brush, pose, side, (0.0, 1.0), 1.0, skin, ID["skin"])
        brush.shape(ellipse(pose.hands[side], 0.018, 0.024), skin, ID["skin"])
    _body(brush, pose, end, 1.0, top, ID[name])
    for side in (0, 1):
        _arm(brush, pose, side, (0.0, 0.35 if name in SHORT_SLEEVED else 0.93), 1.25, top, ID[name])
    brush.shape([(-0.028, 0.158), (0.028, 0.158), (0, 0.158 + rng.uniform(0.02, 0.07))], skin, ID["skin"])
    if name not in ("dress", "romper") and rng.random() < 0.3:
        w = 0.082 * pose.slim
        brush.shape([(-w, 0.39), (w, 0.39), (w, 0.405), (-w, 0.405)], cloth(rng, patterns=("plain",)), ID["belt"])
    if rng.random() < 0.15:
        brush.shape([(-0.008, 0.17), (0.008, 0.17), (0.014, 0.36), (0, 0.38), (-0.014, 0.36)], cloth(rng), ID["tie"])
    if rng.random() < 0.5:
        _outer(brush, pose, rng)


def _body(brush: Brush, pose: Pose, end: float, loose: float, worn: Cloth, id_: int) -> None:
    shoulder, waist, hip = (wide * pose.slim * loose for wide in (0.108, 0.078, 0.1))
    right = [(0.035, 0.163), (shoulder * 0.8, 0.178), (shoulder, 0.21), (waist * 1.08, 0.3), (waist, 0.37)]
    right += [(hip, 0.47), (hip * (1 + (end - 0.47) * 1.3), end)] if end > 0.52 else [(hip * 0.92, end)]
    brush.shape([*right, *[(-x, y) for x, y in reversed(right)]], worn, id_)


def _arm(brush: Brush, pose: Pose, side: int, share: tuple[float, float], loose: float, worn: Cloth, id_: int) -> None:
    """Paint the part of an arm between two shares of its length."""
    way = -1 if side == 0 else 1
    joints = np.array([(way * 0.098 * pose.slim, 0.2), pose.elbows[side], pose.hands[side]])
    at = np.linspace(*share, 7)
    line = np.stack([np.interp(at, [0, 0.5, 1], joints[:, axis]) for axis in (0, 1)], 1)
    wide = np.interp(at, [0, 0.5, 1], [0.05, 0.042, 0.03]) * loose * pose.slim
    brush.limb([(x, y) for x, y in line.tolist()], wide.tolist(), worn, id_)


def _outer(brush: Brush, pose: Pose, rng: np.random.Generator) -> None:
    """Paint an open coat or jacket: two panels and the sleeves."""
    name = str(rng.choice(list(OUTER)))
    worn, end = cloth(rng), OUTER[name] + rng.uniform(-0.02, 0.04)
    opening, shoulder, hip = rng.uniform(0.012, 0.05), 0.118 * pose.slim, 0.115 * pose.slim
    for side in (0, 1):
        if name not in ("vest", "cape"):
            _arm(brush, pose, side, (0.0, 0.95), 1.5, worn, ID[name])
        way = -1 if side == 0 else 1
        flare = 0.07 if name == "cape" else 0.25 * max(0.0, end - 0.5)
        panel = [(0.03, 0.165), (shoulder * 0.85, 0.178), (shoulder, 0.22), (hip * 0.95, 0.36), (hip + flare, end),
                 (opening + 0.02, end), (opening, 0.36), (opening, 0.24)]  # fmt: skip
        brush.shape([(way * x, y) for x, y in panel], worn, ID[name])


def _head(brush: Brush, skin: Cloth, hair: Cloth, rng: np.random.Generator) -> None:
    brush.shape(ellipse((0, 0.064), 0.052, 0.066), hair, ID["hair"])
    brush.shape([(-0.038, 0.05), (-0.03, 0.03), (0.03, 0.03), (0.038, 0.05), (0.034, 0.1), (0, 0.131), (-0.034, 0.1)],
                skin, ID["skin"])  # fmt: skip
    lips = Cloth((170, 80, 80), skin.colour, "plain", 0.1)
    brush.shape(ellipse((0, 0.108), 0.012, 0.0045), lips, ID["skin"])
    dark = Cloth((25, 22, 22), (0.0, 0.0, 0.0), "plain", 0.1)
    for side in (-1, 1):
        brush.shape(ellipse((side * 0.016, 0.072), 0.006, 0.0035), dark, ID["skin"])
    drawn = rng.random()
    if drawn < 0.35:
        name = "sunglasses" if drawn < 0.22 else "glasses"
        for side in (-1, 1):
            brush.shape(ellipse((side * 0.017, 0.072), 0.015, 0.012), dark, ID[name])
        brush.limb([(-0.036, 0.068), (0.036, 0.068)], [0.004, 0.004], dark, ID[name])
        if name == "glasses":
            for side in (-1, 1):
                brush.shape(ellipse((side * 0.017, 0.072), 0.011, 0.009), skin, ID[name])
    if rng.random() < 0.2:
        worn = cloth(rng)
        brush.shape([(-0.05, 0.04), (-0.04, -0.012), (0.04, -0.012), (0.05, 0.04)], worn, ID["hat"])
        brush.shape(ellipse((0, 0.036), rng.uniform(0.055, 0.09), 0.011), worn, ID["hat"])


def _extras(brush: Brush, pose: Pose, rng: np.random.Generator) -> None:
    plain = ("plain", "plain", "checks")
    if rng.random() < 0.22:
        worn = cloth(rng)
        brush.shape(ellipse((0, 0.165), 0.06, 0.028), worn, ID["scarf"])
        brush.limb([(0.02, 0.18), (0.03, 0.36)], [0.03, 0.045], worn, ID["scarf"])
    elif rng.random() < 0.25:
        chain = cloth(rng, patterns=("plain",), dark=0.0)
        brush.limb([(-0.03, 0.17), (0, 0.23), (0.03, 0.17)], [0.006, 0.01, 0.006], chain, ID["necklace"])
    if rng.random() < 0.6:
        side, worn = int(rng.integers(2)), cloth(rng, patterns=plain)
        x, y = pose.hands[side]
        name = str(rng.choice(["bag", "purse", "wallet"], p=[0.62, 0.28, 0.1]))
        wide, high = {"bag": (0.075, 0.08), "purse": (0.05, 0.04), "wallet": (0.03, 0.018)}[name]
        top = y + 0.02 + (0.05 if name == "bag" else 0)
        if name == "bag":
            brush.limb([(x - wide * 0.5, top), (x, y), (x + wide * 0.5, top)], [0.01, 0.01], worn, ID[name])
        box = [(-1.0, 0.0), (0.0, -0.04), (1.0, 0.0), (1.05, 1.9), (0.0, 2.0), (-1.05, 1.9)]
        brush.shape([(x + wide * a, top + high * b) for a, b in box], worn, ID[name])
    for name, odds, side in (("watch", 0.15, 0), ("bracelet", 0.15, 1)):
        if rng.random() < odds:
            x, y = pose.hands[side]
            brush.shape(ellipse((x, y - 0.028), 0.017, 0.008), cloth(rng, patterns=("plain",)), ID[name])
