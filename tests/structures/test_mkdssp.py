"""The program mkdssp, where it is installed, against what it wrote for the original files."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import DSSP
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


STAND_IN = """#!{python}
import sys
lines = open(sys.argv[-2]).read().splitlines()
places = dict.fromkeys((line[21], line[22:26]) for line in lines if line.startswith("ATOM"))
with open(sys.argv[-1], "w") as file:
    print("  #  RESIDUE AA STRUCTURE BP1 BP2  ACC", file=file)
    for number, (chain, place) in enumerate(places, 1):
        state = "H" if chain == "A" else "E"
        print(f"{{number:5d}} {{place:>4}} {{chain}} A  {{state}}", file=file)
        print(f"{{number:5d}}        !*", file=file)
"""
"""Says H of all that it is given of the first chain, and E of all others, as mkdssp writes it."""


def test_residues_the_program_is_not_given_are_masked(
    shared_structures: Path, tmp_path: Path
) -> None:
    """Which residue is whose is told by chain and number, where backbones are incomplete too."""
    program = tmp_path / "stand-in"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    chains = read_structure(shared_structures / "1xso.pdb").chains
    backbones = [chain.backbone.copy() for chain in chains]
    backbones[0][0, [2, 5], 0] = np.nan
    backbones[1][0, 0, 4] = np.nan
    chains = [replace(c, backbone=b) for c, b in zip(chains, backbones, strict=True)]
    first, second = mkdssp_states(chains, str(program))
    mask = DSSP.mask
    assert np.flatnonzero(first[0] == mask).tolist() == [2, 5]
    assert np.flatnonzero(second[0] == mask).tolist() == [0]
    assert {DSSP.letters[code] for code in first[0] if code != mask} == {"H"}
    assert {DSSP.letters[code] for code in second[0] if code != mask} == {"E"}
