"""One self-contained HTML file: sections of text, tables, code and charts.

Nothing is fetched from elsewhere, and the page's own policy forbids it: style, Vega and the charts'
data are inlined once. Charts follow the reader's light or dark setting and the width of the screen.
Whatever comes from outside (names of proteins, tasks, runs) is escaped here.

::

    page = Page("Structure helps", "deeploc_binary, 5 seeds")
    page.section("Scores")
    page.table(["structure", "accuracy"], [["none", 0.83], ["both", 0.86]])
    page.chart(chart, "Accuracy with 95 % intervals.")
    page.write(folder / "report.html")
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..provenance import without_nan
from ..store.atomic_files import replace_file
from .figures import Chart, theme, vega_script

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:"
)
"""The page fetches nothing; Vega compiles its expressions, which needs eval."""


class Page:
    """A page being written, from top to bottom.

    Parameters
    ----------
    title : str
        Heading, and title of the browser's tab.
    subtitle : str
        A line under it.
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title, self.subtitle = title, subtitle
        self._sections: list[tuple[str, list[str]]] = [("", [])]
        self._charts: list[dict[str, Any]] = []
        self._endings: dict[str, None] = {}

    def section(self, title: str, text: str = "") -> None:
        """Begin a section; all that follows belongs to it."""
        self._sections.append((title, []))
        if text:
            self.text(text)

    def heading(self, title: str) -> None:
        """Add a smaller heading within the section."""
        self.html(f"<h3>{escape(title)}</h3>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self.html(f"<p>{escape(text)}</p>")

    def caution(self, text: str) -> None:
        """Add a paragraph that must not be overlooked."""
        self.html(f'<p class="caution">{escape(text)}</p>')

    def note(self, text: str) -> None:
        """Add a paragraph in small print."""
        self.html(f'<p class="note">{escape(text)}</p>')

    def figures(self, values: Mapping[str, str]) -> None:
        """Add the few numbers that matter most, large: name to what it is."""
        pairs = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
            for name, value in values.items()
        )
        self.html(f'<dl class="figures">{pairs}</dl>')

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str = "") -> None:
        """Add a table.

        Parameters
        ----------
        columns : sequence of str
            Heads.
        rows : sequence of sequences
            Cells: text, or numbers, which stand right; None is a dash.
        note : str
            In small print under it.
        """
        right = [
            bool(rows) and all(isinstance(row[i], int | float | None) for row in rows)
            for i in range(len(columns))
        ]
        marks = [' class="n"' if numeric else "" for numeric in right]
        head = "".join(
            f"<th scope=col{m}>{escape(c)}</th>" for c, m in zip(columns, marks, strict=True)
        )
        body = "".join(
            "<tr>"
            + "".join(f"<td{m}>{escape(cell(v))}</td>" for v, m in zip(row, marks, strict=True))
            + "</tr>"
            for row in rows
        )
        self.html(
            f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
            "</div>"
        )
        if note:
            self.note(note)

    def chart(self, chart: Chart, caption: str = "") -> None:
        """Add a chart; a single or layered one is as wide as the page.

        Parameters
        ----------
        chart : altair chart
            Its height, if it has one, a number of pixels: with a step Vega-Lite warns.
        caption : str
            What it shows, with units.
        """
        spec = chart.to_dict()
        spec.pop("config", None)
        if not {"hconcat", "vconcat", "concat", "facet", "repeat"} & spec.keys():
            spec.setdefault("width", "container")
            spec.setdefault("autosize", {"type": "fit-x", "contains": "padding"})
        self._charts.append(spec)
        self.html(
            f'<figure><div class="chart" data-chart="{len(self._charts) - 1}" role="img" '
            f'aria-label="{escape(caption)}"></div><figcaption>{escape(caption)}</figcaption>'
            "</figure>"
        )

    def code(self, text: str) -> None:
        """Add text to copy: a command, or a paragraph for a paper."""
        self.html(
            f'<div class="copied"><pre>{escape(text)}</pre>'
            '<button type="button" class="copy">Copy</button></div>'
        )

    def html(self, markup: str) -> None:
        """Add HTML whose parts from outside are escaped already."""
        self._sections[-1][1].append(markup)

    def once(self, markup: str) -> None:
        """Add HTML that stands at the page's end, once however often it is added: a script."""
        self._endings[markup] = None

    def render(self, nonce: str = "") -> str:
        """Return the whole document.

        Parameters
        ----------
        nonce : str
            Of a server whose header says the policy: style and script carry it. Without, the
            document says its own.

        Raises
        ------
        MissingExtraError
            The page has charts, and the extra ``[report]`` is not installed.
        """
        style, script = (asset(f"page.{kind}") for kind in ("css", "js"))
        mark = f' nonce="{nonce}"' if nonce else ""
        policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{"" if nonce else policy}<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(self.title)} · sesstore</title>
<link rel="icon" href="data:,">
<style{mark}>{style}</style>
</head>
<body>
<header><h1>{escape(self.title)}</h1><p>{escape(self.subtitle)}</p></header>
{self._contents()}
<main>
{self._body()}
</main>
{self._vega()}
<script{mark}>{script}</script>
{"".join(self._endings)}
</body>
</html>
"""

    def write(self, path: Path) -> Path:
        """Write the document in one step; raises as `render`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, self.render().encode())
        return path

    def _contents(self) -> str:
        links = [
            f'<a href="#s{i}">{escape(title)}</a>'
            for i, (title, _) in enumerate(self._sections)
            if title
        ]
        return f'<nav aria-label="Contents">{"".join(links)}</nav>' if len(links) > 2 else ""

    def _body(self) -> str:
        sections = []
        for i, (title, parts) in enumerate(self._sections):
            if title or parts:
                head = f"<h2>{escape(title)}</h2>" if title else ""
                sections.append(f'<section id="s{i}">{head}{"".join(parts)}</section>')
        return "\n".join(sections)

    def _vega(self) -> str:
        if not self._charts:
            return ""
        looks = {"light": {**theme(), "background": "transparent"}, "dark": theme(dark=True)}
        # JSON knows no NaN: one value of a chart that is none would leave all charts undrawn.
        values = without_nan({"looks": looks, "charts": self._charts})
        data = escape_json(json.dumps(values, allow_nan=False))
        return (
            f"<script>{vega_script()}</script>\n"
            f'<script type="application/json" id="charts">{data}</script>'
        )


def cell(value: Any) -> str:
    """Text of a table's cell: four digits, thousands apart, a dash for None."""
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.1f}"
    return str(value)


def escape_json(text: str) -> str:
    """JSON as it can stand inside a script: no "</script>" in it, as < may be an escape."""
    return text.replace("<", "\\u003c")


def asset(name: str) -> str:
    """Text of a style or script of this room."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
