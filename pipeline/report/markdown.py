"""report.md: the metrics of a run, to paste into an issue or a paper's appendix."""

from pipeline.console.markup import code_block, literal
from pipeline.evaluation.gate import failures, outcome
from pipeline.evaluation.metric_text import dataset_name, number, share_of_pixels
from pipeline.report.contents import Material
from pipeline.report.metric_values import TOTALS


def markdown(material: Material) -> str:
    """Format the metrics, the gate and the lineage as Markdown."""
    metrics = material.metrics
    ranges = metrics["intervals"]["figures"]
    title = literal(f"{material.settings['model.name']} on {dataset_name(metrics)}")
    totals = [name for _, name, _ in TOTALS]
    lines = [
        f"# {title}",
        "",
        f"Recipe {material.recipe}, run {material.run}; {metrics['images']:,} images of {metrics['split']}, at their "
        "original size.",
        "",
        f"| metric | value | {metrics['intervals']['confidence']:.0%} interval |",
        "|---|---:|---|",
        *(f"| {name.replace('_', ' ')} | {number(metrics[name])} | {_interval(ranges.get(name))} |" for name in totals),
        f"| expected calibration error | {number(metrics['calibration']['ece'])} | |",
        f"| always {literal(str(metrics['majority_class']))}: mIoU | {number(metrics['majority_baseline_miou'])} | |",
        "",
        "| class | IoU | interval | precision | recall | F1 | pixels |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for row in metrics["per_class"]:
        interval = _interval(ranges.get(f"iou/{row['name']}"))
        others = " | ".join(number(row[key]) for key in ("precision", "accuracy", "f1"))
        lines.append(f"| {literal(row['name'])} | {number(row['iou'])} | {interval} | {others} | {row['pixels']:,} |")
    for name, result in metrics["protocols"].items():
        lines += ["", f"## {name}", "", "| metric | value |", "|---|---:|"]
        lines += [f"| {title.replace('_', ' ')} | {number(value)} |" for title, value in result["figures"].items()]
    return "\n".join([*lines, *_slices(material), *_formats(material), *_gate(material), *_lineage(material)]) + "\n"


def _slices(material: Material) -> list[str]:
    rows = [
        f"| {literal(row['group'])} | {row['images']:,} | {number(row['miou'])} | "
        f"{_interval(row['interval'])} | {number(row['pixel_accuracy'])} |"
        for row in material.metrics["slices"]
    ]
    head = ["| group | images | mIoU | interval | pixel accuracy |", "|---|---:|---:|---|---:|"]
    return ["", "## Slices", "", *head, *rows]


def _formats(material: Material) -> list[str]:
    if not material.formats:
        return []
    rows = [
        f"| {row['format']} | {row['megabytes']:.2f} | {row['milliseconds']:.1f} | {number(row['miou'])} | "
        f"{share_of_pixels(row['different_pixels'])} |"
        for row in material.formats
    ]
    head = "| format | MB | ms an image, CPU | mIoU | pixels that differ |"
    return ["", "## Exported formats", "", head, "|---|---:|---:|---:|---:|", *rows]


def _gate(material: Material) -> list[str]:
    verdict = material.verdict
    if not verdict:
        return []
    failed = [f"- {literal(line)}" for line in failures(verdict)]
    note = [verdict["note"]] if verdict["note"] else []
    return ["", f"## Gate: {outcome(verdict)}", "", *note, *failed]


def _lineage(material: Material) -> list[str]:
    rows = [
        f"| {one.step} | {literal(one.uri)} | `{one.digest[:16]}` | {literal(one.run)} |" for one in material.artifacts
    ]
    head = ["", "## Lineage", "", code_block(material.command, ""), "", literal(material.code), ""]
    return [*head, "| step | artifact | contents | run |", "|---|---|---|---|", *rows]


def _interval(interval: list[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
