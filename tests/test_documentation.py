"""The pages are right: links and named files exist, commands parse, recipes load."""

import ast
import io
import re
import shlex
import tokenize
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from tokenize import COMMENT

import pytest
import yaml

from datasets.image_folder.layout import Layout
from docs import settings
from docs.pictures import draw
from models import catalog as models_catalog
from models.typed_values import backbones
from pipeline.cli.parser import build_parser
from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.orchestration.recipe_loader import load_recipe

PROJECT = Path(__file__).parent.parent
FIRST = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = sorted(
    page for pattern in (*FIRST, "docs/*.md", "docker/*.md", "datasets/*/README.md") for page in PROJECT.glob(pattern)
)
SECTIONS = tuple(field.alias or name for name, field in Recipe.model_fields.items() if name != "name")
SETTINGS = [key for _, _, keys in settings.sections() for key in keys]
KEYS = {key.name for key in SETTINGS} | {title for title, _, _ in settings.sections()}
MAPPINGS = tuple(f"{key.name}." for key in SETTINGS if key.value.startswith("mapping"))
"""Keys below which a recipe may hold any other, such as model.options."""

NAMED = r"(?<![\w/.-])(?:pipeline\.|(?:datasets|models|pipeline|tests|docker|docs)/)[\w./<>*]*[\w>*]/?(?![\w/-])"
"""A file, a folder or a module; in a page also a pattern of names, such as pipeline/steps/<name>.py."""
LINK = r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)"
PICTURE = r"!\[([^]]*)\]\(([^)\s]+)\)"
ROTTEN = r"\b20\d{6}-\d{6}-\w+|(?<![\w:])(?=[a-f]*\d)[0-9a-f]{16}(?!\w)"
"""The name of a run and a fingerprint: both change, and a page that quotes one is soon wrong."""
BLOCK = r"^```(\w*)\n(.*?)^```$"
COMMAND = r"(?:^|\s)segline ([a-z][a-z-]* ?.*)"
KEY = rf"(?<![\w./])((?:{'|'.join(SECTIONS)})(?:\.[a-z_]+)+)(?!\w*[(/])"
FILES = (".md", ".py", ".json", ".yaml", ".txt")


def of_page(pages: list[Path] = PAGES) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=[str(page.relative_to(PROJECT)) for page in pages])


def prose(page: Path) -> str:
    return re.sub(BLOCK, "", page.read_text(), flags=re.M | re.S)


def blocks(page: Path, *languages: str) -> list[str]:
    return [text for language, text in re.findall(BLOCK, page.read_text(), re.M | re.S) if language in languages]


@of_page()
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, heading in re.findall(LINK, prose(page)):
        file = page.parent / target if target else page
        assert file.exists(), f"{target} does not exist"
        assert not heading or heading[1:] in anchors(file), f"{target} has no heading {heading}"


