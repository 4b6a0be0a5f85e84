"""What a step's result depends on, as a value that can be compared and whose changes can be named."""

import ast
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
PACKAGES = ("datasets", "models", "pipeline")

UNCOUNTED = (
    # Their whole effect on a step are values that the fingerprint already holds: a new key of some section does not
    # make every step run again.
    "pipeline.config",
    "pipeline.errors",
    # They only print or draw; no result may depend on them.
    "pipeline.console",
    "pipeline.training.progress_bar",
    "pipeline.training.tensorboard_pictures",
    "pipeline.training.tensorboard_writer",
)
"""Modules and packages that are no part of a fingerprint, nor is what only they import."""

ENVIRONMENT = (
    "KERAS_BACKEND",
    "TF_USE_LEGACY_KERAS",
    "TF_ENABLE_ONEDNN_OPTS",  # other kernels on a CPU, which round otherwise
    "TF_DETERMINISTIC_OPS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "NVIDIA_TF32_OVERRIDE",
)
"""Variables that change what TensorFlow computes; they count for a step that imports it."""

DISTRIBUTIONS = {
    "PIL": "pillow",
    "apache_beam": "apache-beam",
    "tensorflow_datasets": "tensorflow-datasets",
    "tensorflow_metadata": "tensorflow-metadata",
    "yaml": "pyyaml",
}
"""Distributions whose name differs from that of the imported package."""

REASON_COLUMNS = 61
"""Columns left in a line of 80 for the reason why a step runs, after "validate  runs     "."""


@dataclass(frozen=True)
class Fingerprint:
    """The parts that decide a step's result.

    Attributes:
        settings: The step's sections of the recipe, {"train.epochs": 40, ...}.
        inputs: Digest of each input, {"ingest": "3f2a...", ...}.
        code: Digest of each project module the step imports, transitively, without comments, docstrings and layout.
        libraries: Version of each distribution that these modules import, and of Python.
        version: The step's own version.
        environment: The variables of ENVIRONMENT that are set, for a step that imports TensorFlow.
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    code: Mapping[str, str]
    libraries: Mapping[str, str]
    version: int
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """16 hexadecimal digits that name the result."""
        return key_of(asdict(self))

    def code_key(self, *without: str) -> str:
        """16 hexadecimal digits that name the code, the libraries and all inputs but those `without`; no settings."""
        inputs = {name: digest for name, digest in self.inputs.items() if name not in without}
        return replace(self, settings={}, inputs=inputs).key

    def to_json(self) -> str:
        """Canonical JSON: equal fingerprints give equal text."""
        return canonical_json(asdict(self))

    def changes(self, old: Mapping[str, Any]) -> list[str]:
        """Name what differs from an `old` fingerprint (as read from JSON), the most telling part first."""
        lines = [
            f"{key} {_short(old['settings'], key)} -> {_short(self.settings, key)}"
            for key in _differing(old["settings"], self.settings)
        ]
        lines += [f"{name} has other contents" for name in _differing(old["inputs"], self.inputs)]
        code = _differing(old["code"], self.code)
        if code:
            lines.append(f"code of {', '.join(code[:3])}{f' and {len(code) - 3} more' if len(code) > 3 else ''}")
        lines += [
            f"{name} {old['libraries'].get(name, 'absent')} -> {self.libraries.get(name, 'absent')}"
            for name in _differing(old["libraries"], self.libraries)
        ]
        environment = old.get("environment", {})
        lines += [
            f"the variable {name} {environment.get(name, 'absent')} -> {self.environment.get(name, 'absent')}"
            for name in _differing(environment, self.environment)
        ]
        if old["version"] != self.version:
            lines.append(f"the step's version {old['version']} -> {self.version}")
        return lines

    def difference(self, old: Mapping[str, Any]) -> str:
        """Name in one line what differs: two changes where REASON_COLUMNS hold them, else one; and how many more."""
        changes = self.changes(old)
        reason = ""
        for shown in (2, 1):
            more = f" (and {len(changes) - shown} more)" if len(changes) > shown else ""
            reason = "; ".join(changes[:shown]) + more
            if len(reason) <= REASON_COLUMNS:
                break
        return reason


def canonical_json(fingerprint: Mapping[str, Any]) -> str:
    """Return the JSON of a fingerprint, given as values: equal fingerprints give equal text."""
    return json.dumps(fingerprint, sort_keys=True, separators=(",", ":"))


def key_of(fingerprint: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that name the result of a fingerprint, given as values."""
    return hashlib.sha256(canonical_json(fingerprint).encode()).hexdigest()[:16]


def code_of(modules: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Follow the imports of project modules, those inside functions too.

    Args:
        modules: Names such as "pipeline.steps.train".

    Returns:
        Digest of each project module that is reached, and the version of each third-party distribution they import.
    """
    code: dict[str, str] = {}
    libraries = {"python": platform.python_version()}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in code or _is_uncounted(module) or (path := _source(module)) is None:
            continue
        code[module], imported = _read(path, path.stat().st_mtime_ns)
        for name in imported:
            root = name.split(".")[0]
            if root in PACKAGES:
                waiting += [name, *_parents(name)]
            elif root not in sys.stdlib_module_names:
                distribution = DISTRIBUTIONS.get(root, root)
                libraries[distribution] = _version(distribution)
    return code, libraries


def environment_of(libraries: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of ENVIRONMENT that are set, if TensorFlow is among the libraries."""
    if not {"tensorflow", "keras"} & set(libraries):
        return {}
    return {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}


def _is_uncounted(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in UNCOUNTED)


def _parents(module: str) -> list[str]:
    """Return the packages that an import of `module` runs first: datasets for datasets.camvid."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _source(module: str) -> Path | None:
    """Return the file of a project module; None where the name is a class or a function of one."""
    base = PROJECT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


class _WithoutBareStrings(ast.NodeTransformer):
    """Removes docstrings and every other statement that is only a string: nothing computes with them."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_string = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_string else node


@cache
def _read(path: Path, _mtime_ns: int) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a module's syntax tree without bare strings, and every absolute name that it imports."""
    tree = _WithoutBareStrings().visit(ast.parse(path.read_bytes()))
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16], tuple(names)


@cache
def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in {*old, *new} if old.get(key, _ABSENT) != new.get(key, _ABSENT))


_ABSENT = object()


def _short(settings: Mapping[str, Any], key: str) -> str:
    text = json.dumps(settings[key]) if key in settings else "absent"
    return text if len(text) <= 40 else text[:37] + "..."
