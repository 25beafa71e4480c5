"""Tokens of a chain: full sequences, traces, what is no protein."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.errors import StructureError
from sesstore.name_index import KnownProteins
from sesstore.proteins import Protein
from sesstore.structures.chain_tokens import (
    NO_BACKBONE,
    NO_OXYGEN,
    Settings,
    observe,
    observe_or_fail,
    observed_chains,
)
from sesstore.structures.chains import Chain
from sesstore.structures.confidence import EXPERIMENT
from sesstore.structures.notices import Failure
from sesstore.structures.structure_files import StructureFile
from sesstore.structures.tokenise import TokenisedChain, on_protein, tokenise, tool

from .conftest import by_id


def test_unresolved_residues_of_the_full_sequence_are_masked(shared_structures: Path) -> None:
    found = by_id(shared_structures / "5zng.cif")["5zng_A"]
    assert found.coverage < 1
    masked = found.tokens.codes["foldseek"][0] == FOLDSEEK.mask
    np.testing.assert_array_equal(masked, found.tokens.codes["dssp"][0] == DSSP.mask)
    assert masked.mean() == pytest.approx(1 - found.coverage)


def test_c_alphas_alone_are_an_error_that_says_what_is_needed(
    heavy: Chain, tmp_path: Path, pdb_text
) -> None:
    path = tmp_path / "trace.pdb"
    path.write_text(pdb_text(heavy, atoms=("CA",)))
    (failure,) = tokenise(path, source="pdb")
    assert isinstance(failure, Failure)
    assert "C-alpha atoms only" in failure.reason
    assert "Rebuild the backbone" in failure.reason


def test_a_trace_beside_a_whole_chain_costs_the_trace_only(
    heavy: Chain, tmp_path: Path, pdb_text
) -> None:
    whole = pdb_text(heavy, slice(0, 50)).replace("END\n", "TER\n")
    trace = pdb_text(heavy, slice(0, 40), atoms=("CA",))
    trace = "".join(f"{line[:21]}B{line[22:]}\n" for line in trace.splitlines() if line != "END")
    path = tmp_path / "both.pdb"
    path.write_text(f"{whole}{trace}END\n")
    chain, failure = tokenise(path, source="pdb")
    assert isinstance(chain, TokenisedChain)
    assert chain.protein.id == "both_A"
    assert isinstance(failure, Failure)
    assert "both.pdb chain B has C-alpha atoms only" in failure.reason


def test_nucleic_acids_and_ligands_beside_protein_are_left_out(
    heavy: Chain, shared_structures: Path, tmp_path: Path, pdb_text
) -> None:
    lines = (shared_structures / "4gxy.pdb").read_text().splitlines(keepends=True)
    rna = [f"{x[:21]}R{x[22:]}" for x in lines if x.startswith(("ATOM", "HETATM"))]
    path = tmp_path / "complex.pdb"
    path.write_text(pdb_text(heavy).replace("END\n", "TER\n") + "".join(rna))
    (chain,) = tokenise(path, source="pdb")
    assert isinstance(chain, TokenisedChain)
    assert chain.protein.sequence == heavy.residues


def test_names_that_differ_in_case_only_are_told_to_the_lookup(draft) -> None:
    """Chain a must not become the protein of chain A because no other is known."""
    draft.parts += ["TER", *draft.shifted(60, chain="a")]
    chains = observed_chains(draft.read("pdb", "1abc"), Settings("pdb"))
    assert [chain.has_twin for chain in chains] == [True, True]
    lookup = KnownProteins([Protein("1abc_A", f"GS{chains[0].chain.residues}")])
    placed = [on_protein(chain, "pdb", lookup, tool()) for chain in chains]
    assert [len(chain.protein) for chain in placed] == [62, 60]
    draft.change([atom for atom in draft.atoms if atom.chain == "a"], chain="B")
    others = observed_chains(draft.read("pdb", "1abc"), Settings("pdb"))
    assert [chain.has_twin for chain in others] == [False, False]


def test_remarks_count_what_each_alphabet_lacks(draft) -> None:
    """In any model; those without a backbone are not counted as without O again."""
    draft.parts = [
        atom
        for atom in draft.atoms
        if (atom.name, atom.number) not in {("N", 3), ("O", 3), ("O", 5), ("O", 6)}
    ]
    second = [atom for atom in draft.shifted(1) if (atom.name, atom.number) != ("O", 9)]
    draft.parts = [*draft.parts, "END", *second]
    (chain,) = observed_chains(draft.read("pdb", "1abc"), Settings("pdb"))
    assert [(remark.kind, remark.detail) for remark in chain.remarks] == [
        (NO_BACKBONE, "1abc.pdb chain A: 1 of 60"),
        (NO_OXYGEN, "1abc.pdb chain A: 3 of 60"),
    ]


def test_what_is_said_of_a_file_stands_at_its_first_chain_that_is_given(draft) -> None:
    draft.head = "EXPDTA    SOLUTION NMR\n"
    draft.parts += ["TER", *draft.shifted(60, chain="B"), "TER", *draft.shifted(120, chain="C")]
    structure = draft.read("pdb", "1abc")
    (chain,) = observed_chains(structure, Settings("alphafold2", chain="B"))
    assert (chain.name, chain.id) == ("1abc.pdb chain B", "1abc_B")
    assert [remark.kind for remark in chain.remarks] == [EXPERIMENT]
    first = [atom for atom in draft.atoms if atom.chain == "A" and atom.name != "CA"]
    draft.parts = [part for part in draft.parts if part not in first]
    failure, *chains = observed_chains(draft.read("pdb", "1abc"), Settings("alphafold2"))
    assert isinstance(failure, Failure)
    assert failure.name == "1abc.pdb chain A"
    assert [[remark.kind for remark in chain.remarks] for chain in chains] == [[EXPERIMENT], []]


def test_the_program_that_is_named_assigns_the_states_and_its_failure_names_the_file(draft) -> None:
    structure = draft.read("pdb", "1abc")
    with pytest.raises(StructureError, match=r"'1abc\.pdb' makes .* fail"):
        observed_chains(structure, Settings("pdb", mkdssp=sys.executable))


def test_a_model_that_takes_too_much_memory_fails_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parse(file: StructureFile) -> None:
        raise MemoryError

    monkeypatch.setattr(StructureFile, "parse", parse)
    (failure,) = observe_or_fail(((StructureFile(Path("x/big.pdb")),), Settings("pdb")))
    assert isinstance(failure, Failure)
    assert failure.name == "x/big.pdb"
    assert failure.reason.startswith("'x/big.pdb' needs more memory than there is")


def fragments(folder: Path, draft, **changes) -> list[StructureFile]:
    """The draft's residues 1 to 40 and 21 to 60 as two fragments, the second in its places."""
    files = []
    for number, (start, stop) in enumerate(((1, 40), (21, 60)), 1):
        part = replace(
            draft, parts=[atom for atom in draft.atoms if start <= atom.number <= stop],
            head=f"{'DBREF  XXXX A    1   40  UNP':<55}{start:5d}{stop:7d}\n",
        )  # fmt: skip
        part.parts += changes.get(f"behind_{number}", [])
        files.append(StructureFile(folder / f"AF-P99999-F{number}-model_v4.pdb"))
        files[-1].path.write_bytes(part.pdb())
    return files


