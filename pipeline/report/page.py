"""report.html. A section is a function from Material to HTML, and one line in SECTIONS."""

from collections.abc import Callable

from pipeline.console.markup import escape
from pipeline.evaluation.inference_text import describe
from pipeline.evaluation.metric_text import dataset_name
from pipeline.report import contents, drift_section, metric_sections, run_sections
from pipeline.report.contents import Material
from pipeline.report.markdown import markdown
from pipeline.report.style import PAGE, STYLE
from pipeline.workspace.digest import write_atomically
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder

HTML, MARKDOWN = "report.html", "report.md"

SECTIONS: tuple[tuple[str, Callable[[Material], str]], ...] = (
    ("Result", metric_sections.result),
    ("Classes", metric_sections.classes),
    ("Images", run_sections.images),
    ("Confused classes", run_sections.confused),
    ("Confusion matrix", metric_sections.confusion),
    ("Slices", metric_sections.slices),
    ("Calibration", metric_sections.calibration),
    ("Protocols", metric_sections.protocols),
    ("Data drift", drift_section.drift),
    ("Training", run_sections.training),
    ("Speed and size", run_sections.speed),
    ("What was run", run_sections.run),
)


def write(workspace: Workspace, run: RunFolder) -> None:
    """Write report.html and report.md into the folder of a run whose evaluate step is done."""
    material = contents.read(workspace, run)
    write_atomically(run.path / HTML, page(material))
    write_atomically(run.path / MARKDOWN, markdown(material))


def page(material: Material) -> str:
    """Return the report as HTML: one file that needs no network and no script."""
    metrics = material.metrics
    links, bodies = [], []
    for title, section in SECTIONS:
        anchor = title.lower().replace(" ", "-")
        links.append(f'<li><a href="#{anchor}">{title}</a></li>')
        bodies.append(
            f'<section id="{anchor}" aria-labelledby="{anchor}-h"><h2 id="{anchor}-h">{title}</h2>'
            f"{section(material)}</section>"
        )
    return PAGE.substitute(
        title=escape(f"{material.settings['model.name']} on {dataset_name(metrics)}"),
        subtitle=escape(
            f"Recipe {material.recipe}, run {material.run}. Measured on {metrics['images']:,} "
            f"image{'s' * (metrics['images'] != 1)} of the {metrics['split']} split at their original size, "
            f"{describe(metrics['inference'])}."
        ),
        style=STYLE,
        navigation="".join(links),
        body="\n".join(bodies),
    )
