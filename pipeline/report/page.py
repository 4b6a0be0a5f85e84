"""The whole report. A section is a function from Material to HTML, and one line in SECTIONS."""

from collections.abc import Callable
from html import escape

from pipeline.digest import write_atomically
from pipeline.evaluation.looking import looked
from pipeline.report import drift, findings, material, story
from pipeline.report.markdown import markdown
from pipeline.report.material import Material
from pipeline.report.style import PAGE, STYLE
from pipeline.run_folder import RunFolder
from pipeline.workspace import Workspace

HTML, MARKDOWN = "report.html", "report.md"

SECTIONS: tuple[tuple[str, Callable[[Material], str]], ...] = (
    ("Result", findings.result),
    ("Classes", findings.classes),
    ("Images", story.images),
    ("Confused classes", story.confused),
    ("Confusion matrix", findings.confusion),
    ("Slices", findings.slices),
    ("Calibration", findings.calibration),
    ("Protocols", findings.protocols),
    ("Data over time", drift.drift),
    ("Training", story.training),
    ("Speed and size", story.speed),
    ("What was run", story.run),
)


def write(workspace: Workspace, run: RunFolder) -> None:
    """Write report.html and report.md into a run's folder, whose evaluate step is done."""
    found = material.read(workspace, run)
    write_atomically(run.path / HTML, page(found))
    write_atomically(run.path / MARKDOWN, markdown(found))


def page(found: Material) -> str:
    """Make the report's HTML: one file that needs no network and no script."""
    metrics = found.metrics
    links, bodies = [], []
    for title, section in SECTIONS:
        anchor = title.lower().replace(" ", "-")
        links.append(f'<li><a href="#{anchor}">{title}</a></li>')
        bodies.append(
            f'<section id="{anchor}" aria-labelledby="{anchor}-h"><h2 id="{anchor}-h">{title}</h2>'
            f"{section(found)}</section>"
        )
    return PAGE.substitute(
        title=escape(f"{found.settings['model.name']} on {metrics['dataset']}"),
        subtitle=escape(
            f"Recipe {found.recipe}, run {found.run}. Measured on {metrics['images']:,} images of the "
            f"{metrics['split']} split at their original size, {looked(metrics['inference'])}."
        ),
        style=STYLE,
        navigation="".join(links),
        body="\n".join(bodies),
    )
