"""Tokens of a chain: full sequences, traces, what is no protein."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.structures.chains import Chain
from sesstore.structures.notices import Failure
from sesstore.structures.tokenise import TokenisedChain, tokenise

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
