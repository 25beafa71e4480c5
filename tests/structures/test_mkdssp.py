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
from sesstore.structures.pdb import read_pdb
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


def program(folder: Path, text: str, name: str = "mkdssp") -> str:
    """A program of a few lines of shell."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_program_and_its_version_are_those_of_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = program(tmp_path, "echo 'mkdssp version 4.2.2' >&2")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mkdssp() == found
    assert mkdssp_version(found) == "4.2.2"
    assert mkdssp_version(program(tmp_path, "echo no number", "odd")) == "of unknown version"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo first >&2; echo the last >&2; exit 1", "fail: the last"),
        ("exit 0", "it says nothing"),
    ],
)
def test_the_last_that_a_program_says_is_the_reason(
    draft, tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(StructureError, match=reason):
        mkdssp_states(draft.read().chains, program(tmp_path, text))


def test_every_model_is_given_its_own_backbone(draft, tmp_path: Path) -> None:
    """As PDB files that hold N, CA, C and O of each residue, under its place."""
    keep = f"""for last; do :; done
n=$(ls {tmp_path}/in-* 2>/dev/null | wc -l)
cp "$3" {tmp_path}/in-$n
printf '  #  RESIDUE AA\\n%5d%5d A A  %s\\n' 1 $((n + 1)) G > "$last"
"""
    draft.parts = [*draft.parts, "END", *draft.shifted(1)]
    (chain,) = draft.read().chains
    (codes,) = mkdssp_states([chain], program(tmp_path, keep))
    assert codes.shape == (2, 60)
    assert np.argwhere(codes != DSSP.mask).tolist() == [[0, 0], [1, 1]]
    assert DSSP.letters[codes[1, 1]] == "G"
    for model in range(2):
        atoms = read_pdb((tmp_path / f"in-{model}").read_bytes()).atoms
        expected = chain.backbone[model][:, [0, 1, 2, 4]].reshape(-1, 3)
        np.testing.assert_allclose(atoms.xyz, expected, atol=1e-3)
        assert atoms.atom_name.tolist() == [b"N", b"CA", b"C", b"O"] * 60
        assert atoms.number.tolist() == np.repeat(np.arange(1, 61), 4).tolist()
        proline = atoms.residue_name[::4] == b"PRO"
        assert proline.tolist() == [letter == "P" for letter in chain.residues]


def test_what_no_pdb_file_can_hold_is_said(draft) -> None:
    (chain,) = draft.read().chains
    long = replace(chain, residues="A" * 10_000, backbone=np.zeros((1, 10_000, 5, 3), np.float32))
    with pytest.raises(StructureError, match=r"has 1 chains of up to 10,000 residues.*62 of 9,999"):
        mkdssp_states([long], "no-program")
    with pytest.raises(StructureError, match="has 63 chains of up to 60 residues"):
        mkdssp_states([chain] * 63, "no-program")


@pytest.mark.parametrize("line", ["    1    1 A A", "    1    x A A  H", ""])
def test_what_the_program_writes_must_be_residues(draft, tmp_path: Path, line: str) -> None:
    """A disk that is full cuts its output short, and it says nothing of that."""
    text = f"printf '  #  RESIDUE AA\\n%s\\n' '{line}' > \"$4\""
    with pytest.raises(StructureError, match="line 2 that is cut short or no residue's"):
        mkdssp_states(draft.read().chains, program(tmp_path, text))
