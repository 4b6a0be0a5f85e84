"""report.html. A section is a template of templates/sections/, a function that gives its values, a line in SECTIONS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.drawing import page_template
from pipeline.evaluation.inference_text import describe
from pipeline.evaluation.metric_text import dataset_name, number, share_of_pixels
from pipeline.report import contents, data_values, metric_values, run_values
from pipeline.report.contents import Material
from pipeline.report.markdown import markdown
from pipeline.workspace.digest import write_atomically
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder

HTML, MARKDOWN = "report.html", "report.md"

TEMPLATES = Path(__file__).with_name("templates")

Values = Callable[[Material], Mapping[str, Any]]


@dataclass(frozen=True)
class Section:
    """A section of the report: its title, and the function that gives the values of its template."""

    title: str
    values: Values

    @property
    def anchor(self) -> str:
        """Its address in the page, and the name of its template."""
        return self.title.lower().replace(" ", "-")


SECTIONS = (
    Section("Result", metric_values.result),
    Section("Classes", metric_values.classes),
    Section("Images", run_values.images),
    Section("Confused classes", metric_values.confused),
    Section("Confusion matrix", metric_values.confusion),
    Section("Slices", metric_values.slices),
    Section("Calibration", metric_values.calibration),
    Section("Protocols", metric_values.protocols),
    Section("Training", run_values.training),
    Section("Data", data_values.data),
    Section("Data drift", data_values.drift),
    Section("Speed and size", run_values.speed),
    Section("What was run", run_values.run),
)


def write(workspace: Workspace, run: RunFolder) -> None:
    """Write report.html and report.md into the folder of a run whose evaluate step is done."""
    material = contents.read(workspace, run)
    write_atomically(run.path / HTML, page(material))
    write_atomically(run.path / MARKDOWN, markdown(material))


def page(material: Material) -> str:
    """Return the report as HTML: one file that needs no network, and without its script shows all but the slider."""
    metrics, shared = material.metrics, page_template.SHARED
    values = {
        "title": f"{material.settings['model.name']} on {dataset_name(metrics)}",
        "metrics": metrics,
        "material": material,
        "inference": describe(metrics["inference"]),
        "style": page_template.texts(shared / "page.css", TEMPLATES / "report.css") + page_template.heat_rules(),
        "script": page_template.texts(shared / "viewer.js", TEMPLATES / "report.js"),
        "images": "data:",
        "sections": [(section, section.values(material)) for section in SECTIONS],
        "number": number,
        "share_of_pixels": share_of_pixels,
        "interval": interval,
    }
    return str(page_template.render(TEMPLATES, "report.html.j2", values))


def interval(ends: tuple[float, float] | None) -> str:
    """Return an interval in words; "" for None."""
    return "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"
