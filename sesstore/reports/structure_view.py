"""A protein's model in 3D beside its sequence, coloured by values of residues and linked both ways.

Coordinates come from our own reader, so what is drawn is what was tokenised: the first model, of
alternate locations the one that counts, protein atoms alone, each residue under its place in the
sequence, whatever chains, numbers and insertion codes the file gives it. The browser's part is
``structure_view.js``, which stands without 3Dmol.js where there is no structure to draw.

::

    view = StructureView("P69905", sequence, [plddt(values)], [letters], model)
    page.html(view_markup(view))       # as often as there are proteins
    page.once(view_assets(three_d=True))   # style and scripts, inlined once a page

Scripts that fetch a view as JSON call ``sesstoreView(element, view_data(view))`` themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alphabets import DSSP, MASK_LETTER
from ..structures.chains import Chain, Structure
from ..structures.dssp import tokens_dssp
from ..structures.matching import PlacedChain
from .page import asset, escape_json

MOLECULE_SCRIPT = "3Dmol-min.js"
MOLECULE_VERSION = "2.5.5"
MOLECULE_SHA256 = "f7cc78921ae72e7623e89cdd111434f58c2efddd2ffda1cd212644b406fb8016"
"""3Dmol.js (Rego & Koes 2015, doi:10.1093/bioinformatics/btu829), as npm has it; see NOTICE."""

NEIGHBOURS = 3000
"""Most residues of other chains that are drawn, in grey, around the protein."""

_DIGITS = 4
_RAMP = ("#dbe5ee", "#fbd27e", "#ef7f3b", "#a8123e")
_BOTH_WAYS = ("#2166ac", "#d9dde2", "#b2182b")
"""Lightness falls along the first, and to both ends of the second: they hold without colours."""
_CLASSES = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7f7f7f",
)  # fmt: skip
"""Okabe and Ito's colours (2008), for colour-blind eyes."""
_PLDDT = (
    (90, "#0053d6", "90 and more: very high"),
    (70, "#65cbf3", "70 to 90: confident"),
    (50, "#ffdb13", "50 to 70: low"),
    (0, "#ff7d45", "below 50: very low"),
)
"""AlphaFold DB's bands and colours."""
_SHAPES = {"H": "h", "G": "h", "I": "h", "E": "s"}
_LIGHT_ATOMS = ("H", "D")


@dataclass(frozen=True, eq=False)
class Colouring:
    """What residues may be coloured by. Get one by `numbers`, `classes`, `plddt` or `token_mask`.

    Parameters
    ----------
    name : str
        In the list to choose from, such as ``"attention"``.
    values : ndarray, shape=(L,), dtype=float64
        One a residue; NaN where there is none. Of classes their numbers.
    stops : sequence of (float, str)
        Values and the colours between which those of numbers lie.
    classes : sequence of (str, str)
        Names and colours of classes.
    bands : sequence of (float, str, str)
        From which value on, colour and name, the highest first.
    note : str
        What it says, in a sentence.
    """

    name: str
    values: NDArray[np.float64]
    stops: Sequence[tuple[float, str]] = ()
    classes: Sequence[tuple[str, str]] = ()
    bands: Sequence[tuple[float, str, str]] = ()
    note: str = ""


@dataclass(frozen=True, eq=False)
class ViewedStructure:
    """The structure to draw.

    Parameters
    ----------
    structure : Structure
    chains : sequence of PlacedChain
        Those of its chains that are the protein; copies are coloured alike.
    """

    structure: Structure
    chains: Sequence[PlacedChain]


@dataclass(frozen=True, eq=False)
class StructureView:
    """A protein to look at.

    Parameters
    ----------
    id : str
    sequence : str, length L
    colourings : sequence of Colouring
        The first is shown first.
    lines : mapping of str to str, length L
        Letters under the sequence, by what they are: ``{"3Di": ...}``.
    structure : ViewedStructure, optional
        Without one there is the sequence alone.
    notes : sequence of str
        What to know; why there is no structure, for one.
    """

    id: str
    sequence: str
    colourings: Sequence[Colouring]
    lines: Mapping[str, str] = field(default_factory=dict)
    structure: ViewedStructure | None = None
    notes: Sequence[str] = ()


