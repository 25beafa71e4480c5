"""mmCIF: what a file states beside its atoms."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.structures.chains import read_structure


@pytest.mark.parametrize(("residues", "letter"), [(("TYR", "PHE"), "Y"), (("PHE", "TYR"), "F")])
def test_of_two_residues_at_a_position_the_first_stated_is_the_sequences(
    shared_structures: Path, tmp_path: Path, residues: tuple[str, str], letter: str
) -> None:
    text = (shared_structures / "1l2y.cif").read_text()
    stated = "1 3  TYR n \n"
    assert text.count(stated) == 1
    both = "".join(f"1 3  {residue} y \n" for residue in residues)
    path = tmp_path / "both.cif"
    path.write_text(text.replace(stated, both))
    (plain,) = read_structure(shared_structures / "1l2y.cif").chains
    (chain,) = read_structure(path).chains
    assert plain.sequence is not None
    assert chain.sequence == f"{plain.sequence[:2]}{letter}{plain.sequence[3:]}"
    assert len(plain.sequence) == 20
