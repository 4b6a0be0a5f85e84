"""The section that holds the data of this run against those of the served model."""

from html import escape

from pipeline.report import html
from pipeline.report.contents import Material


def drift(material: Material) -> str:
    """Every figure that was compared, what passed its limit first."""
    found = material.drift
    if found is None:
        return html.note("There was no served model that learned from other data, so there is nothing to compare.")
    rows = "".join(
        html.row(
            escape(one["split"]),
            escape(one["what"]),
            escape(one["before"]),
            escape(one["now"]),
            escape(one["limit"]),
            f'<span class="{"passed" if one["severity"] == "ok" else "failed"}">{one["severity"]}</span>',
        )
        for one in found["findings"]
    )
    head = html.columns("Split", "What", "Before", "Now", "Limit", "Result", text=6)
    caption = f"This run's data beside those of {found['against']} (run {found['run']})"
    return f'<div class="words">{html.table(caption, head, rows)}</div>'
