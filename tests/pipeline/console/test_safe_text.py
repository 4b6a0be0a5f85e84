"""Text from data and from URLs is safe where it is shown: terminal, log, Markdown, model card."""

import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import pytest

from datasets.errors import DatasetError
from datasets.foreign_text import escape
from datasets.image_folder import layout
from pipeline.__main__ import main
from pipeline.console import markup, url_secrets
from pipeline.console.safe_stream import SafeStream, installed
from pipeline.errors import UserError
from pipeline.export import model_card
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.storage import connection
from pipeline.workspace import run_folder
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"
SECRET = "_".join(("s3cr3t", "w0rd"))  # in no line of this file, which may stand in the code.diff of a run
URLS = {
    f"ftp://ann:{SECRET}@host/data": "ftp://ann:***@host/data",
    f"s3://KEY:{SECRET}/x+y@bucket/p": "s3://KEY:***@bucket/p",
    f"https://{SECRET}@github.com/x": "https://***@github.com/x",
    f"https://host/x?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}&x=1": (
        "https://host/x?X-Amz-Credential=***&X-Amz-Signature=***&x=1"
    ),
    f"https://acc.blob.core.windows.net/c?sv=1&sig={SECRET}%3D": "https://acc.blob.core.windows.net/c?sv=1&sig=***",
    f"gs://bucket/a?token={SECRET}": "gs://bucket/a?token=***",
    f"https://host/a?pass={SECRET}&auth={SECRET}&author=x": "https://host/a?pass=***&auth=***&author=x",
}


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(url_secrets.VARIABLE, "{}")


def test_what_is_printed_does_not_act_on_the_terminal() -> None:
    screen = io.StringIO()
    with redirect_stdout(screen), installed():
        print("\rbar", HOSTILE, "\tkept, name\rhidden", end="\r\n")
    assert screen.getvalue() == f"\rbar {escape(HOSTILE)} \tkept, name\\rhidden\r\n" and "\x1b" not in screen.getvalue()
    assert escape(HOSTILE).startswith(r"a\u001b]0;owned\u0007")


def test_json_stays_json_of_the_same_meaning() -> None:
    screen = io.StringIO()
    SafeStream(screen).write(json.dumps({"name": HOSTILE + "é"}, ensure_ascii=False))
    assert json.loads(screen.getvalue()) == {"name": HOSTILE + "é"} and "\u202e" not in screen.getvalue()


@pytest.mark.parametrize("more", [[], ["--log-json"]])
def test_a_command_shows_hostile_text_as_text(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "demo", "--set", "train.key\x1b[2J\u202e=1", *more]) == 2
    printed = "".join(capsys.readouterr())
    assert "\x1b" not in printed and "\u202e" not in printed and r"train.key\u001b[2J\u202e" in printed


@pytest.mark.parametrize("key", ["Images", "key[2J"])
def test_a_foreign_key_of_a_layout_is_named(key: str, tmp_path: Path) -> None:
    (tmp_path / "segline.yaml").write_text(json.dumps({key: 1}))
    with pytest.raises(DatasetError, match=rf"{re.escape(key)}: there is no such key"):
        layout.read(tmp_path / "segline.yaml")


def test_a_class_whose_name_acts_is_refused(tmp_path: Path) -> None:
    tree = {"images": "{id}.png", "masks": "{id}_m.png", "mask": {"read": "ids"}, "splits": {"ratios": {"train": 1}}}
    (tmp_path / "segline.yaml").write_text(json.dumps(tree | {"classes": [{"name": "a"}, {"name": "b\x1b[2J"}]}))
    with pytest.raises(DatasetError, match=r"classes\.1\.name: it holds U\+001B.*Received: b\\u001b\[2J"):
        layout.read(tmp_path / "segline.yaml")


@pytest.mark.parametrize("url", URLS)
def test_secrets_of_urls_are_masked_and_known_only_to_who_connects(url: str) -> None:
    shown = URLS[url]
    assert url_secrets.mask(f"({url} is gone)") == f"({shown} is gone)"
    assert url_secrets.reveal(shown + "/x") is None
    assert url_secrets.hide(url) == shown and url_secrets.hide(shown) == shown
    assert url_secrets.reveal(shown) == url and url_secrets.reveal(f"{shown}/train/x") == f"{url}/train/x"
    assert SECRET in url_secrets._known()[shown]  # by the environment, so that a step's process knows it, too


@pytest.mark.parametrize("sign", "'\"<>")
def test_a_sign_that_ends_a_url_in_a_text_ends_none_that_is_known(sign: str, tmp_path: Path) -> None:
    url = f"ftp://ann:a{sign}{SECRET}@host/data"
    command = ["segline", "run", "demo", "--set", f"data.url={url}"]
    run = RunFolder.create(Workspace(tmp_path), load_recipe("demo", command[-1:]), command)
    assert all(SECRET not in path.read_text() for path in run.path.iterdir())
    assert url_secrets.mask(f"no {url}") == "no ftp://ann:***@host/data"


def test_the_code_of_a_run_holds_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "code_version", lambda: f"git 0{run_folder.CHANGED}")
    monkeypatch.setattr(run_folder, "_git", lambda *_: f"+url: ftp://ann:{SECRET}@host/data")
    run = RunFolder.create(Workspace(tmp_path), load_recipe("demo", []), [])
    assert (run.path / "code.diff").read_text() == "+url: ftp://ann:***@host/data\n"


