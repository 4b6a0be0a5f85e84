"""The section that compares the data of this run with those of the served model."""

from pipeline.console.markup import escape
from pipeline.report import html
from pipeline.report.contents import Material


def drift(material: Material) -> str:
    """Every statistic that was compared, those beyond their limits first."""
    compared = material.drift
    if compared is None:
        return html.note("No model trained on other data was served, so there is nothing to compare.")
    rows = ""
    for one in compared["findings"]:
        texts = (escape(one[key]) for key in ("split", "what", "before", "now", "limit"))
        rows += html.row(*texts, html.badge(one["severity"], "passed" if one["severity"] == "ok" else "failed"))
    head = html.columns("Split", "What", "Before", "Now", "Limit", "Result", text=6)
    caption = f"This run's data compared with those of {compared['against']} (run {compared['run']})"
    return f'<div class="words">{html.table(caption, head, rows)}</div>'
