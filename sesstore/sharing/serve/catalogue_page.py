"""The catalogue page: one self-contained HTML document, nothing fetched from elsewhere.

Everything stored is escaped: names of tasks, encoders and proteins come from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

from ...memory import size

_WIDTH, _HEIGHT = 560, 120


def catalogue_page(stores: dict[str, dict[str, Any]], base: str, nonce: str, guarded: bool) -> str:
    """Return the page.

    Parameters
    ----------
    stores : dict of str to dict
        What `catalogue.contents` says of each, by name.
    base : str
        Address the server is reached at.
    nonce : str
        For the policy that lets this page's own script and style in, and no other.
    guarded : bool
        Whether a token is needed.
    """
    style, script = (_text(f"catalogue.{kind}") for kind in ("css", "js"))
    body = "\n".join(
        line for name, summary in stores.items() for line in _store(name, summary, base, guarded)
    )
    title = " · ".join(stores) or "nothing here"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · sesstore</title>
<link rel="icon" href="data:,">
<style nonce="{nonce}">{style}</style>
</head>
<body>
<header><h1>sesstore</h1><p>Per-residue embeddings, structure tokens and labelled tasks. Every
file here is checked on arrival by <code>sesstore pull</code>.</p></header>
<main>
{body}
</main>
<script nonce="{nonce}">{script}</script>
</body>
</html>
"""


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _store(name: str, summary: dict[str, Any], base: str, guarded: bool) -> Iterator[str]:
    url = f"{base}/{name}"
    yield f'<section class="store" data-store="{escape(name)}"><h2>{escape(name)}</h2>'
    yield '<dl class="figures">'
    for label, figure in _figures(summary):
        yield f"<div><dt>{label}</dt><dd>{figure}</dd></div>"
    yield "</dl>"
    if summary.get("damaged"):
        yield (
            f"<p class=hint>{summary['damaged']:,} of its parts are damaged and not shown here. "
            f"Whoever keeps it can run <code>sesstore repair</code>.</p>"
        )
    yield _command(f"sesstore pull {url}")
    if guarded:
        yield (
            "<p class=hint>A token is needed: put yours into a file and "
            "<code>export SESSTORE_TOKEN_FILE=that-file</code> before you pull.</p>"
        )
    yield from _search(name)
    yield from _encoders(summary, url)
    yield from _sources(summary)
    yield from _tasks(summary, url)
    if summary["histogram"]["counts"]:
        yield "<h3>Lengths of all proteins</h3>"
        yield histogram_svg(summary["histogram"])
    yield "</section>"


