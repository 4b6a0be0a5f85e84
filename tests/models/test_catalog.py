"""The catalogue reads models from their source only, and checks options before anything is built."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from models import catalog, typed_values
from models.errors import ModelError


def test_names_are_the_files_that_build_a_network() -> None:
    assert {"fast", "fcn"} <= set(catalog.names())
    assert not {"optimizers", "losses", "blocks", "catalog"} & set(catalog.names())


def test_parameters_omit_those_that_the_pipeline_sets() -> None:
    parameters = catalog.parameters("fcn")
    assert parameters["stride"] == 8 and parameters["head_width"] == 4096
    assert not {"num_classes", "synchronized"} & set(parameters)


@pytest.mark.parametrize("name", catalog.names())
def test_the_defaults_of_every_model_are_allowed(name: str) -> None:
    catalog.check(name, catalog.parameters(name))


def test_the_error_for_an_unknown_model_has_a_suggestion_and_the_list() -> None:
    with pytest.raises(ModelError, match=r"'fats'.*Did you mean 'fast'\? Known models: .*fcn"):
        catalog.check("fats", {})


def test_the_error_for_an_unknown_backbone_has_a_suggestion_and_the_list() -> None:
    with pytest.raises(ModelError, match=r"'backbone' .* one of 'vgg16', .*'vgg_16'\. Did you mean 'vgg16'\?$"):
        catalog.check("fcn", {"backbone": "vgg_16"})
    with pytest.raises(ModelError, match=r"one of 'resnet50', 'mobilenet_v2'\. .*Did you mean 'resnet50'\?$"):
        catalog.check("deeplabv3plus", {"backbone": "resnet"})


def test_the_number_of_classes_is_the_datasets() -> None:
    with pytest.raises(ModelError, match=r"no parameter 'num_classes': it follows from the dataset\. Remove it\.$"):
        catalog.check("fast", {"num_classes": 12})


def test_every_invalid_option_is_in_one_message_with_the_allowed_values() -> None:
    with pytest.raises(ModelError) as caught:
        catalog.check("fcn", {"dropuot": 0.1, "stride": 4, "head_width": True, "dropout": 1.5})
    message = str(caught.value)
    for part in (
        "'dropuot'. Did you mean 'dropout'?",
        "'stride' of model 'fcn' must be one of 8, 16, 32. Received: 4.",
        "'head_width' of model 'fcn' must be a whole number above 0. Received: True.",
        "'dropout' of model 'fcn' must be a number from 0 to below 1. Received: 1.5.",
        "head_width=4096",
    ):
        assert part in message


def test_the_parameters_are_not_listed_if_all_are_known() -> None:
    with pytest.raises(ModelError, match=r"Received: 4\.$"):
        catalog.check("fcn", {"stride": 4})


def test_a_network_is_rebuilt_without_its_initial_weights() -> None:
    options = {"weights": "gone.h5", "head_weights": "imagenet", "stride": 16}
    assert catalog.with_random_weights("fcn", options) == {"weights": "random", "head_weights": "random", "stride": 16}
    assert catalog.with_random_weights("fast", {"width": 8}) == {"width": 8}
    hashed = {"weights": "gone.h5", "weights_sha256": "0" * 64}
    catalog.check("fcn", catalog.with_random_weights("fcn", hashed))


def test_missing_weights_are_an_error_only_when_needed(tmp_path: Path) -> None:
    gone = {"weights": str(tmp_path / "gone.h5"), "head_weights": "imagnet"}
    catalog.check("fcn", gone)
    with pytest.raises(
        ModelError, match=r"'weights' .* and there is no file of that name\. Received: '.*gone"
    ) as error:
        catalog.require_weights("fcn", gone)
    assert str(error.value).endswith("Received: 'imagnet'. Did you mean 'imagenet'?")
    with pytest.raises(ModelError, match="no file of that name"):
        catalog.build("fcn", 2, gone)


@pytest.mark.parametrize("weights", ["random", "imagenet"])
def test_a_hash_without_a_file_is_refused(weights: str) -> None:
    with pytest.raises(ModelError, match=rf"'weights_sha256' .* is of a weights file, .* Received: '{weights}'"):
        catalog.check("segnet", {"weights": weights, "weights_sha256": "0" * 64})


def test_build_needs_a_class() -> None:
    with pytest.raises(ModelError, match="at least one class"):
        catalog.build("fast", 0)


def test_checking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from models import catalog; catalog.check('fcn', {'stride': 16}); "
        "print(sorted({'tensorflow', 'keras', 'numpy', 'h5py'} & set(sys.modules)))"
    )
    project = Path(__file__).parents[2]
    printed = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("annotation", "good", "bad", "words"),
    [
        ("bool", [True], [1, "yes"], "true or false"),
        ("int | None", [3, None, -1], [3.0, True, "3"], "a whole number or null"),
        ("Fraction", [0, 1, 0.5], [-0.1, 1.1, float("nan"), False], "a number from 0 to 1"),
        ("DropRate", [0, 0.5], [-0.1, 1, 1.0, float("nan")], "a number from 0 to below 1"),
        ("Literal['a', 'b']", ["a"], ["c", 1], "one of 'a', 'b'"),
        ("Literal[1]", [1], [True, 1.0], "1"),
        ("tuple[int, int]", [[1, -2]], [[1], [1, 2, 3], [1, "2"], 2], "a list of 2, each item a whole number"),
        ("tuple[Positive, ...]", [[1, 2], (3,), []], [[0], 3, ["a"]], "a list, each item a whole number above 0"),
    ],
)
def test_annotations(annotation: str, good: list, bad: list, words: str) -> None:
    tree = ast.parse(annotation, mode="eval").body
    assert typed_values.allowed(tree) == words
    assert all(typed_values.accepts(tree, value) for value in good)
    assert not any(typed_values.accepts(tree, value) for value in bad)


def test_an_unknown_annotation_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="dict"):
        typed_values.accepts(ast.parse("dict", mode="eval").body, {})
