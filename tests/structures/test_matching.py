"""Residues of a chain and of its protein, each by the other's places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import StructureError
from sesstore.exchange.imported_tokens import observed_chain
from sesstore.proteins import Protein
from sesstore.structures.chains import Structure
from sesstore.structures.matching import PlacedChain, ProteinMatcher


def test_places_and_values_of_residues() -> None:
    """The chain has a residue that the protein lacks, and lacks two of the protein's."""
    chain = observed_chain("KVGA")
    placed = PlacedChain(chain, Protein("p", "MKVLA"), np.array([-1, 0, 1, -1, 3]))
    assert placed.unresolved == 2
    assert placed.places.tolist() == [1, 2, -1, 4]
    first = PlacedChain(chain, Protein("p", "KVLGA"), np.array([0, 1, -1, 2, 3]))
    assert first.values(np.arange(5.0)).tolist() == [0, 1, 3, 4]
    values = placed.values(np.array([10.0, 11, 12, 13, 14], np.float32))
    np.testing.assert_array_equal(values, [11, 12, np.nan, 14])
    assert values.dtype == np.float64


@pytest.fixture
def structure(draft) -> Structure:
    """Sixty residues as chain A of 1abc."""
    return draft.read("pdb", "1abc")


def match(structure: Structure, *proteins: Protein) -> PlacedChain | None:
    return ProteinMatcher(proteins).match(structure, structure.chains[0])


def test_a_sequence_goes_before_a_name_and_the_first_of_equals_counts(structure) -> None:
    residues = structure.chains[0].residues
    named = Protein("1abc", f"GSHM{residues}")
    placed = match(structure, named, Protein("p", residues), Protein("q", residues))
    assert placed is not None
    assert placed.protein.id == "p"
    assert placed.index.tolist() == list(range(60))


@pytest.mark.parametrize("name", ["1abc", "1abc_A", "1ABC"])
def test_a_file_named_for_a_protein_is_placed_on_it(structure, name: str) -> None:
    residues = structure.chains[0].residues
    placed = match(structure, Protein("other", "MKVLAW"), Protein(name, f"GS{residues}"))
    assert placed is not None
    assert (placed.protein.id, placed.unresolved) == (name, 2)
    assert placed.index.tolist() == [-1, -1, *range(60)]


def test_a_name_of_two_proteins_or_of_none_decides_nothing(structure) -> None:
    residues = structure.chains[0].residues
    assert match(structure, Protein("2abc", f"GS{residues}")) is None
    twins = Protein("1abc", f"GS{residues}"), Protein("1abc", f"GSHM{residues}")
    assert match(structure, *twins) is None


def test_a_named_chain_that_is_another_protein_is_an_error(structure) -> None:
    with pytest.raises(StructureError, match=r"1abc\.pdb, chain A is not the protein it should be"):
        match(structure, Protein("1abc", structure.chains[0].residues[::-1]))


def test_the_stated_sequence_goes_before_the_residues_there_are(draft) -> None:
    whole = draft.read("cif").chains[0].residues
    draft.parts = [atom for atom in draft.atoms if atom.number != 5]
    structure = draft.read("cif", "x")
    resolved = structure.chains[0].residues
    assert (len(resolved), structure.chains[0].sequence) == (59, whole)
    placed = match(structure, Protein("resolved", resolved), Protein("whole", whole))
    assert placed is not None
    assert (placed.protein.id, placed.unresolved) == ("whole", 1)
    alone = match(structure, Protein("resolved", resolved))
    assert alone is not None
    assert (alone.protein.id, alone.unresolved) == ("resolved", 0)


def test_chains_of_one_file_are_named_each(draft) -> None:
    draft.parts += ["TER", *draft.shifted(60, chain="B")]
    structure = draft.read("pdb", "1abc")
    residues = structure.chains[0].residues
    matcher = ProteinMatcher([Protein("1abc_B", f"GS{residues}")])
    placed = [matcher.match(structure, chain) for chain in structure.chains]
    assert [chain and chain.chain.id for chain in placed] == [None, "B"]


def test_files_are_named_for_a_protein_whatever_their_chain() -> None:
    matcher = ProteinMatcher([Protein("1abc_B", "MKV"), Protein("P12345", "MKL")])
    names = ["1abc.pdb", "pdb1abc.ent.gz", "AF-P12345-F1-model_v4.cif", "1abd.pdb", "x.pdb"]
    named = [matcher.is_named(Path("folder") / name) for name in names]
    assert named == [True, True, True, False, False]
