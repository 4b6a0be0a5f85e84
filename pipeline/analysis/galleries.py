"""`segline browse --html`: the gallery of a split as it is labelled, or of a run's predictions on it."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from datasets.audit import lift_pillow_limit
from datasets.spec import DatasetSpec
from pipeline.config.step_names import INGEST
from pipeline.data import browser, statistics
from pipeline.drawing.page_template import counted
from pipeline.input import record_reader, records
from pipeline.report import gallery
from pipeline.report.gallery import Shown
from pipeline.workspace.run_folder import RunFolder


@lift_pillow_limit()  # ingest has refused images of more pixels than data.max_pixels allows
def of_split(ingest: Path, out: Path, *, split: str | None, class_name: str | None, count: int | None) -> int:
    """Write the gallery of a split's images and masks; imports no TensorFlow.

    Args:
        ingest: Folder of a finished ingest step.
        out: The gallery's folder.
        split: The split; None: train, or the first with images where train has none.
        class_name: Only images with this class; None: any images.
        count: Most images, evenly spread over the split, or those with the largest share of the class; None: all.

    Returns:
        The number of images.

    Raises:
        UserError: There is no such split or class, or nothing to show.
    """
    spec = DatasetSpec.read(ingest / "spec.json")
    split, chosen = browser.choose(ingest, spec, split=split, class_name=class_name, count=count)
    places = {choice.index for choice in chosen}

    def shown() -> Iterator[Shown]:
        every = (record for path in records.shards(ingest / "records", split) for record in record_reader.read(path))
        for place, record in enumerate(every):
            if place in places:
                image, truth = statistics.decode(record.image, "RGB"), statistics.decode(record.label, "L")
                yield Shown(record.id, record.group, image, truth)

    note = f"{counted(len(chosen), 'image')} with their masks. Ignored pixels are striped."
    return gallery.write(out, shown(), spec, title=f"{spec.shown_name}: {split}", note=note)


def of_run(run: RunFolder, out: Path, *, split: str | None, class_name: str | None, count: int | None) -> int:
    """Write the gallery of a run's predictions, and of the regions that make a mask suspect.

    Args:
        run: A run that has trained.
        out: The gallery's folder.
        split: The split; None: the one that the run evaluates.
        class_name: Only images whose mask shows this class; None: any images.
        count: Most images, the first of the split; None: all.

    Returns:
        The number of images.

    Raises:
        UserError: The run has not trained yet, or there is no such split or class.
    """
    from pipeline.analysis import suspects  # TensorFlow

    recipe, spec = run.recipe(), DatasetSpec.read(run.artifact(INGEST) / "spec.json")
    split = split or recipe.evaluate.split
    label = None if class_name is None else browser.require_class(spec, class_name)
    every = (one for one, _ in suspects.images(run, recipe, spec, (split,)))
    shown = (one for one in every if label is None or (one.truth == label).any())
    note = f"Run {run.id}, {recipe.model.name}: predictions beside the masks. Ignored pixels are striped."
    title = f"{spec.shown_name}: {split}, predicted"
    return gallery.write(out, islice(shown, count), spec, title=title, note=note)