def anchors(page: Path) -> set[str]:
    """Anchors of a page as GitHub makes them: lower case, punctuation removed, blanks to hyphens."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_of_docs_is_in_the_table_of_readme() -> None:
    linked = {target for target, _ in re.findall(LINK, (PROJECT / "README.md").read_text())}
    assert {f"docs/{page.name}" for page in (PROJECT / "docs").glob("*.md")} <= linked


def test_the_page_of_networks_lists_every_option_and_backbone() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", (PROJECT / "docs" / "networks.md").read_text(), re.M)
    listed = {name: re.findall(r"`(\w+)`", row.rsplit("|", 1)[-1]) for name, row in rows}
    expected = {name: list(models_catalog.parameters(name)) for name in models_catalog.names()}
    assert listed == expected | {name: [] for name in backbones()}


def test_readme_is_short_and_shows_a_picture_first() -> None:
    text = (PROJECT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    assert re.findall(PICTURE, text.split("\n## ")[0])


def test_every_picture_is_small_shown_and_described() -> None:
    shown = {
        (page.parent / target).resolve(): text
        for page in PAGES
        for text, target in re.findall(PICTURE, page.read_text())
    }
    drawn = set((PROJECT / "docs" / "pictures").glob("*.png"))
    assert drawn and drawn == set(shown)
    assert all(text and path.stat().st_size < 200_000 for path, text in shown.items())
    assert {path.stem for path in drawn} == set(draw.PICTURES)


@of_page()
def test_quoted_paths_name_no_run_and_no_fingerprint(page: Path) -> None:
    assert not re.findall(ROTTEN, page.read_text()), "write RUN, <run> or <fingerprint>"


@of_page()
def test_pages_name_existing_files_and_modules(page: Path) -> None:
    missing = [name for name in re.findall(NAMED, page.read_text()) if not exists(name)]
    assert not missing, ", ".join(missing)


@pytest.mark.parametrize("package", ["datasets", "models", "pipeline", "segline"])
def test_docstrings_name_existing_files_and_modules(package: str) -> None:
    """In docstrings and comments: pipeline/workspace/store.py, pipeline.export.facts, (datasets/shards.py)."""
    missing = [
        f"{path.relative_to(PROJECT)}: {name}"
        for path in (PROJECT / package).rglob("*.py")
        for text in remarks(path.read_text())
        for name in re.findall(NAMED, text)
        if not exists(name)
    ]
    assert not missing, "\n".join(missing)


def remarks(source: str) -> list[str]:
    """Return the docstrings of modules, classes, functions and values, and the comments of a source."""
    lone = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    comments = [
        token.string for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == COMMENT
    ]
    return comments + [node.value for node in lone if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def exists(name: str) -> bool:
    """Whether there is such a path, a path of this pattern, or a module of this dotted name or a part of it."""
    if "/" in name:
        return any(PROJECT.glob(re.sub(r"<\w+>", "*", name).rstrip("/")))
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        path = PROJECT.joinpath(*parts[:length])
        if path.with_suffix(".py").is_file() or (path.is_dir() and length == len(parts)):
            return True
    return False


@of_page()
def test_commands_parse(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser()
    for line in "\n".join(blocks(page, "", "sh", "bash")).replace("\\\n", " ").splitlines():
        for command in re.findall(COMMAND, re.split(r" (?:#|\||&&|>)", line)[0]):
            try:
                options = parser.parse_args(shlex.split(command))
            except SystemExit:
                pytest.fail(f"segline {command}\n{capsys.readouterr().err}")
            settings = [*(getattr(options, "set", None) or ()), *(getattr(options, "grid", None) or ())]
            assert not unknown(setting.split("=")[0] for setting in settings), command


@of_page()
def test_commands_within_a_line_and_their_options_exist(page: Path) -> None:
    known = next(action for action in build_parser()._actions if action.dest == "command_name").choices
    assert isinstance(known, dict)
    for command, rest in re.findall(r"`segline\s([a-z-]+)([^`]*)`", prose(page)):
        assert command in known, f"segline {command}"
        options = {option for action in known[command]._actions for option in action.option_strings}
        missing = set(re.findall(r"(?<!\S)--[a-z-]+", rest)) - options
        assert not missing, f"segline {command}{rest}: {', '.join(missing)}"


@of_page()
def test_recipe_keys_exist(page: Path) -> None:
    named = {key for key in re.findall(KEY, prose(page)) if not key.endswith(FILES)}
    assert not unknown(named)


def unknown(keys: Iterable[str]) -> list[str]:
    """Return those dotted keys that no recipe may hold."""
    return [key for key in keys if key not in KEYS and not key.startswith(MAPPINGS)]


@of_page()
def test_recipes_and_layouts_in_blocks_are_valid(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for number, block in enumerate(blocks(page, "yaml")):
        tree = yaml.safe_load(block)
        if tree.get("model", {}).get("name") == "keras_hub" and find_spec("keras_hub") is None:
            continue  # an extra that the tests do without
        if "images" in tree:
            Layout.model_validate(tree)
            continue
        whole = yaml.safe_load((recipe_file.RECIPES / "camvid_fast.yaml").read_text())
        whole.pop("evaluate", None)
        if weights := tree.get("train", {}).get("begin_with"):
            file = Path(weights).expanduser()
            file.parent.mkdir(parents=True)
            file.touch()
        path = tmp_path / f"{number}.yaml"
        filled = whole | {key: {**whole.get(key, {}), **section} for key, section in tree.items()}
        path.write_text(yaml.safe_dump(filled), encoding="utf-8")
        load_recipe(str(path))