def numbers(
    name: str,
    values: NDArray[np.floating[Any]],
    low: float | None = None,
    high: float | None = None,
    note: str = "",
) -> Colouring:
    """Colour by numbers, from `low` to `high`, by default the least and the greatest.

    Where they lie on both sides of zero, zero is in the middle of two colours.
    """
    column = np.asarray(values, np.float64)
    finite = column[np.isfinite(column)]
    least = float(finite.min(initial=np.inf)) if low is None else low
    most = float(finite.max(initial=-np.inf)) if high is None else high
    if least > most:
        least = most = 0.0
    if least < 0 < most:
        reach = max(-least, most)
        return Colouring(name, column, _spread(-reach, reach, _BOTH_WAYS), note=note)
    return Colouring(name, column, _spread(least, most, _RAMP), note=note)


def classes(name: str, values: NDArray[Any], names: Sequence[str], note: str = "") -> Colouring:
    """Colour by numbers of classes, from 0; -1 or NaN is none. Beyond eight, colours come again."""
    column = np.where(np.asarray(values) >= 0, values, np.nan).astype(np.float64)
    colours = [(text, _CLASSES[k % len(_CLASSES)]) for k, text in enumerate(names)]
    return Colouring(name, column, classes=colours, note=note)


def plddt(values: NDArray[Any]) -> Colouring:
    """Colour by pLDDT, 0 to 100, in AlphaFold DB's bands."""
    note = "How sure the predictor of the structure is of each residue."
    return Colouring("pLDDT", np.asarray(values, np.float64), bands=_PLDDT, note=note)


def token_mask(name: str, letters: str) -> Colouring:
    """Colour by whether a structure token is known or masked."""
    masked = np.array([letter == MASK_LETTER for letter in letters], np.int64)
    note = "Masked: unresolved, without the atoms that a token needs, or of a low pLDDT."
    colours = [("known", _CLASSES[0]), ("masked", _CLASSES[1])]
    return Colouring(f"{name} mask", masked.astype(np.float64), classes=colours, note=note)


def _spread(low: float, high: float, colours: Sequence[str]) -> list[tuple[float, str]]:
    places = np.linspace(low, high, len(colours)).tolist()
    return list(zip(places, colours, strict=True))


def view_data(view: StructureView) -> dict[str, Any]:
    """What the script reads of a view, as plain values for JSON."""
    return {
        "id": view.id,
        "sequence": view.sequence,
        "lines": [[name, text] for name, text in view.lines.items()],
        "colourings": [_colouring(colouring) for colouring in view.colourings],
        **_structure_data(view),
    }


def _structure_data(view: StructureView) -> dict[str, Any]:
    if view.structure is None:
        return {"structure": None, "notes": list(view.notes)}
    others, hidden = _neighbours(view.structure)
    notes = [*_notes(view.structure, others, hidden), *view.notes]
    return {"structure": _structure(view.structure, others), "notes": notes}


def view_markup(view: StructureView, nonce: str = "") -> str:
    """HTML of a view, which its script fills; everything in it is escaped.

    Parameters
    ----------
    view : StructureView
    nonce : str
        Of the page's policy, where that asks for one.
    """
    data = escape_json(json.dumps(view_data(view), allow_nan=False, separators=(",", ":")))
    return (
        f'<div class="structure-view" data-view aria-label="{escape(view.id)}" role="group">'
        f"<noscript><p>Colours and structure need JavaScript.</p></noscript>"
        f'<script type="application/json"{_nonce(nonce)}>{data}</script></div>'
    )


def view_assets(three_d: bool, nonce: str = "") -> str:
    """Style and scripts of all views of a page, to stand once, behind them.

    Parameters
    ----------
    three_d : bool
        Whether any of them has a structure, which takes 3Dmol.js (540 kB).
    nonce : str
        Of the page's policy, where that asks for one.
    """
    mark = _nonce(nonce)
    molecule = f"<script{mark}>{molecule_script()}</script>\n" if three_d else ""
    return (
        f"<style{mark}>{asset('structure_view.css')}</style>\n{molecule}"
        f"<script{mark}>{asset('structure_view.js')}</script>"
    )


@cache
def molecule_script() -> str:
    """3Dmol.js, as it can stand in a page."""
    return asset(MOLECULE_SCRIPT).replace("</script", "<\\/script")


def _nonce(nonce: str) -> str:
    return f' nonce="{escape(nonce)}"' if nonce else ""


