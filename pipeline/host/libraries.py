"""Check installed libraries, without importing them: versions, mutual requirements, known bad combinations."""

import os
from collections.abc import Callable, Iterator
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


@dataclass(frozen=True)
class Problem:
    """A problem of the installation, and its remedy."""

    what: str
    do: str


@dataclass(frozen=True)
class KnownBad:
    """A combination that installs and then fails, though it meets the libraries' declared requirements."""

    applies: Callable[[], bool]
    problem: Problem


def problems() -> Iterator[Problem]:
    """Yield libraries that are missing, too old, in conflict, or in a known bad combination."""
    for name, bound in NEEDED.items():
        present = installed(name)
        if present is None or not _satisfies(present, bound):
            what = f"{name} {bound} is needed; {present or 'none'} is installed"
            yield Problem(what, f"pip install '{name}{bound}'")
        else:
            yield from _conflicts(name)
    yield from (known.problem for known in KNOWN_BAD if known.applies())


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
        present = installed(required.name)
        if present is None or not required.specifier.contains(present, prereleases=True):
            needed = f"{required.name}{required.specifier}"
            what = f"{name} {version(name)} requires {needed}; {present or 'none'} is installed"
            yield Problem(what, f"pip install '{needed}'")


def _satisfies(present: str, bound: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(bound).contains(present, prereleases=True)


def _is(name: str, bound: str) -> bool:
    present = installed(name)
    return present is not None and _satisfies(present, bound)


OTHER_TENSORFLOWS = ("tensorflow-cpu", "tf-nightly", "intel-tensorflow", "tensorflow-intel", "tensorflow-rocm")

KNOWN_BAD = (
    KnownBad(
        lambda: _is("tensorflow", "<2.18") and _is("numpy", ">=2"),
        Problem("TensorFlow before 2.18 was compiled for NumPy 1", "pip install 'numpy<2' or a newer TensorFlow"),
    ),
    KnownBad(
        lambda: _is("tensorflow-datasets", "<=4.9.10") and installed("importlib_resources") is None,
        Problem(
            "TensorFlow Datasets imports importlib_resources and does not require it", "pip install importlib_resources"
        ),
    ),
    KnownBad(
        lambda: installed("tensorflow") is not None and any(installed(name) for name in OTHER_TENSORFLOWS),
        Problem(
            "two distributions of TensorFlow are installed and overwrite each other's files",
            "uninstall both, then pip install tensorflow",
        ),
    ),
    KnownBad(
        lambda: installed("datasets") is not None,
        Problem(
            "Hugging Face's `datasets` is installed; which of the two packages is imported depends on the path",
            "use an environment without it for Segline",
        ),
    ),
    KnownBad(
        lambda: os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow",
        Problem("KERAS_BACKEND is not tensorflow, and Segline's models are TensorFlow's", "unset KERAS_BACKEND"),
    ),
    KnownBad(
        lambda: os.environ.get("TF_USE_LEGACY_KERAS", "0").lower() in ("1", "true"),
        Problem("TF_USE_LEGACY_KERAS selects Keras 2", "unset TF_USE_LEGACY_KERAS"),
    ),
)
