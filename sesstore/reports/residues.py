"""A protein drawn residue by residue: what counted, over its sequence and structure tokens.

On a page the sequence stands beside the structure (`structure_view`); the figure for papers has
rows of sixty.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alphabets import alphabet
from ..residues import StructureTokens
from .figures import Chart, charting
from .material import SURENESS, ResidueTrack
from .structure_view import StructureView, numbers, plddt, token_mask

ROW = 60
NAMES = {"foldseek": "3Di", "dssp": "DSSP"}


def token_letters(structure: StructureTokens | None, alphabets: Iterable[str]) -> dict[str, str]:
    """Structure tokens of a protein as letters, by alphabet; of several conformers the first's."""
    codes = {} if structure is None else structure.codes
    return {
        name: alphabet(name).decode(codes[name][0])
        for name in alphabets
        if name in codes and alphabet(name).letters
    }


def strengths(track: ResidueTrack, relative: bool) -> NDArray[np.float64]:
    """Values as drawn: of weights how often the mean weight each is; others as they are."""
    values: NDArray[np.float64] = track.values * len(track.values) if relative else track.values
    return values


def line_chart(track: ResidueTrack, title: str, relative: bool) -> Chart:
    """Values along the sequence, coloured by secondary structure where it is known."""
    alt = charting()
    states = [_state(letter) for letter in track.tokens.get("dssp", "")]
    rows = [
        {
            "from": i + 0.55,
            "to": i + 1.45,
            "residue": i + 1,
            "value": _number(value),
            "letter": track.sequence[i],
            "structure": state,
        }
        for i, (value, state) in enumerate(
            zip(strengths(track, relative), states or [""] * len(track.sequence), strict=True)
        )
    ]
    axis_title = f"{title} (mean = 1)" if relative else title
    colour = {}
    if states:
        order = ["helix", "strand", "other", "masked"]
        legend = alt.Legend(columns=4, symbolType="square")
        colour["color"] = alt.Color("structure:N", title=None, sort=order, legend=legend)
    last = len(track.sequence)
    chart: Chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(orient="vertical")
        .encode(
            x=alt.X("from:Q", title="residue", scale=alt.Scale(domain=[0, last + 1], nice=False)),
            x2="to:Q",
            y=alt.Y("value:Q", title=axis_title),
            tooltip=["residue:Q", "letter:N", alt.Tooltip("value:Q", format=".3f"), "structure:N"],
            **colour,
        )
        .properties(height=150)
    )
    return chart


def letters_chart(track: ResidueTrack, title: str, relative: bool) -> Chart:
    """Sequence, 3Di and DSSP letters in rows of sixty, each residue's value behind its letter."""
    alt = charting()
    lines = {"": track.sequence, **{NAMES.get(n, n): text for n, text in track.tokens.items()}}
    values = strengths(track, relative)
    rows: list[dict[str, Any]] = []
    for i in range(len(track.sequence)):
        for k, text in enumerate(lines.values()):
            y = i // ROW * (len(lines) + 1) + k
            rows.append({"x": i % ROW, "y": y, "letter": text[i], "value": _number(values[i])})
    heads = [
        {"x": -0.8, "y": row * (len(lines) + 1) + k, "letter": name or f"{row * ROW + 1}"}
        for row in range(-(-len(track.sequence) // ROW))
        for k, name in enumerate(lines)
    ]
    height = (max(row["y"] for row in rows) + 1) * 15
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-1, ROW], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[height / 15 - 0.5, -0.5], nice=False))
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, y=y)
    axis_title = f"{title} (mean = 1)" if relative else title
    # Letters stay readable on the strongest.
    scale = alt.Scale(domainMin=0, range=["#ffffff", "#4aa3c0"], interpolate="rgb")
    colour = alt.Color("value:Q", title=axis_title, scale=scale)
    cells = base.mark_square(size=165, opacity=1).encode(color=colour)
    first = cells.transform_filter(f"datum.y % {len(lines) + 1} == 0")
    text = base.mark_text(font="monospace", fontSize=11).encode(text="letter:N")
    line_names = (
        alt.Chart(alt.Data(values=heads))
        .mark_text(align="right", fontSize=10, style="soft")
        .encode(x=x, y=y, text="letter:N")
    )
    chart: Chart = (first + text + line_names).properties(width=ROW * 12, height=height)
    return chart


def track_view(track: ResidueTrack, title: str, relative: bool) -> StructureView:
    """The sequence, and the structure where there is one, coloured by what is known of residues."""
    values = strengths(track, relative)
    note = "How much each residue counts in the pooled protein; 1 is the mean." if relative else ""
    high = 1.0 if title == SURENESS else None
    colourings = [numbers(title, values, 0, high, note), *track.further]
    if track.plddt is not None:
        colourings.append(plddt(track.plddt))
    lines = {NAMES.get(name, name): text for name, text in track.tokens.items()}
    colourings += [token_mask(name, text) for name, text in lines.items()]
    notes = [track.absence] if track.absence else []
    return StructureView(track.id, track.sequence, colourings, lines, track.structure, notes)


def _number(value: float) -> float | None:
    """A number of a chart; none where there is none."""
    return None if np.isnan(value) else float(value)


def _state(letter: str) -> str:
    """Secondary structure in words."""
    structures = {
        "H": "helix",
        "G": "helix",
        "I": "helix",
        "E": "strand",
        "B": "strand",
        "#": "masked",
    }
    return structures.get(letter, "other")
