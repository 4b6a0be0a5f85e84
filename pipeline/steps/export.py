"""Export: write a trained model as a SavedModel, and prove that it is the model that was evaluated."""

import shutil
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from datasets.audit import BadFileError
from datasets.image_folder import raw_samples
from datasets.spec import DatasetSpec
from models import libraries, servable
from models.fit import Fit
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EVALUATE, INGEST, TRAIN
from pipeline.console import progress
from pipeline.console.quiet import quiet
from pipeline.errors import UserError
from pipeline.evaluation import confusion_metrics, image_counts
from pipeline.export import facts, formats, model_card, parity, raw_image, raw_parity
from pipeline.export.raw_parity import RawFile
from pipeline.input import examples
from pipeline.input.records import splits
from pipeline.training import trained_model
from pipeline.workspace import json_file

if TYPE_CHECKING:
    import keras


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Write saved_model/, parity.json and formats.json, which has a row for each format where there are several.

    Raises:
        GateError: One of `export.formats` is not as good as the evaluated model.
        ModelError: One of them cannot hold the network, or its library is missing.
        UserError: The SavedModel, loaded in a fresh process, gives other class maps than the evaluated model, or a raw
            file would be served with other pixels than those of its record.
    """
    metrics = json_file.read(inputs[EVALUATE] / "metrics.json")
    spec = DatasetSpec.read(inputs[INGEST] / "spec.json")
    model = trained_model.load(inputs[TRAIN], config.model, spec.num_classes)
    settings, records = config.export, inputs[INGEST] / "records"
    chosen = list(islice(examples.read(records, metrics["split"]), settings.parity_images))
    raw_files = _raw_files(records, chosen)
    _require_taken(chosen, raw_files, settings.max_pixels)
    module = servable.Servable(
        model,
        config.input.fitting,
        outputs=settings.outputs,
        max_pixels=settings.max_pixels,
        reading=raw_image.reading_of(spec),
    )
    images = raw_image.RawImages(raw_image.reading_of(spec), settings.max_pixels)
    raw = raw_parity.check(raw_files, images, module.decode, facts.of_files(spec, settings.max_pixels))
    raw_parity.require(raw)
    tf.saved_model.save(module, out / "saved_model", signatures=module.signatures())
    photos = _one_of_each_kind(raw_files, raw, chosen)[: settings.parity_images]
    result = {**_compare(model, out / "saved_model", chosen, photos, config, spec), "raw": raw}
    parity.require(result)
    json_file.write(out / "parity.json", result)
    rows = _formats(out / "saved_model", model, records, metrics["split"], config, spec.num_classes, result["share"])
    json_file.write(out / "formats.json", rows)
    metadata = facts.write(
        out / "saved_model",
        spec=spec,
        model=config.model,
        fit=config.input.fitting,
        metrics=confusion_metrics.brief(metrics),
        signatures=servable.describe_signatures(settings.outputs),
        formats=rows,
        max_pixels=settings.max_pixels,
    )
    card = model_card.text(metadata, settings.intended_use)
    (out / "saved_model" / model_card.FILE).write_text(card, encoding="utf-8")
    # The next model is compared with these counts, image by image.
    shutil.copyfile(inputs[EVALUATE] / image_counts.FILE, out / "saved_model" / facts.FILE.with_name(image_counts.FILE))
    weights = sum(int(tf.size(variable)) for variable in model.trainable_variables)
    for line in formats.lines(rows):
        print(f"export    {line}")
    print(
        f"export    parity: {result['different_pixels']:,} of {result['pixels']:,} pixels differ, {weights:,} weights"
    )
    print(f"export    {raw_parity.describe(raw)}")


def _formats(
    saved_model: Path,
    model: "keras.Model",
    records: Path,
    split: str,
    config: Recipe,
    num_classes: int,
    parity_share: float,
) -> list[dict[str, Any]]:
    """Write and measure the formats of `export.formats`."""
    settings, folder = config.export, (saved_model / facts.FILE).parent
    if not settings.formats:
        return []
    libraries.require(settings.formats)
    folder.mkdir()
    fit = config.input.fitting or Fit(formats.commonest_size(records, split))
    images = splits(records)[split]
    number = min(settings.format_images or images, images)
    # Both converters and the interpreter log on standard error.
    with progress.beside_logs("export", number) as shown, quiet():
        formats.write(folder, model, fit, settings.formats, records)
        rows = formats.measure(
            folder,
            saved_model,
            settings.formats,
            fit=fit,
            chosen=islice(examples.read(records, split), settings.format_images),
            evaluated=model,
            num_classes=num_classes,
            parity_images=settings.parity_images,
            parity_share=parity_share,
            counted=shown.add,
        )
    formats.require(rows, settings.max_drop)
    return rows


def _raw_files(records: Path, chosen: list[examples.Example]) -> list[RawFile]:
    """Return the raw files that ingest kept, or where records hold the raw files themselves, those of `chosen`."""
    samples = {(sample.split, sample.id): sample for sample in raw_samples.read(records / raw_samples.FOLDER)}
    if not samples:
        return [RawFile(example.id, _kind(example.encoded), example.encoded, example.image) for example in chosen]
    raw_files = []
    for split in sorted({split for split, _ in samples}):
        ids = {id_ for own, id_ in samples if own == split}
        for example in examples.read(records, split, ids=ids):
            sample = samples[split, example.id]
            raw_files.append(RawFile(sample.name, sample.kind, sample.content, example.image))
    return raw_files


def _one_of_each_kind(raw_files: list[RawFile], raw: dict[str, Any], chosen: list[examples.Example]) -> list[RawFile]:
    """Return the raw files on which class maps are compared: of each kind one that the signatures read."""
    encoded = {example.encoded for example in chosen}
    refused = {entry["file"] for entry in raw["refused"] if entry["by"] == raw_parity.SIGNATURES}
    readable = (file for file in reversed(raw_files) if file.name not in refused and file.content not in encoded)
    return list({file.kind: file for file in readable}.values())


def _kind(content: bytes) -> str:
    try:
        return raw_samples.kind(content)
    except BadFileError as error:  # the check itself says what is wrong
        return str(error.kind)


def _compare(
    model: "keras.Model",
    saved_model: Path,
    chosen: list[examples.Example],
    raw_files: list[RawFile],
    config: Recipe,
    spec: DatasetSpec,
) -> dict[str, Any]:
    """Run the SavedModel on images of the evaluated split and on raw files; compare with the model in memory."""
    # Where bands are chosen, a record no longer has those that a file must have.
    files = [None if spec.image_bands else example.encoded for example in chosen]
    images = [*(example.image for example in chosen), *(file.image for file in raw_files)]
    with tf.device("CPU:0"):  # as in the fresh process; see parity.ENVIRONMENT
        expected = [trained_model.class_map(model, image, config.input.fitting) for image in images]
    return parity.check(saved_model, [*files, *(file.content for file in raw_files)], images, expected)


def _require_taken(chosen: list[examples.Example], raw_files: list[RawFile], max_pixels: int) -> None:
    images = [(example.id, "of the evaluated split ", example.image) for example in chosen]
    images += [(file.name, "", file.image) for file in raw_files]
    for name, where, image in images:
        height, width = image.shape[:2]
        if height * width > max_pixels:
            raise UserError(
                f"export.max_pixels is {max_pixels:,}, and image {name!r} {where}has {width} x {height}: what is "
                "served would refuse the dataset's own images. Set export.max_pixels higher."
            )
