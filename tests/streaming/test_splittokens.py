"""Structure tokens of a split: coverage, and masks by confidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.proteins import digest_of
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.store import Tokens
from sesstore.streaming.reader import SplitData
from sesstore.streaming.splittokens import SplitTokens

from .conftest import BOTH, data


@pytest.fixture
def differing(tmp_path) -> tuple[Tokens, np.ndarray]:
    """Two proteins of four residues whose masks differ between conformers and alphabets."""
    digests = np.frombuffer(digest_of("ACDE") + digest_of("ACDF"), np.uint8).reshape(2, 32)
    x, d = FOLDSEEK.mask, DSSP.mask
    codes = [
        {"foldseek": [[x, 1, x, 1], [2, 2, x, 2]], "dssp": [[1, d, d, 1], [1, d, d, 1]]},
        {"foldseek": [[0, 0, 0, 0]], "dssp": [[0, 0, 0, 0]]},
    ]
    plddt = [None, np.array([49, 50, 51, 0], np.uint8)]
    tokens = Tokens(tmp_path / "mixed.lmdb")
    items = [
        StructureTokens(
            row.tobytes(), "mixed", {n: np.array(c, np.uint8) for n, c in one.items()}, sure
        )
        for row, one, sure in zip(digests, codes, plddt, strict=True)
    ]
    tokens.add(items, circumstances())
    return tokens, digests


def test_a_residue_is_known_in_some_conformer_and_in_every_alphabet(differing) -> None:
    split = SplitTokens(*differing, np.array([4, 4]), BOTH, 0)
    assert split.coverage.unmasked == {"foldseek": 3 + 4, "dssp": 2 + 4}
    assert split.unmasked.tolist() == [2 / 4, 1.0]
    assert split.coverage.of(("dssp",)) == {
        "proteins": 2, "with_tokens": 2, "residues": 8, "unmasked": {"dssp": 6},
    }  # fmt: skip
    assert split.coverage.of(())["with_tokens"] == 0
    shares = split.packed(np.array([0]))["foldseek"]
    assert [row[FOLDSEEK.mask] for row in shares.tolist()] == [0.5, 0, 1, 0]


def test_a_residue_as_sure_as_the_threshold_is_not_masked(differing) -> None:
    split = SplitTokens(*differing, np.array([4, 4]), BOTH, 50)
    codes = split.packed(np.array([1]))
    assert codes["dssp"].tolist() == [DSSP.mask, 0, 0, DSSP.mask]
    assert codes["foldseek"].tolist() == [FOLDSEEK.mask, 0, 0, FOLDSEEK.mask]
    assert split.unmasked[1] == 0.5
    assert split.coverage.unmasked == {"foldseek": 3 + 2, "dssp": 2 + 2}


def test_unsure_residues_are_masked_in_every_conformer(stored) -> None:
    item = stored.tokens[stored.proteins[0].digest]
    shares = data(stored, min_plddt=60).read(np.array([0])).tokens["foldseek"]
    unsure = torch.from_numpy(item.plddt < 60)
    assert 0 < int(unsure.sum()) < len(item)
    assert (shares[unsure, FOLDSEEK.mask] == 1).all()
    assert (shares[~unsure, FOLDSEEK.mask] == 0).all()


def test_rows_with_tokens_are_those_with_an_alphabet_that_is_read(stored) -> None:
    """Not those with pLDDT alone, nor with another alphabet; one of two is enough."""
    items = list(stored.tokens.values())[:4]
    kinds: list[tuple[str, ...]] = [(), ("foldseek",), ("dssp",), ("foldseek", "dssp")]
    some = [
        replace(item, source="some", codes={name: item.codes[name] for name in names})
        for item, names in zip(items, kinds, strict=True)
    ]
    stored.store.add_tokens(some, circumstances())
    digests = stored.digests[:5]
    view, tokens = stored.store.embeddings(), stored.store.tokens("some")

    def rows(*alphabets: str) -> list[bool]:
        split = SplitData(view, tokens, digests, alphabets=alphabets)
        assert split.coverage.with_tokens == split.with_tokens.sum()
        return split.with_tokens.tolist()

    assert rows("foldseek") == [False, True, False, True, False]
    assert rows("ss3") == [False, False, True, True, False]
    assert rows("foldseek", "dssp") == [False, True, True, True, False]
