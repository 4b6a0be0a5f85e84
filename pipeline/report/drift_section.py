"""The section that compares the data of this run with those of the served model."""

from html import escape

from pipeline.report import html
from pipeline.report.contents import Material


def drift(material: Material) -> str:
    """Every statistic that was compared, those beyond their limits first."""
    compared = material.drift
    if compared is None:
        return html.note("No model trained on other data was served, so there is nothing to compare.")
    rows = "".join(
        html.row(
            escape(one["split"]),
            escape(one["what"]),
            escape(one["before"]),
            escape(one["now"]),
            escape(one["limit"]),
            f'<span class="{"passed" if one["severity"] == "ok" else "failed"}">{one["severity"]}</span>',
        )
        for one in compared["findings"]
    )
    head = html.columns("Split", "What", "Before", "Now", "Limit", "Result", text=6)
    caption = f"This run's data compared with those of {compared['against']} (run {compared['run']})"
    return f'<div class="words">{html.table(caption, head, rows)}</div>'
