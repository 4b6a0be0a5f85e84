"""Check installed libraries, without importing them: versions, mutual requirements, known bad combinations."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

NEEDED = {
    "tensorflow": ">=2.19",
    "keras": ">=3.10",
    "tensorflow-datasets": ">=4.9.9",
    "apache-beam": ">=2.65",
    "numpy": ">=1.26",
    "pillow": ">=10.3",
    "pydantic": ">=2.11",
    "tensorboard": ">=2.19",
}
"""Libraries without which nothing runs, with setup.py's lower bounds (a test compares the two)."""

OTHER_TENSORFLOWS = ("tensorflow-cpu", "tf-nightly", "intel-tensorflow", "tensorflow-intel", "tensorflow-rocm")
"""Distributions whose files are those of `tensorflow`."""


@dataclass(frozen=True)
class Problem:
    """A problem of the installation, and its remedy."""

    what: str
    do: str


def problems() -> Iterator[Problem]:
    """Yield libraries that are missing, too old, in conflict, or in a known bad combination."""
    for name, bound in NEEDED.items():
        if _is(name, bound):
            yield from _conflicts(name)
        else:
            what = f"{name} {bound} is needed; {installed(name) or 'none'} is installed"
            yield Problem(what, f"pip install '{name}{bound}'")
    yield from _known_bad()


def installed(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _conflicts(name: str) -> Iterator[Problem]:
    """Unmet requirements of one distribution, as `pip check` reports them."""
    from packaging.requirements import Requirement

    for text in requires(name) or ():
        required = Requirement(text)
        if required.marker and not required.marker.evaluate({"extra": ""}):
            continue
        if not _is(required.name, str(required.specifier)):
            needed = f"{required.name}{required.specifier}"
            what = f"{name} {version(name)} requires {needed}; {installed(required.name) or 'none'} is installed"
            yield Problem(what, f"pip install '{needed}'")


def _is(name: str, bound: str) -> bool:
    """Whether a distribution is installed in a version within `bound`."""
    from packaging.specifiers import SpecifierSet

    present = installed(name)
    return present is not None and SpecifierSet(bound).contains(present, prereleases=True)


def _known_bad() -> Iterator[Problem]:
    """Combinations that install and then fail, though they meet the libraries' declared requirements."""
    if _is("tensorflow", "<2.18") and _is("numpy", ">=2"):
        what = "TensorFlow before 2.18 was compiled for NumPy 1"
        yield Problem(what, "pip install 'numpy<2' or a newer TensorFlow")
    if _is("tensorflow-datasets", "<=4.9.10") and installed("importlib_resources") is None:
        what = "TensorFlow Datasets imports importlib_resources and does not require it"
        yield Problem(what, "pip install importlib_resources")
    if installed("tensorflow") is not None and any(installed(name) for name in OTHER_TENSORFLOWS):
        what = "two distributions of TensorFlow are installed and overwrite each other's files"
        yield Problem(what, "uninstall both, then pip install tensorflow")
    if installed("datasets") is not None:
        what = "Hugging Face's `datasets` is installed; which of the two packages is imported depends on the path"
        yield Problem(what, "use an environment without it for Segline")
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        yield Problem("KERAS_BACKEND is not tensorflow, and Segline's models are TensorFlow's", "unset KERAS_BACKEND")
    if os.environ.get("TF_USE_LEGACY_KERAS", "0").lower() in ("1", "true"):
        yield Problem("TF_USE_LEGACY_KERAS selects Keras 2", "unset TF_USE_LEGACY_KERAS")
