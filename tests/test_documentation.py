"""What the pages say is so: links lead somewhere, named files are there, commands and recipes are understood."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from datasets.image_folder.layout import Layout
from models import catalog as models_catalog
from models.parameters import backbones
from pipeline import __main__ as cli
from pipeline.config import recipe_file as recipes
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError

PROJECT = Path(__file__).parent.parent
FIRST = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = sorted(
    page for pattern in (*FIRST, "docs/*.md", "docker/*.md", "datasets/*/README.md") for page in PROJECT.glob(pattern)
)
SECTIONS = tuple(field.alias or name for name, field in Recipe.model_fields.items() if name != "name")

NAMED = r"(?<![\w/.-])(?:pipeline\.|(?:datasets|models|pipeline|tests|docker|docs)/)[\w./<>*]*[\w>*]/?(?![\w/-])"
"""A file, a folder or a module; in a page also a form of names, such as pipeline/steps/<name>.py."""
LINK = r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)"
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
        assert file.exists(), f"{target} is not there"
        assert not heading or heading[1:] in anchors(file), f"{target} has no heading {heading}"


def anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, signs dropped, blanks to hyphens."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_of_docs_is_in_the_table_of_readme() -> None:
    linked = {target for target, _ in re.findall(LINK, (PROJECT / "README.md").read_text())}
    assert {f"docs/{page.name}" for page in (PROJECT / "docs").glob("*.md")} <= linked


def test_the_page_of_networks_has_every_option_and_backbone() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", (PROJECT / "docs" / "networks.md").read_text(), re.M)
    found = {name: re.findall(r"`(\w+)`", row.rsplit("|", 1)[-1]) for name, row in rows}
    expected = {name: list(models_catalog.parameters(name)) for name in models_catalog.names()}
    assert found == expected | {name: [] for name in backbones()}


def test_readme_is_for_a_first_reader() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 200


@of_page()
def test_pages_name_files_and_modules_that_are_there(page: Path) -> None:
    lost = [found for found in re.findall(NAMED, page.read_text()) if not is_there(found)]
    assert not lost, ", ".join(lost)


@pytest.mark.parametrize("package", ["datasets", "models", "pipeline"])
def test_docstrings_name_files_and_modules_that_are_there(package: str) -> None:
    """In docstrings and comments: pipeline/workspace/store.py, pipeline.export.facts, (datasets/shards.py)."""
    lost = [
        f"{path.relative_to(PROJECT)}: {found}"
        for path in (PROJECT / package).rglob("*.py")
        for found in re.findall(NAMED, path.read_text())
        if not is_there(found)
    ]
    assert not lost, "\n".join(lost)


def is_there(name: str) -> bool:
    """Whether a path, a form of paths, or a dotted name of a module or of something in one leads somewhere."""
    if "/" in name:
        return any(PROJECT.glob(re.sub(r"<\w+>", "*", name).rstrip("/")))
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        place = PROJECT.joinpath(*parts[:length])
        if place.with_suffix(".py").is_file() or (place.is_dir() and length == len(parts)):
            return True
    return False


@of_page()
def test_commands_are_understood(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = cli._parser()
    for line in "\n".join(blocks(page, "", "sh", "bash")).replace("\\\n", " ").splitlines():
        for command in re.findall(COMMAND, line.split(" #")[0]):
            try:
                options = parser.parse_args(shlex.split(command))
            except SystemExit:
                pytest.fail(f"segline {command}\n{capsys.readouterr().err}")
            settings = [*(getattr(options, "set", None) or ()), *(getattr(options, "grid", None) or ())]
            assert not unknown(setting.split("=")[0] for setting in settings), command


@of_page()
def test_commands_within_a_line_and_their_options_are_known(page: Path) -> None:
    known = next(action for action in cli._parser()._actions if action.dest == "command_name").choices
    assert isinstance(known, dict)
    for command, rest in re.findall(r"`segline\s([a-z-]+)([^`]*)`", prose(page)):
        assert command in known, f"segline {command}"
        options = {option for action in known[command]._actions for option in action.option_strings}
        strange = set(re.findall(r"(?<!\S)--[a-z-]+", rest)) - options
        assert not strange, f"segline {command}{rest}: {', '.join(strange)}"


@of_page()
def test_recipe_keys_exist(page: Path) -> None:
    named = {key for key in re.findall(KEY, prose(page)) if not key.endswith(FILES)}
    assert not unknown(named)


def unknown(keys) -> list[str]:
    """Those of the dotted keys that no recipe may hold."""
    lost = []
    for key in keys:
        try:
            recipes.load("demo", [f"{key}=null"])
        except UserError as error:
            if "there is no such key" in str(error):
                lost.append(str(error))
    return lost


@of_page()
def test_recipes_and_layouts_in_blocks_are_right(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for number, block in enumerate(blocks(page, "yaml")):
        tree = yaml.safe_load(block)
        if "masks" in tree:
            Layout.model_validate(tree)
            continue
        whole = yaml.safe_load((recipes.RECIPES / "camvid_fast.yaml").read_text())
        whole.pop("evaluate", None)
        if begun := tree.get("train", {}).get("begin_with"):
            file = Path(begun).expanduser()
            file.parent.mkdir(parents=True)
            file.touch()
        path = tmp_path / f"{number}.yaml"
        filled = whole | {key: {**whole.get(key, {}), **section} for key, section in tree.items()}
        path.write_text(yaml.safe_dump(filled), encoding="utf-8")
        recipes.load(str(path))
