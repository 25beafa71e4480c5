"""Residues are coloured by what the run says of them, and by how sure it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.service.protein_view import ResidueColours, UploadedStructure, protein_view
from sesstore.structures.chains import parse_structure
from sesstore.tasks import Problem

VALUES = np.array([0.25, 1.0, 0.5])


@pytest.mark.parametrize(
    ("problem", "names", "title", "ends"),
    [
        (Problem.SINGLE_LABEL, ("a", "b"), "attention", (0.0, 1.0)),
        (Problem.REGRESSION, ("Tm",), "attention", (0.0, 1.0)),
        (Problem.RESIDUE_REGRESSION, ("depth",), "depth", (0.25, 1.0)),
        (Problem.RESIDUE_SINGLE_LABEL, ("buried", "open"), "probability of open", (0.0, 1.0)),
        (Problem.RESIDUE_SINGLE_LABEL, ("H", "E", "L"), "class", None),
    ],
)
def test_what_residues_are_coloured_by(
    problem: Problem, names: tuple[str, ...], title: str, ends: tuple[float, float] | None
) -> None:
    colours = ResidueColours(problem, names)
    values = VALUES if ends else np.array([0.0, 2.0, 1.0])
    colouring = colours.colouring(values)
    assert (colours.title, colouring.name) == (title, title)
    np.testing.assert_array_equal(colouring.values, values)
    assert tuple(name for name, _ in colouring.classes) == (() if ends else names)
    if ends:
        assert (colouring.stops[0][0], colouring.stops[-1][0]) == ends
    weighs = "mean weight" in colouring.note
    assert weighs is (title == "attention")
    assert weighs or "run predicts" in colouring.note


def test_how_sure_each_residue_is_what_is_masked_and_plddt() -> None:
    protein = Protein("p", "MKV")
    codes = {"foldseek": np.array([1, 20, 3], np.uint8)}
    tokens = StructureTokens(protein.digest, "x", codes, np.array([90, 40, 70], np.uint8))
    row = {"confidence": [0.5, 0.6, 0.7], "spread": [0.01, 0.02, 0.03], "distance": 0.4}
    colours = ResidueColours(Problem.RESIDUE_REGRESSION, ("depth",))
    letters = {"foldseek": "D#V"}
    view = protein_view(protein, colours, VALUES, row, tokens, letters, None)
    named = {colouring.name: colouring for colouring in view.colourings}
    assert list(named) == ["depth", "confidence", "spread", "pLDDT", "3Di mask"]
    ends = {name: named[name].stops[-1][0] for name in ("confidence", "spread")}
    assert ends == {"confidence": 1.0, "spread": 0.03}
    assert named["pLDDT"].values.tolist() == [90, 40, 70]
    assert named["3Di mask"].values.tolist() == [0, 1, 0]
    assert (view.lines, view.structure) == ({"3Di": "D#V"}, None)
    bare = StructureTokens(protein.digest, "x", codes)  # as imported: without a pLDDT
    view = protein_view(protein, colours, VALUES, {}, bare, letters, None)
    assert [colouring.name for colouring in view.colourings] == ["depth", "3Di mask"]
    sure = {"confidence": 0.9, "spread": 0.1}  # of the whole protein
    plain = protein_view(protein, colours, None, sure, None, {}, None)
    assert plain.colourings == []


def test_a_structure_is_drawn_for_its_own_proteins_alone(shared_structures: Path) -> None:
    path = shared_structures / "1k6p.pdb"
    uploaded = UploadedStructure(path, data=path.read_bytes())
    sequence = parse_structure(path, path.read_bytes()).chains[0].sequence
    viewed = uploaded.chains_of(Protein("protease", sequence))
    assert viewed is not None
    assert len(viewed.chains) == 2  # copies of one protein
    assert uploaded.chains_of(Protein("other", "WHWHCPWHWHCPWHWHCPWH")) is None
