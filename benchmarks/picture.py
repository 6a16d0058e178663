"""One picture of the results: a panel for each workload, a bar for each line. Plain SVG, no library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

WIDTH, LABEL, BAR, HEAD, ROOM = 860, 190, 20, 34, 14  # pixels
LONGEST = WIDTH - LABEL - 230
COLOURS = {"by hand": "#8a8f98", "consumers": "#1f77b4", "whole run": "#2a9d6f"}
TITLES = {
    "fresh": "into an empty table",
    "all": "every row has changed",
    "one_percent": "1 % of the rows have changed",
    "none": "nothing has changed",
}
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#57606a}"
    ".title{font-weight:600;font-size:14px}.limit{stroke:#d1495b;stroke-dasharray:4 3}"
)


def draw(results: Sequence[dict[str, Any]]) -> str:
    """SVG of results as the JSON file has them."""
    panels = list(panels_of(results))
    height = sum(HEAD + BAR * len(panel) + ROOM for panel in panels)
    parts, top = [], 0
    for panel in panels:
        parts.append(f'<g transform="translate(0 {top})">{"".join(bars(panel))}</g>')
        top += HEAD + BAR * len(panel) + ROOM
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    return f"{head}<title>Rows a second</title><style>{STYLE}</style>{''.join(parts)}</svg>\n"


def panels_of(results: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The measured lines of each workload, in the order of measuring."""
    workloads = {tuple(result["workload"].values()): result["workload"] for result in results}
    for workload in workloads.values():
        panel = [result for result in results if result["workload"] == workload and "runs" in result]
        if panel:
            yield panel


def bars(panel: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Title, bars, and where the reference ends."""
    workload = panel[0]["workload"]
    longest = max(result["rows_per_s"] for result in panel) or 1
    about = f"{workload['rows']:,} rows, {workload['shape']}, {workload['indexes']} indexes"
    yield f'<text class="title" x="0" y="20">{escape(about)}: {TITLES[workload["change"]]}</text>'
    for place, result in enumerate(panel):
        top = HEAD + BAR * place
        length = max(1, round(LONGEST * result["rows_per_s"] / longest))
        colour = COLOURS.get(result["group"], "#b08900")
        ratio = f" · {result['ratio']:.2f}" if result["ratio"] is not None else ""
        yield f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(result["line"])}</text>'
        yield f'<rect x="{LABEL}" y="{top + 3}" width="{length}" height="{BAR - 6}" fill="{colour}"/>'
        yield f'<text x="{LABEL + length + 6}" y="{top + 14}">{result["rows_per_s"]:,}/s{ratio}</text>'
    reference = next((result for result in panel if result["line"] == result["reference"]), None)
    if reference:
        x = LABEL + round(LONGEST * reference["rows_per_s"] / longest)
        yield f'<line class="limit" x1="{x}" x2="{x}" y1="{HEAD}" y2="{HEAD + BAR * len(panel)}"/>'