def _figures(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "sequences", f"{summary['proteins']:,}"
    yield "encoders", f"{len(summary['encoders']):,}"
    yield "embeddings", f"{sum(e['proteins'] for e in summary['encoders']):,}"
    yield "tasks", f"{len(summary['tasks']):,}"
    yield "size", size(summary["bytes"])


def _search(name: str) -> Iterator[str]:
    field = f"q-{escape(name)}"
    yield (
        f'<form class="search" role="search"><label for="{field}">Find a protein</label>'
        f'<div><input id="{field}" type="search" name="q" autocomplete="off" spellcheck="false" '
        f'placeholder="id, digest or whole sequence"><button>Search</button></div>'
        f'<div class="results" aria-live="polite"></div></form>'
    )


def _encoders(summary: dict[str, Any], url: str) -> Iterator[str]:
    if not summary["encoders"]:
        return
    yield "<h3>Embeddings</h3>"
    columns = ("encoder", "fingerprint", "width", "type", "proteins", "residues", "size", "licence")
    yield _head(columns)
    for e in summary["encoders"]:
        provenance = e["provenance"]
        imported = provenance["fingerprint"].get("imported_from")
        mark = f' <span class="mark">imported from {escape(imported)}</span>' if imported else ""
        yield (
            f"<tr><td>{escape(e['encoder'])}{mark}</td><td><code>{escape(e['fingerprint'])}</code>"
            f"</td><td class=n>{provenance['dim']:,}</td><td>{escape(provenance['dtype'])}</td>"
            f"<td class=n>{e['proteins']:,}</td><td class=n>{e['residues']:,}</td>"
            f"<td class=n>{size(e['bytes'])}</td>"
            f"<td>{escape(provenance['licence'] or 'not stated')}</td></tr>"
        )
    yield "</tbody></table></div>"
    if len(summary["encoders"]) > 1:
        yield _command(f"sesstore pull {url} --plm {_plain_name(summary['encoders'])}")


def _plain_name(encoders: list[dict[str, Any]]) -> str:
    """What `pull --plm` calls the first encoder: its name, where that is clear and plain."""
    name = encoders[0]["encoder"]
    alike = [e for e in encoders if e["encoder"].lower().startswith(name.lower())]
    clear = len(alike) == 1 and all(c.isalnum() or c in "._-" for c in name)
    return str(name if clear else encoders[0]["fingerprint"])


def _sources(summary: dict[str, Any]) -> Iterator[str]:
    if not summary["sources"]:
        return
    yield "<h3>Structure tokens</h3>"
    yield _head(("source", "proteins", "3Di", "DSSP", "pLDDT", "others", "made by"))
    usual = ("foldseek", "dssp", "plddt")
    for s in summary["sources"]:
        counts = "".join(f"<td class=n>{s['counts'].get(kind, 0):,}</td>" for kind in usual)
        other_counts = ", ".join(f"{n} {c:,}" for n, c in s["counts"].items() if n not in usual)
        yield (
            f"<tr><td>{escape(s['source'])}</td><td class=n>{s['proteins']:,}</td>{counts}"
            f"<td>{escape(other_counts) or '-'}</td>"
            f"<td>{escape(s['tool'] or 'not stated')}</td></tr>"
        )
    yield "</tbody></table></div>"


def _tasks(summary: dict[str, Any], url: str) -> Iterator[str]:
    if not summary["tasks"]:
        return
    yield "<h3>Tasks</h3>"
    labels = {e["fingerprint"]: e["encoder"] for e in summary["encoders"]}
    for task in summary["tasks"]:
        name = task["name"]
        rows = ", ".join(f"{escape(k)} {v:,}" for k, v in task["splits"].items())
        yield f'<article class="task" data-task="{escape(name)}"><h4>{escape(name)}</h4>'
        yield (
            f"<p>{escape(task['problem'].replace('_', ' '))}{_classes(task)}; rows: {rows} "
            f"({task['proteins']:,} proteins)</p>"
        )
        yield '<ul class="coverage" aria-label="Share of its proteins that have">'
        for fingerprint, share in task["coverage"]["encoders"].items():
            yield _bar(f"{labels[fingerprint]}", share)
        for source, share in task["coverage"]["sources"].items():
            yield _bar(f"tokens of {source}", share)
        yield "</ul>"
        yield _command(f"sesstore pull {url} --task {name}")
        if task["citation"]:
            yield f"<p class=hint>Please cite: {escape(task['citation'])}</p>"
        yield from _map(summary, task)
        yield "</article>"


def _classes(task: dict[str, Any]) -> str:
    return "" if task["problem"].endswith("regression") else f", {task['classes']:,} classes"


def _map(summary: dict[str, Any], task: dict[str, Any]) -> Iterator[str]:
    able = [e for e in summary["encoders"] if task["coverage"]["encoders"].get(e["fingerprint"])]
    if not able:
        return
    options = "".join(
        f'<option value="{escape(e["fingerprint"])}">{escape(e["encoder"])}</option>' for e in able
    )
    yield (
        f'<details class="map"><summary>Map and lengths</summary><label>Encoder <select>{options}'
        f'</select></label><div class="drawing"></div></details>'
    )


def _bar(label: str, share: float) -> str:
    return (
        f'<li><span>{escape(label)}</span><meter min="0" max="1" value="{share:.4f}"></meter>'
        f"<span class=n>{share:.0%}</span></li>"
    )


def _head(columns: tuple[str, ...]) -> str:
    cells = "".join(f"<th scope=col>{column}</th>" for column in columns)
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>'


def _command(text: str) -> str:
    return (
        f'<div class="command"><code>{escape(text)}</code>'
        f'<button type="button" class="copy">Copy</button></div>'
    )


def histogram_svg(summary: dict[str, Any]) -> str:
    """Bars of a length histogram, as SVG."""
    counts, edges = summary["counts"], summary["edges"]
    tallest, bar_width = max(counts), _WIDTH / len(counts)
    bars = "".join(
        f'<rect x="{i * bar_width:.1f}" y="{_HEIGHT - _HEIGHT * c / tallest:.1f}" '
        f'width="{max(1.0, bar_width - 1):.1f}" height="{_HEIGHT * c / tallest:.1f}"><title>'
        f"{edges[i]} to {edges[i + 1] if i + 1 < len(counts) else summary['longest']} residues: "
        f"{c:,}</title></rect>"
        for i, c in enumerate(counts)
    )
    ticks = "".join(
        f'<text x="{i * bar_width:.1f}" y="{_HEIGHT + 16}">{edges[i]}</text>'
        for i in range(0, len(counts), max(1, len(counts) // 6))
    )
    return (
        f'<figure><svg class="bars" viewBox="0 -4 {_WIDTH} {_HEIGHT + 26}" role="img" '
        f'aria-label="Histogram of lengths">{bars}{ticks}</svg><figcaption>residues; median '
        f"{summary['median']:,}, longest {summary['longest']:,} (in the last bar)"
        f"</figcaption></figure>"
    )
