"""Packages that hide Segline's own: a folder of the same name, or another library. Imports no library."""

from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def messages() -> list[str]:
    """Return a message for each of Segline's packages whose name leads to another one."""
    problems = []
    for package in ("datasets", "models"):
        spec = find_spec(package)
        if spec is None or spec.origin != str(PROJECT / package / "__init__.py"):
            problems.append(
                f"another package called `{package}` hides Segline's own: {spec and spec.origin}. "
                "Work in another folder, or in an environment without it (Hugging Face ships a `datasets`)."
            )
    return problems