def test_a_password_is_not_sent_to_another_host() -> None:
    for url in (f"ftp://ann:{SECRET}@host", f"ftp://ann:other{SECRET}@host/a"):
        url_secrets.hide(url)
    assert url_secrets.reveal("ftp://ann:***@host.evil/x") is None
    assert url_secrets.reveal("ftp://ann:***@host/a/x") == f"ftp://ann:other{SECRET}@host/a/x"


def test_the_store_and_a_traceback_hold_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: object) -> None:
        raise RuntimeError(f"no ftp://ann:{SECRET}@host")

    monkeypatch.setattr("pipeline.cli.parser.build_parser", lambda: SimpleNamespace(parse_args=parsed))
    monkeypatch.setattr("pipeline.cli.hints.hint", lambda *_: "")
    parsed = lambda given: SimpleNamespace(command=fail, log_json=False)  # noqa: E731
    assert main(["check"]) == 1
    assert "RuntimeError: no ftp://ann:***@host" in (shown := capsys.readouterr().err) and SECRET not in shown
    store = Store(tmp_path / "store.sqlite")
    store.begin_run("a", "", "", "", "running")
    store.end(store.begin("a", "train", "", "", "{}"), "failed", f"no ftp://ann:{SECRET}@host")
    assert store.executions("a")[0]["error"] == "no ftp://ann:***@host"


@pytest.mark.parametrize(
    "url", ["s3://bucket/camvid", "http://host:80/a@b", "ftp://host:21", "abfs://c@acc.dfs.core.windows.net/p"]
)
def test_other_urls_stay(url: str) -> None:
    assert url_secrets.mask(url) == url and url_secrets.reveal(url) == url


def test_a_run_holds_no_password_and_it_is_no_setting(tmp_path: Path) -> None:
    def recipe(url: str):
        return load_recipe("demo", [f"data.url={url}"])

    secret, other = recipe(f"ftp://ann:{SECRET}@host/data"), recipe("ftp://ann:another@host/data")
    assert secret == other and secret.data.url == "ftp://ann:***@host/data"
    command = ["segline", "run", "demo", "--set", f"data.url=ftp://ann:{SECRET}@host/data"]
    run = RunFolder.create(Workspace(tmp_path), secret, command)
    with run.logging():
        print(f"cannot reach ftp://ann:{SECRET}@host/data {HOSTILE}")
    run.log(f"segline: ftp://ann:{SECRET}@host/data")
    for path in run.path.iterdir():
        assert SECRET not in path.read_text() and "\x1b" not in path.read_text(), path
    assert run.recipe() == secret
    assert Workspace.of(tmp_path, {"SEGLINE_ARTIFACTS": f"s3://k:{SECRET}@b/p"}).shared == "s3://k:***@b/p"


def test_only_the_connection_sees_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    seen = []

    def refuse(url: str) -> None:
        seen.append(url)
        raise ValueError(f"nothing for {url}")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(UserError, match="its password is not recorded"):
        connection.connect("ftp://ann:***@host/data")
    shown = url_secrets.hide(f"ftp://ann:{SECRET}@host/data")
    with pytest.raises(UserError) as caught:
        connection.connect(f"{shown}/train")
    assert seen == [f"ftp://ann:{SECRET}@host/data/train"] and SECRET not in str(caught.value)
    with pytest.raises(UserError) as caught, connection.translate_errors(shown):
        raise FileNotFoundError(seen[0])
    assert SECRET not in str(caught.value)


def test_a_bad_url_is_named_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "demo", "--dry-run", "--set", f"data.url=FTP://ann:{SECRET}@host"]) == 2
    printed = "".join(capsys.readouterr())
    assert SECRET not in printed and "FTP://ann:***@host" in printed


def test_markdown_shows_text_as_it_is() -> None:
    assert markup.literal("traffic_light") == "traffic_light"
    assert markup.literal("_a_ *b* `c` <d> e|f\n# g") == r"\_a\_ \*b\* \`c\` &lt;d&gt; e\|f # g"
    assert markup.literal("# x") == r"\# x" and markup.literal("[x](javascript:1)") == r"\[x\](javascript:1)"
    assert markup.code_block("a\n```\n<b>", "bibtex") == "````bibtex\na\n```\n<b>\n````"


def test_a_model_card_shows_hostile_names_as_text() -> None:
    name = f"{HOSTILE} [x](javascript:1) <script> |"
    row = {"name": name, "iou": 0.1, "accuracy": 0.2}
    facts = {
        "model": {"name": "fast"},
        "data": {"name": name, "homepage": "javascript:1", "licence": name, "citation": f"```\n{name}"},
        "metrics": {"images": 1, "split": "val", "per_class": [row], "absent": [name], "inference": {}},
        "classes": [name],
        "size": None,
        "formats": [],
        "signatures": {},
        "max_pixels": 1,
        "image_range": None,
        "image_bands": None,
        "image_exif": "apply",
    }
    card = model_card.text(facts, None)
    text, _, code = card.partition("````bibtex")
    assert "<script>" not in text and "[x](javascript" not in text and "\x1b" not in card and "\u202e" not in card
    assert code.count("````") == 1
