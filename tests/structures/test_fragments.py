"""Stitching: a protein cut into fragments has the letters and places of the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import StructureError
from sesstore.name_index import KnownProteins
from sesstore.proteins import Protein
from sesstore.structures.chains import Chain, parse_structure
from sesstore.structures.foldseek import tokens_3di
from sesstore.structures.fragments import Fragment, join
from sesstore.structures.notices import Failure
from sesstore.structures.structure_files import StructureFile, models
from sesstore.structures.tokenise import tokenise_many


def fragment(chain: Chain, start: int, stop: int, number: int, begin: int) -> Fragment:
    cut = replace(
        chain,
        residues=chain.residues[start:stop],
        numbers=np.arange(1, stop - start + 1),
        insertions=chain.insertions[start:stop],
        backbone=chain.backbone[:, start:stop],
        bfactors=chain.bfactors[start:stop],
        sequence=None,
        positions=None,
        begin=begin,
    )
    return Fragment(number, cut, {"foldseek": tokens_3di(cut)})


def test_every_residue_comes_from_the_fragment_it_lies_deepest_in(heavy: Chain) -> None:
    one, two = fragment(heavy, 0, 300, 1, 0), fragment(heavy, 100, 434, 2, 100)
    chain, codes = join([two, one], "the model")
    assert chain.residues == chain.sequence == heavy.residues
    np.testing.assert_array_equal(chain.bfactors, heavy.bfactors)
    expected = np.r_[one.codes["foldseek"][0, :200], two.codes["foldseek"][0, 100:]]
    np.testing.assert_array_equal(codes["foldseek"][0], expected)
    assert chain.positions is not None
    assert (chain.numbers.tolist(), chain.positions.tolist()) == (
        list(range(1, 435)), list(range(434)),
    )  # fmt: skip
    assert (chain.insertions.tolist(), chain.backbone.shape) == ([""] * 434, (0, 434, 5, 3))
    assert chain.begin == 0


def test_between_fragments_there_is_a_gap(heavy: Chain) -> None:
    chain, codes = join([fragment(heavy, 0, 50, 1, 0), fragment(heavy, 60, 100, 9, 60)], "it")
    assert chain.sequence == f"{heavy.residues[:50]}{'X' * 10}{heavy.residues[60:100]}"
    assert chain.residues == heavy.residues[:50] + heavy.residues[60:100]
    assert chain.positions is not None
    assert chain.positions[48:52].tolist() == [48, 49, 60, 61]
    assert (chain.numbers[49:51].tolist(), codes["foldseek"].shape) == ([50, 61], (1, 90))


def test_a_fragment_begins_where_the_file_says_or_its_number(heavy: Chain) -> None:
    assert [fragment(heavy, 0, 50, number, 0).begin for number in (1, 2, 4)] == [0, 200, 600]
    assert fragment(heavy, 0, 50, 4, 7).begin == 7
    with pytest.raises(StructureError, match=r"the model: .* residue 1,999,850, where no protein"):
        join([fragment(heavy, 0, 50, 10_000, 0)], "the model")


def test_fragments_that_disagree_are_an_error(heavy: Chain) -> None:
    one, two = fragment(heavy, 0, 300, 1, 0), fragment(heavy, 100, 434, 2, 100)
    other = replace(two.chain, residues=two.chain.residues[::-1])
    with pytest.raises(StructureError, match="F2 differs"):
        join([one, replace(two, chain=other)], "the model")


def test_fragment_files_become_one_protein(heavy: Chain, tmp_path: Path, pdb_text) -> None:
    for number, (start, stop) in enumerate([(0, 300), (100, 434)], 1):
        text = pdb_text(heavy, slice(start, stop), begin=start + 1)
        (tmp_path / f"AF-P99999-F{number}-model_v4.pdb").write_text(text)
    files = [StructureFile(path) for path in sorted(tmp_path.iterdir())]
    assert [parse_structure(f.path, f.read()).chains[0].begin for f in files] == [0, 100]
    (model,) = tokenise_many(models(files), source="alphafold2")
    (chain,) = model.chains
    assert (chain.protein.id, chain.protein.sequence) == ("P99999", heavy.residues)
    assert chain.coverage == 1
    assert chain.tokens.plddt is not None
    whole = tokens_3di(heavy)[0]
    assert (chain.tokens.codes["foldseek"][0] == whole).mean() > 0.97


def test_without_its_first_fragment_a_protein_needs_its_sequence(
    heavy: Chain, tmp_path: Path, pdb_text
) -> None:
    path = tmp_path / "AF-P99999-F2-model_v4.pdb"
    path.write_text(pdb_text(heavy, slice(100, 434), begin=101))
    alone = [(StructureFile(path),)]
    (model,) = tokenise_many(alone, source="alphafold2")
    (failure,) = model.failures
    assert isinstance(failure, Failure)
    assert "fragments are absent" in failure.reason
    known = KnownProteins([Protein("P99999", heavy.residues)])
    (model,) = tokenise_many(alone, source="alphafold2", sequences=known)
    (chain,) = model.chains
    assert chain.coverage == pytest.approx(334 / 434)
    assert (chain.tokens.codes["dssp"][0, :100] == 8).all()
