"""One step: the same on one device and on two, and independent of ignored pixels."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import auxiliary
from models.losses import catalog
from models.losses.total import Total, combine
from pipeline.errors import UserError
from pipeline.training import train_step, xla
from pipeline.training.train_step import make_update

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def results(ingested: Path) -> dict[str, Any]:
    """Results of one device and of two; see replicas.py."""
    script = Path(__file__).with_name("replicas.py")
    command = [sys.executable, str(script), str(ingested / "records")]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


ONE_AND_TWO = [
    ("one", "two"),
    ("one, clipped", "two, clipped"),
    ("one, whole", "one, in parts"),
    ("one, whole", "two, in parts"),
]


@pytest.mark.parametrize(("first", "second"), ONE_AND_TWO)
def test_devices_and_parts_change_nothing(results: dict[str, Any], first: str, second: str) -> None:
    """With ignored pixels, class weights, several losses, an auxiliary head, L2, shared normalisation, an average."""
    one, two = results[first], results[second]
    assert len(one["losses"]) == len(two["losses"]) == 20 and len(one["weights"]) == len(two["weights"]) > 5
    for mine, other in zip(one["losses"], two["losses"], strict=True):
        assert other == pytest.approx(mine, rel=1e-5, abs=1e-5)
    for kind in ("weights", "average"):
        for mine, other in zip(one[kind], two[kind], strict=True):
            np.testing.assert_allclose(other, mine, atol=1e-5)


def test_devices_with_statistics_of_their_own_continue_with_their_mean(results: dict[str, Any]) -> None:
    """Both halves have as many pixels, so the mean of their means is that of the batch. Gradients travel in 16 bits."""
    shared, own = results["two, clipped"], results["two, local"]
    for first, second in shared["statistics"] + own["statistics"]:
        assert first == second
    np.testing.assert_allclose(own["statistics"][0][0], shared["statistics"][0][0], atol=1e-4)
    for mine, other in zip(shared["weights"], own["weights"], strict=True):
        np.testing.assert_allclose(other, mine, atol=0.01)
    assert own["losses"] != shared["losses"]


def test_a_step_of_fast_sends_few_messages(results: dict[str, Any]) -> None:
    """Of its 25 normalisations one forward and one back each; weights of the loss, gradients, figures."""
    assert 3 < results["messages"] <= 53


def test_fused_steps_are_the_same_steps(results: dict[str, Any]) -> None:
    one, fused = results["one, clipped"], results["one, fused"]
    assert fused == one and fused["keys"] == [76, 77, 78, 79]
    one, fused = results["two, clipped"], results["two, fused"]  # the order in which replicas are summed varies
    assert fused["keys"] == one["keys"]
    for mine, other in zip(one["weights"], fused["weights"], strict=True):
        np.testing.assert_allclose(other, mine, atol=1e-6)


def test_devices_agree_within_the_precision_of_16_bits(results: dict[str, Any]) -> None:
    """The loss is scaled and the gradient clipped at its true length, on each device alike."""
    one, two, whole = (results[name] for name in ("one, float16", "two, float16", "one, clipped"))
    for mine, other, exact in zip(one["losses"], two["losses"], whole["losses"], strict=True):
        assert other == pytest.approx(mine, rel=1e-2, abs=1e-3)
        assert mine["gradient_norm"] == pytest.approx(exact["gradient_norm"], rel=0.05)
    for mine, other in zip(one["weights"], two["weights"], strict=True):
        np.testing.assert_allclose(other, mine, atol=2e-3)


def test_each_device_draws_its_own_dropout_mask(results: dict[str, Any]) -> None:
    (single,), (first, second) = results["one, dropped"], results["two, dropped"]
    assert first == single and single[:64] != single[64:] and set(single) == {0.0, 2.0}
    assert sum(mine != other for mine, other in zip(first, second, strict=True)) > 30


def test_clipping_takes_effect(results: dict[str, Any]) -> None:
    whole, clipped = (np.array(results[name]["weights"][0]) for name in ("one", "one, clipped"))
    norms = [figures["gradient_norm"] for figures in results["one, clipped"]["losses"]]
    assert max(norms) > 0.05 and not np.allclose(whole, clipped, atol=1e-3)


def test_the_average_lags_behind_the_weights(results: dict[str, Any]) -> None:
    steps, kernel, *_ = results["one"]["average"]
    assert steps == 20 and not np.allclose(kernel, results["one"]["weights"][0], atol=1e-4)


def test_every_part_is_reported_and_their_sum_is_the_loss(results: dict[str, Any]) -> None:
    for figures in results["two"]["losses"]:
        losses = {name: value for name, value in figures.items() if name.startswith("loss")}
        total, *parts = losses.values()
        names = [f"loss/{head}{name}" for head in ("", "head/") for name in catalog.names()]
        assert list(losses) == ["loss", *names, "loss/l2"]
        assert total == pytest.approx(sum(parts), rel=1e-5)
        assert figures["finite"] == 1 and figures["gradient_norm"] > 0 and figures["weight_norm"] > 0
    # All pixels of the last batch's first half are ignored, not those of the second.
    assert all(part > 0 for part in parts)


def test_two_replicas_and_one_device_have_equal_confusion_matrices(results: dict[str, Any]) -> None:
    for batches in ("confusion", "odd"):  # 3 images shared by 2 replicas: one is padded
        one, two = (np.array(results[name][batches]) for name in ("one", "two"))
        assert np.abs(one - two).sum() <= 2  # a pixel between two classes may be predicted as either
        assert one.sum() == two.sum() == np.array(results["one"]["confusion"]).sum()


@pytest.fixture
def model() -> keras.Model:
    images = keras.Input((None, None, 3))
    return keras.Model(images, keras.layers.Conv2D(3, 1)(keras.layers.Rescaling(1 / 255)(images)))


def one_step(model: keras.Model, batch: dict[str, np.ndarray], **settings: Any) -> float:
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    return float(make_update(model, optimizer, tf.distribute.get_strategy(), **settings)(batch)["loss"])


def random_batch() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"image": rng.integers(0, 256, (2, 8, 8, 3), np.uint8), "label": rng.integers(0, 3, (2, 8, 8), np.uint8)}


def test_the_loss_is_the_weighted_mean_and_a_step_lowers_it(model: keras.Model) -> None:
    batch, weights = random_batch(), [1.0, 0.5, 2.0]
    batch["label"][0, :4] = 255
    parts = Total(class_weights=weights)(model(batch["image"].astype(np.float32)), batch["label"])
    total, weight = parts["cross_entropy"][1]
    before = one_step(model, batch, class_weights=weights)
    assert before == pytest.approx(float(total / weight), rel=1e-5)
    assert one_step(model, batch, class_weights=weights) < before


def test_a_batch_of_ignored_pixels_changes_nothing(model: keras.Model) -> None:
    batch = random_batch()
    batch["label"][:] = 255
    before = [weight.numpy() for weight in model.weights]
    assert one_step(model, batch) == 0
    assert all((weight.numpy() == old).all() for weight, old in zip(model.weights, before, strict=True))


def test_ignored_pixels_have_no_influence(model: keras.Model) -> None:
    start = model.get_weights()
    batch = random_batch()
    batch["label"][:, ::2] = 255
    one_step(model, batch)
    after = model.get_weights()
    model.set_weights(start)
    batch["image"][:, ::2] = 0
    one_step(model, batch)
    for first, second in zip(after, model.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_pixel_weights_scale_the_loss(model: keras.Model) -> None:
    start, batch = model.get_weights(), random_batch()
    batch["weight"] = np.ones(batch["label"].shape, np.float32)
    batch["weight"][:, ::2] = 0
    first = one_step(model, batch)
    model.set_weights(start)
    batch["label"][:, ::2] = 255
    del batch["weight"]
    assert one_step(model, batch) == pytest.approx(first, rel=1e-6)


def test_an_auxiliary_head_is_trained_at_its_weight_and_removed_afterwards(model: keras.Model) -> None:
    head = keras.layers.Conv2D(3, 1, name="head")(model.layers[1].output)
    both = keras.Model(model.input, {"logits": model.output, "head": head})
    batch = random_batch()
    parts = Total()(both(batch["image"].astype(np.float32)), batch["label"])
    assert {name: factor for name, (factor, _) in parts.items()} == {"cross_entropy": 1, "head/cross_entropy": 0.4}
    expected = combine(parts, [sums[1] for _, sums in parts.values()])["loss"]
    before = both.get_layer("head").kernel.numpy()
    assert one_step(both, batch) == pytest.approx(float(expected), rel=1e-5)
    assert np.any(both.get_layer("head").kernel.numpy() != before)
    plain = auxiliary.without_heads(both)
    assert len(plain.variables) == 2 and auxiliary.without_heads(model) is model
    np.testing.assert_array_equal(plain(batch["image"]), both(batch["image"])["logits"])


def test_a_keras_that_sums_gradients_in_another_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_step, "SUMMING", "_no_such_method")
    two: Any = SimpleNamespace(num_replicas_in_sync=2)
    with pytest.raises(UserError, match=r"Keras 3.*`_no_such_method`.*train.strategy to 'one_device'"):
        make_update(keras.Sequential(), keras.optimizers.SGD(0.5), two)


def test_a_step_compiled_by_xla_is_the_same_step(model: keras.Model) -> None:
    start, batch, losses = model.get_weights(), random_batch(), []
    for compiled in (False, True):
        model.set_weights(start)
        losses.append([one_step(model, batch, jit_compile=compiled), *map(float, model.get_weights()[0].flat)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_xla_is_left_out_where_it_cannot_or_should_not_compile(
    model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(prepare: Any, size: int | None = 8) -> str | None:
        shapes = {"image": (2, size, 8, 3), "label": (2, size, 8)}
        spec = {name: tf.TensorSpec(shape, tf.uint8) for name, shape in shapes.items()}
        optimizer = keras.optimizers.SGD(0.5)
        optimizer.build(model.trainable_variables)
        update = make_update(model, optimizer, tf.distribute.get_strategy(), prepare=prepare, jit_compile=True)
        batches: Any = SimpleNamespace(element_spec=spec)
        return xla.obstacle(update, lambda: batches, 1)

    def by_python(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        image = tf.numpy_function(lambda image: image, [batch["image"]], tf.uint8)
        return {**batch, "image": tf.ensure_shape(image, batch["image"].shape)}

    assert "slower" in (chosen(dict) or "")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert chosen(dict) is None
    assert "differ in size" in (chosen(dict, size=None) or "")
    assert "XLA cannot compile the step" in (chosen(by_python) or "")
    two: Any = SimpleNamespace(num_replicas_in_sync=2)
    with pytest.raises(UserError, match=r"train\.jit_compile is true, and XLA cannot compile the messages between 2"):
        xla.make(True, pytest.fail, two, pytest.fail)