def _colouring(colouring: Colouring) -> dict[str, Any]:
    values = [round(v, _DIGITS) if np.isfinite(v) else None for v in colouring.values.tolist()]
    return {
        "name": colouring.name,
        "note": colouring.note,
        "values": values,
        "stops": [list(stop) for stop in colouring.stops],
        "classes": [list(entry) for entry in colouring.classes],
        "bands": [list(band) for band in colouring.bands],
    }


def _notes(viewed: ViewedStructure, others: Sequence[Chain], hidden: Sequence[Chain]) -> list[str]:
    """What is not to be seen in the structure, and what is more in it."""
    notes = [f"Structure: {viewed.structure.path.name}."]
    for placed in viewed.chains:
        if placed.unresolved:
            notes.append(
                f"Chain {placed.chain.id}: {placed.unresolved:,} of {len(placed.index):,} residues "
                f"are unresolved (struck out in the sequence)."
            )
        extra = int((placed.places < 0).sum())
        if extra:
            notes.append(
                f"Chain {placed.chain.id}: {extra:,} residues of the file are not in the sequence "
                f"(grey)."
            )
    models = viewed.structure.chains[0].backbone.shape[0]
    if models > 1:
        notes.append(f"Drawn is the first of {models:,} models.")
    if others:
        notes.append(f"Grey: {_chains(others)} of the same file.")
    if hidden:
        notes.append(f"Not drawn, as there is too much of it: {_chains(hidden)}.")
    return notes


def _chains(chains: Sequence[Chain]) -> str:
    names = ", ".join(chain.id or "(no name)" for chain in chains[:6])
    more = f" and {len(chains) - 6:,} more" if len(chains) > 6 else ""
    return f"chain {names}" if len(chains) == 1 else f"chains {names}{more}"


def _neighbours(viewed: ViewedStructure) -> tuple[list[Chain], list[Chain]]:
    """Other chains that are drawn, and those there is no room for."""
    drawn = [placed.chain.id for placed in viewed.chains]
    others = [chain for chain in viewed.structure.chains if chain.id not in drawn]
    room, shown, hidden = NEIGHBOURS, list[Chain](), list[Chain]()
    for chain in others:
        (shown if len(chain) <= room else hidden).append(chain)
        room -= len(chain) if len(chain) <= room else 0
    return shown, hidden


def _structure(viewed: ViewedStructure, others: Sequence[Chain]) -> dict[str, Any]:
    """Chains of the protein and others as the script reads them; coordinates in 0.01 Angstrom."""
    structure = viewed.structure
    states = dict(zip((c.id for c in structure.chains), tokens_dssp(structure.chains), strict=True))
    atoms: dict[tuple[str, str], int] = {}
    entries = [
        {**_chain(structure, p.chain, states[p.chain.id][0], atoms), "places": p.places.tolist()}
        for p in viewed.chains
    ]
    entries += [
        _chain(structure, chain, states[chain.id][0], atoms, ("CA", "O")) for chain in others
    ]
    return {
        "name": structure.path.name,
        "atoms": [list(atom) for atom in atoms],
        "chains": entries,
    }


def _chain(
    structure: Structure,
    chain: Chain,
    states: NDArray[np.uint8],
    vocabulary: dict[tuple[str, str], int],
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """A chain: atoms of its residues by number in the vocabulary, heavy ones, or `only` some."""
    table = structure.table
    rows = structure.rows(chain)
    rows = rows[~np.isin(np.char.upper(table.element[rows].astype(str)), _LIGHT_ATOMS)]
    if only:
        rows = rows[np.isin(table.atom_name[rows].astype(str), only)]
    residue = structure.residue[rows]
    first = np.searchsorted(structure.residue[rows], np.arange(len(chain)))
    names = table.residue_name[rows[first]].astype(str).tolist()
    kinds = [
        vocabulary.setdefault(atom, len(vocabulary))
        for atom in zip(
            table.atom_name[rows].astype(str).tolist(),
            table.element[rows].astype(str).tolist(),
            strict=True,
        )
    ]
    letters = DSSP.decode(states)
    return {
        "id": chain.id,
        "residues": names,
        "numbers": [
            f"{number}{insertion}"
            for number, insertion in zip(
                chain.numbers.tolist(), chain.insertions.tolist(), strict=True
            )
        ],
        "shapes": "".join(_SHAPES.get(letter, "c") for letter in letters),
        "counts": np.bincount(residue, minlength=len(chain)).tolist(),
        "kinds": kinds,
        "xyz": np.rint(table.xyz[rows] * 100).astype(np.int64).reshape(-1).tolist(),
    }