def test_fragments_have_the_confidence_of_their_residues_and_all_remarks(
    draft, tmp_path: Path
) -> None:
    draft.parts = [atom for atom in draft.atoms if (atom.name, atom.number) != ("O", 50)]
    (chain,) = observe(fragments(tmp_path, draft), Settings("mine"))
    assert not isinstance(chain, Failure)
    assert (chain.id, chain.complete, chain.aliases) == ("P99999", True, ())
    assert chain.name.endswith("AF-P99999-F1-model_v4.pdb and 1 more fragments")
    assert chain.plddt is not None
    assert chain.plddt.tolist() == [40 + number % 50 for number in range(1, 61)]
    (remark,) = chain.remarks
    assert remark.kind == NO_OXYGEN
    assert "F2-model_v4.pdb chain A: 1 of 40" in remark.detail
    first = fragments(tmp_path, draft)[:1]
    (alone,) = observe(first, Settings("mine"))
    assert not isinstance(alone, Failure)
    assert alone.name.endswith("AF-P99999-F1-model_v4.pdb chain A")
    assert alone.aliases == ("AF-P99999-F1-model_v4",)


def test_a_fragment_of_two_chains_is_no_fragment(draft, tmp_path: Path) -> None:
    beside = ["TER", *draft.shifted(80, chain="B")]
    files = fragments(tmp_path, draft, behind_2=beside)
    (failure,) = observe_or_fail((tuple(files), Settings("mine")))
    assert isinstance(failure, Failure)
    assert "F2-model_v4.pdb' is named as a fragment" in failure.reason
    assert "has 2 chains. Give it another name" in failure.reason
