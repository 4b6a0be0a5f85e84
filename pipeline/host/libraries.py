"""Installed libraries: what Segline needs, what they ask of each other, and pairs known to be bad. None is imported."""

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
"""The libraries that decide whether anything runs, with setup.py's lower bounds (a test holds the two together)."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with the installation, and what to do."""

    what: str
    do: str


@dataclass(frozen=True)
class KnownBad:
    """A combination that installs and then fails, and that no library's own requirements tell."""

    is_here: Callable[[], bool]
    problem: Problem


def problems() -> Iterator[Problem]:
    """Name what is missing, too old, at odds with each other, or known to be bad."""
    for name, bound in NEEDED.items():
        found = installed(name)
        if found is None or not _fits(found, bound):
            what = f"{name} {bound} is needed; {found or 'none'} is installed"
            yield Problem(what, f"pip install '{name}{bound}'")
        else:
            yield from _at_odds(name)
    yield from (known.problem for known in KNOWN_BAD if known.is_here())


def installed(name: str) -> str | None:
    """Version of a distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _at_odds(name: str) -> Iterator[Problem]:
    """As `pip check`, for one distribution."""
    from packaging.requirements import Requirement

    for text in requires(name) or ():
        asked = Requirement(text)
        if asked.marker and not asked.marker.evaluate({"extra": ""}):
            continue
        found = installed(asked.name)
        if found is None or not asked.specifier.contains(found, prereleases=True):
            what = f"{name} {version(name)} asks for {asked.name}{asked.specifier}; {found or 'none'} is installed"
            yield Problem(what, f"pip install '{asked.name}{asked.specifier}'")


def _fits(found: str, bound: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(bound).contains(found, prereleases=True)


def _is(name: str, bound: str) -> bool:
    found = installed(name)
    return found is not None and _fits(found, bound)


OTHER_TENSORFLOWS = ("tensorflow-cpu", "tf-nightly", "intel-tensorflow", "tensorflow-intel", "tensorflow-rocm")

KNOWN_BAD = (
    KnownBad(
        lambda: _is("tensorflow", "<2.18") and _is("numpy", ">=2"),
        Problem("TensorFlow before 2.18 was compiled for NumPy 1", "pip install 'numpy<2' or a newer TensorFlow"),
    ),
    KnownBad(
        lambda: _is("tensorflow-datasets", "<=4.9.10") and installed("importlib_resources") is None,
        Problem(
            "TensorFlow Datasets imports importlib_resources and does not ask for it", "pip install importlib_resources"
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
        Problem("TF_USE_LEGACY_KERAS asks for Keras 2", "unset TF_USE_LEGACY_KERAS"),
    ),
)
