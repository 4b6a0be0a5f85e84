"""The promises of SECURITY.md about the code: no file that is read can run code."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGES = ("datasets", "models", "pipeline", "segline")
SOURCES = sorted(path for package in PACKAGES for path in (PROJECT / package).rglob("*.py"))

FORBIDDEN_CALLS = {
    "eval": "runs text",
    "exec": "runs text",
    "compile": "compiles text",
    "__import__": "imports a module named by a text",
    "os.system": "runs a shell",
    "os.popen": "runs a shell",
    "tarfile.open": "may write outside of its folder: use a checked reader",
    "shutil.unpack_archive": "may write outside of its folder",
    "joblib.load": "unpickles",
    "torch.load": "unpickles",
}
FORBIDDEN_MODULES = {"yaml", "pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle"}


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def risks(source: str) -> list[str]:
    """Return a description of every risky import and call in a source."""
    descriptions = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        descriptions += [f"imports {name}" for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.Call):
            descriptions += call_risks(node)
    return descriptions


def call_risks(node: ast.Call) -> list[str]:
    name = dotted(node.func)
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    descriptions = [f"{name} {FORBIDDEN_CALLS[name]}"] if name in FORBIDDEN_CALLS else []
    if is_true(keywords.get("shell")):
        descriptions.append(f"{name} runs a shell")
    if is_true(keywords.get("allow_pickle")) or (name.endswith(("np.load", "numpy.load")) and len(node.args) > 2):
        descriptions.append(f"{name} may unpickle")
    if name.endswith(("load_model", "model_from_json")) and not is_true(keywords.get("safe_mode")):
        descriptions.append(f"{name} may run a Lambda layer: state safe_mode=True")
    if name.startswith("yaml.") and "load" in name:
        descriptions.append(f"{name} is not datasets.plain_yaml")
    if name.endswith(".extractall"):
        descriptions.append(f"{name} may write outside of its folder")
    return descriptions


def is_true(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


@pytest.mark.parametrize(
    ("source", "risk"),
    [
        ("import pickle", "imports pickle"),
        ("def f():\n    from dill import loads", "imports dill"),
        ("eval(text)", "eval"),
        ("np.load(path, allow_pickle=True)", "may unpickle"),
        ("yaml.load(text, yaml.SafeLoader)", "is not datasets.plain_yaml"),
        ("yaml.unsafe_load_all(text)", "is not datasets.plain_yaml"),
        ("from yaml import unsafe_load", "imports yaml"),
        ("subprocess.run(text, shell=True)", "runs a shell"),
        ("archive.extractall(folder)", "outside"),
        ("keras.models.load_model(path)", "Lambda"),
    ],
)
def test_each_risk_is_detected(source: str, risk: str) -> None:
    assert any(risk in description for description in risks(source))


def test_no_source_has_a_risk() -> None:
    problems = [f"{path.relative_to(PROJECT)}: {risk}" for path in SOURCES for risk in risks(path.read_text())]
    problems.remove("datasets/plain_yaml.py: imports yaml")  # the only YAML parser: builds plain values from nodes
    assert len(SOURCES) > 80 and not problems, "\n".join(problems)


RUNS_CODE = (
    "!!python/object/apply:os.system ['touch {marker}']",
    "!!python/object/new:os.system ['touch {marker}']",
    "!!python/object/apply:subprocess.check_output {{args: [touch, {marker}]}}",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!python/tuple [1]",
    "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch {marker}']",
)


@pytest.mark.parametrize("text", RUNS_CODE)
def test_recipes_and_layouts_hold_plain_values_only(text: str, tmp_path: Path) -> None:
    from datasets.errors import DatasetError
    from datasets.image_folder import layout
    from pipeline.errors import UserError
    from pipeline.orchestration.recipe_loader import load_recipe

    marker = tmp_path / "ran"
    bad = tmp_path / "bad.yaml"
    bad.write_text(f"train: {text.format(marker=marker)}\n")
    with pytest.raises(UserError, match="no valid YAML"):
        load_recipe(str(bad))
    with pytest.raises(DatasetError, match="no valid YAML"):
        layout.read(bad)
    # With --set a tag is plain text, which no setting of the recipe accepts.
    with pytest.raises(UserError):
        load_recipe("demo", [f"train.epochs={text.format(marker=marker)}"])
    assert not marker.exists()


def test_recipes_name_secrets_only_by_environment_variable() -> None:
    from pipeline.config.schedule import FailureConfig

    assert all(name.endswith("_env") or name == "command" for name in FailureConfig.model_fields)


def test_published_ports_listen_on_the_loopback_interface() -> None:
    text = (PROJECT / "docker" / "compose.yaml").read_text()
    ports = [line for line in text.splitlines() if "ports:" in line]
    assert len(ports) == 2 and all('["127.0.0.1:' in line for line in ports)
