"""Chains are stored in batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.jobs.tokenizing import token_run
from sesstore.jobs.tokenizing.tokenize import tokenize
from sesstore.residues import StructureTokens
from sesstore.store import Store

from .conftest import again


def test_imported_tokens_stay(store: Store, folder: Path) -> None:
    report = tokenize(Store.create(store.path.with_name("new")), [folder / "1aki.pdb"], "pdb")
    protein = report.proteins[0]
    codes = {"foldseek": np.full((1, len(protein)), 3, np.uint8)}
    store.add_proteins([protein])
    store.add_tokens([StructureTokens(protein.digest, "pdb", codes, None, "Foldseek")], {})
    tokenize(store, [folder / "1aki.pdb"], "pdb")
    found = store.tokens("pdb").get(protein.digest)
    assert (found.codes["foldseek"] == 3).all()
    assert "dssp" in found.codes


def test_chains_are_stored_in_bounded_batches(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_run, "_COMMIT_CHAINS", 1)
    tokenize(store, [folder], "pdb")
    assert len(store.tokens("pdb")) == 4
    assert again(store, folder) == 0
