"""The program mkdssp, where it is installed, against what it wrote for the original files."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import MissingFileError, StructureError
from sesstore.structures.chains import read_structure
from sesstore.structures.dssp import tokens_dssp
from sesstore.structures.mkdssp import find_mkdssp, mkdssp_states, mkdssp_version
from sesstore.structures.tokenise import tokenise

installed = pytest.mark.skipif(shutil.which("mkdssp") is None, reason="mkdssp is not installed")


@installed
@pytest.mark.parametrize("entry", ["1aki.pdb", "5zng.cif", "1xso.pdb", "3o5r.cif"])
def test_it_gives_the_states_of_the_file(shared_structures: Path, entry: str) -> None:
    chains = read_structure(shared_structures / entry).chains
    for theirs, ours in zip(mkdssp_states(chains, find_mkdssp()), tokens_dssp(chains), strict=True):
        np.testing.assert_array_equal(theirs, ours)


@installed
def test_every_model_is_assigned(shared_structures: Path) -> None:
    (chain,) = tokenise(shared_structures / "1l2y.cif", source="pdb", dssp="mkdssp")
    (ours,) = tokenise(shared_structures / "1l2y.cif", source="pdb")
    assert chain.tokens.tool.endswith(f"mkdssp {mkdssp_version(find_mkdssp())}")
    agreement = (chain.tokens.codes["dssp"] == ours.tokens.codes["dssp"]).mean()
    assert agreement > 0.98


def test_its_absence_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingFileError, match="apt install dssp"):
        find_mkdssp()


def test_a_program_that_fails_is_said(shared_structures: Path) -> None:
    chains = read_structure(shared_structures / "1aki.pdb").chains
    with pytest.raises(StructureError, match="Leave out --dssp"):
        mkdssp_states(chains, sys.executable)
