"""A training with `train.begin_with`: its first validation, and the precedence of a checkpoint."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import catalog, metrics, weights
from pipeline.config.recipe import Recipe
from pipeline.evaluation import scoring
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.training import initial_weights
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.job import Job
from pipeline.training.recipe_job import make_job
from pipeline.training.trainer import Trainer

TINY = str(Path(__file__).parents[2] / "tiny.yaml")


@pytest.fixture
def before(tmp_path: Path) -> tuple[keras.Model, Path]:
    """A network of CamVid's 11 classes, and the file of its weights."""
    keras.utils.set_random_seed(7)
    model = catalog.build("fast", 11, {"width": 8})
    weights.save(model, tmp_path / "before.h5")
    return model, tmp_path / "before.h5"


def job(ingested: Path, validated: Path, *settings: str) -> Job:
    keras.utils.set_random_seed(0)
    config = load_recipe(TINY, ["data.manual_dir=unused", *settings]).only(("input", "model", "train"))
    inputs = {"ingest": ingested, "validate": validated}
    return make_job(config, inputs, 2, tf.distribute.OneDeviceStrategy("/cpu:0"))


def of(model: str, options: object, *settings: str) -> Recipe:
    chosen = [f"model.name={model}", f"model.options={options}", "data.manual_dir=unused"]
    return load_recipe(TINY, [*chosen, *settings])


def test_its_first_validation_equals_that_of_the_earlier_network(
    before: tuple[keras.Model, Path], ingested: Path, validated: Path
) -> None:
    model, file = before
    fine_tuning = job(ingested, validated, f"train.begin_with={file}", "train.ema=0.9")
    assert fine_tuning.loaded_weights == f"begins with {file}: all {len(model.weights)} arrays"
    batches = scoring.Scorer(model, 11, None).batches(ingested / "records", "val", batch_size=4)
    expected = sum(batch.confusion.sum(axis=0) for batch in batches)
    assert fine_tuning.validate and fine_tuning.average
    with fine_tuning.average.in_place():
        validation = fine_tuning.validate(lambda: None)
    assert validation.miou == pytest.approx(metrics.mean_iou(expected), abs=1e-9)


def test_a_checkpoint_takes_precedence(
    before: tuple[keras.Model, Path], ingested: Path, validated: Path, tmp_path: Path
) -> None:
    setting, checkpoints = f"train.begin_with={before[1]}", Checkpoints(tmp_path / "checkpoints")
    first = Trainer(job(ingested, validated, setting), checkpoints, tmp_path)
    first.job.model.get_layer("logits").bias.assign(np.arange(11.0))
    first._save()
    again = Trainer(job(ingested, validated, setting), checkpoints, tmp_path)
    np.testing.assert_array_equal(again.job.model.get_layer("logits").bias, np.arange(11.0))


def test_other_classes_keep_the_random_weights_of_auxiliary_heads_too(tmp_path: Path) -> None:
    narrow = {"width": 8, "head_width": 8}
    trained = catalog.build("ddrnet", 5, narrow)
    weights.save(trained, tmp_path / "ddrnet.h5")
    model, message = initial_weights.build(of("ddrnet", narrow, f"train.begin_with={tmp_path / 'ddrnet.h5'}"), 3)
    assert message.endswith(f": {len(model.weights) - 4} of {len(model.weights)} arrays; as drawn: auxiliary, logits")
    assert model.get_layer("logits").kernel.shape[-1] == 3
    ours, theirs = (each.get_layer("auxiliary_hidden_conv").kernel for each in (model, trained))
    np.testing.assert_array_equal(ours, theirs)


def test_the_initial_weights_of_the_backbone_are_not_downloaded(
    before: tuple[keras.Model, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"backbone": "resnet50", "weights": "imagenet"}
    frozen = "train.backbone={frozen_epochs: all}"
    calls = []
    monkeypatch.setattr(catalog, "build", lambda *arguments, **more: calls.append(arguments) or before[0])
    initial_weights.build(of("unet_backbone", options, f"train.begin_with={before[1]}", frozen), 11)
    assert calls == [("unet_backbone", 11, options | {"weights": "random"})]
