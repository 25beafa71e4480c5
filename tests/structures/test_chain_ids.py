"""What chains are called, which residues are bound, and how far copies lie apart."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.errors import StructureError
from sesstore.structures.polymer import LIGANDS, Residues, _ids


@pytest.mark.parametrize(
    ("author", "count", "names", "ids"),
    [
        ("", 1, {"A"}, [""]),
        ("", 3, {"A", "C"}, ["B", "D", "E"]),
        ("A", 3, {"A"}, ["A", "A-2", "A-3"]),
        ("A", 0, {"A"}, []),
    ],
)
def test_chains_of_one_name_are_told_apart(
    author: str, count: int, names: set[str], ids: list[str]
) -> None:
    assert _ids(author, count, names) == ids


def test_beyond_the_letters_there_are_numbers() -> None:
    ids = _ids("", 28, {"B"})
    assert (ids[0], ids[1], ids[24], ids[25:]) == ("A", "C", "Z", ["26", "27", "28"])
    assert len(set(ids)) == 28


@pytest.mark.parametrize(("bond", "alpha", "bound"), [
    (1.33, 3.8, True), (2.49, 9.0, True), (2.51, 3.8, False),
    (np.nan, 4.29, True), (np.nan, 4.31, False),
])  # fmt: skip
def test_a_bond_is_told_by_c_and_n_else_by_alphas(bond: float, alpha: float, bound: bool) -> None:
    backbone = np.zeros((2, 5, 3), np.float32)
    backbone[0, 2] = (50, 0, 0)  # C of the first
    backbone[1, 0] = (50 + bond, 0, 0)  # N of the second
    backbone[1, 1] = (0, alpha, 0)
    backbone[0, 0], backbone[1, 2] = (-200, 0, 0), (200, 0, 0)
    residues = Residues(None, backbone)  # type: ignore[arg-type]
    first, second = np.array([0]), np.array([1])
    assert residues.bonded(first, second).tolist() == [bound]
    if np.isfinite(bond):
        assert residues.bonded(second, first).tolist() == [False]  # it has a direction


@pytest.mark.parametrize(("distance", "copies"), [(1.9, True), (2.1, False)])
def test_copies_less_than_two_angstrom_apart_are_models(draft, distance: float, copies) -> None:
    draft.parts += ["TER", *draft.shifted(distance)]
    if copies:
        with pytest.raises(StructureError, match="copies of chain 'A' on top of each other"):
            draft.read()
    else:
        assert [chain.id for chain in draft.read().chains] == ["A", "A-2"]


@pytest.mark.parametrize(("count", "told"), [(5, ""), (7, " and 2 more")])
def test_of_many_ligands_the_first_five_are_named(draft, count: int, told: str) -> None:
    names = []
    for number in range(201, 201 + count):
        ligand = [a for a in draft.shifted(40.0 * (number - 199), record="HETATM") if a.number == 7]
        draft.change(ligand, number=number)
        names.append(f"{ligand[0].residue} {number}")
        draft.parts += ["TER", *ligand]
    # Copies of copies: only residues of the chain itself have low numbers.
    structure = draft.read()
    (remark,) = [remark for remark in structure.remarks if remark.kind == LIGANDS]
    assert remark.detail == f"chain A: {', '.join(names[:5])}{told}"
    assert len(structure.chains[0]) == 60
