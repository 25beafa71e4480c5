"""A map of proteins as one page: colour, search, hover, a lasso to a FASTA or CSV file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exchange.protein_maps import Column, is_numeric
from ..proteins import Protein
from .page import Page, asset, escape_json

MOST_RESIDUES = 20_000_000
"""Residues whose letters the page takes in; beyond, a selection is saved as CSV alone."""
_DIGITS = 4

_MARKUP = """
<div class="map">
<div class="tools">
<label>Colour <select id="colour"></select></label>
<label>Find <input id="find" type="search" list="hits" placeholder="id" autocomplete="off"></label>
<datalist id="hits"></datalist>
<button type="button" id="lasso" aria-pressed="false">Lasso</button>
<button type="button" id="whole">Show all</button>
</div>
<canvas id="canvas" tabindex="0" role="img"
 aria-label="Map of proteins. Arrow keys move it, plus and minus zoom."></canvas>
<div id="tip" hidden></div>
<ul id="legend" class="legend"></ul>
<p id="state" class="note" aria-live="polite"></p>
<div id="selection" hidden>
<h3 id="count"></h3>
<p><button type="button" id="fasta">Save FASTA</button>
<button type="button" id="csv">Save CSV</button> <button type="button" id="clear">Clear</button></p>
<div class="wide listing"><table id="listing"></table></div>
</div>
</div>
"""


def write_map_page(
    path: Path,
    title: str,
    subtitle: str,
    proteins: Sequence[Protein],
    points: NDArray[np.float32],
    columns: dict[str, Column],
    nearest: Sequence[Sequence[int]],
    notes: Sequence[str] = (),
) -> Path:
    """Write the page, one file that needs no network.

    Parameters
    ----------
    path : path
    title, subtitle : str
    proteins : sequence of Protein
    points : ndarray, shape=(N, 2)
        Where each lies.
    columns : dict of str to sequence
        What is known of each, to colour by: text or numbers, None where nothing is.
    nearest : sequence of sequence of int
        Numbers of the nearest proteins of each, or empty.
    notes : sequence of str
        What to know about the map.
    """
    page = Page(title, subtitle)
    page.section("")
    page.html(_MARKUP)
    letters = sum(len(protein) for protein in proteins) <= MOST_RESIDUES
    data = {
        "name": title,
        "ids": [protein.id for protein in proteins],
        "x": _rounded(points[:, 0]),
        "y": _rounded(points[:, 1]),
        "columns": [_column(name, values) for name, values in columns.items()],
        "nearest": [list(row) for row in nearest],
        "sequences": [protein.sequence for protein in proteins] if letters else [],
    }
    for note in notes:
        page.note(note)
    if not letters:
        page.note("There are too many residues to keep in the page: it saves CSV, and no FASTA.")
    text = escape_json(json.dumps(data, allow_nan=False, separators=(",", ":")))
    page.html(f'<script type="application/json" id="proteins">{text}</script>')
    style, script = (asset(f"map.{kind}") for kind in ("css", "js"))
    page.html(f"<style>{style}</style><script>{script}</script>")
    return page.write(path)


def _rounded(values: NDArray[np.float32]) -> list[float]:
    """Numbers at a ten-thousandth of their range, which no screen tells apart."""
    reach = float(np.abs(values).max(initial=0)) or 1.0
    scaled: list[float] = np.round(values.astype(float) / reach, _DIGITS).tolist()
    return scaled


def _column(name: str, values: Column) -> dict[str, Any]:
    """A column as the script reads it: numbers, or numbers of words that stand once."""
    if is_numeric(values):
        return {"name": name, "numbers": list(values)}
    words = {value: None for value in values if value is not None}
    places = {word: i for i, word in enumerate(words)}
    codes = [-1 if value is None else places[value] for value in values]
    return {"name": name, "words": list(words), "codes": codes}
