from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import InputError, MissingFileError
from sesstore.proteins import Protein
from sesstore.structures.chains import read_structure
from sesstore.structures.tokenise import TokenisedChain, tokenise
from sesstore.studies.jitter import shaken, shaken_tokens


def lysozyme(folder: Path) -> tuple[Path, TokenisedChain]:
    path = folder / "1aki.pdb"
    (chain,) = tokenise(path, source="pdb")
    assert isinstance(chain, TokenisedChain)
    return path, chain


def test_without_noise_the_tokens_are_those_of_the_file(shared_structures: Path) -> None:
    path, chain = lysozyme(shared_structures)
    tokens, failed = shaken_tokens([path], [chain.protein], "pdb", 0.0)
    assert (len(tokens), failed) == (1, [])
    (found,) = tokens.get_all([chain.protein.digest])
    assert found is not None
    for name, codes in chain.tokens.codes.items():
        np.testing.assert_array_equal(found.codes[name], codes)


def test_more_noise_changes_more(shared_structures: Path) -> None:
    path, chain = lysozyme(shared_structures)
    shares = []
    for angstrom in (0.1, 0.5, 2.0):
        tokens, _ = shaken_tokens([path], [chain.protein], "pdb", angstrom)
        (found,) = tokens.get_all([chain.protein.digest])
        assert found is not None
        shares.append((found.codes["foldseek"] != chain.tokens.codes["foldseek"]).mean())
        assert tokens.source == f"pdb, coordinates ± {angstrom:g} Angstrom"
    assert shares == sorted(shares)
    assert shares[-1] > 0.5
    other, _ = shaken_tokens([path], [chain.protein], "pdb", 2.0, seed=1)
    (shaken_otherwise,) = other.get_all([chain.protein.digest])
    assert shaken_otherwise is not None
    assert (shaken_otherwise.codes["foldseek"] != found.codes["foldseek"]).mean() > 0.1


def test_noise_has_its_deviation_and_its_seed(shared_structures: Path) -> None:
    structure = read_structure(shared_structures / "1aki.pdb")
    one, again, other = (shaken(structure, 0.5, seed) for seed in (0, 0, 1))
    moved = one.chains[0].backbone - structure.chains[0].backbone
    assert np.nanstd(moved) == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(one.chains[0].backbone, again.chains[0].backbone)
    assert not np.array_equal(one.chains[0].backbone, other.chains[0].backbone)


def test_what_cannot_be_used_is_listed(shared_structures: Path, tmp_path: Path) -> None:
    path, chain = lysozyme(shared_structures)
    (tmp_path / "bad.pdb").write_text("ATOM  nonsense\n")
    files = [path, tmp_path / "bad.pdb", shared_structures / "1dix.cif"]
    tokens, failed = shaken_tokens(files, [chain.protein], "pdb", 0.2)
    assert len(tokens) == 1  # 1dix is of another protein
    assert len(failed) == 1
    assert "bad.pdb" in failed[0]
    with pytest.raises(InputError, match="0 Angstrom or more"):
        shaken_tokens([path], [], "pdb", -1)
    with pytest.raises(MissingFileError):
        shaken_tokens([tmp_path / "nowhere"], [], "pdb", 1)


def test_all_locations_of_a_residue_are_shaken_alike(shared_structures: Path) -> None:
    """3Di reads the last one: of a file that has several it would not see the noise."""
    path = shared_structures / "3o5r.cif"
    structure = read_structure(path)
    (chain,), (moved,) = structure.chains, shaken(structure, 0.5, 0).chains
    assert chain.last is not None
    assert moved.last is not None
    np.testing.assert_allclose(moved.last - chain.last, moved.backbone - chain.backbone, atol=1e-4)
    (whole,) = tokenise(path, source="pdb")
    assert isinstance(whole, TokenisedChain)
    tokens, _ = shaken_tokens([path], [whole.protein], "pdb", 2.0)
    (found,) = tokens.get_all([whole.protein.digest])
    assert found is not None
    changed = found.codes["foldseek"] != whole.tokens.codes["foldseek"]
    assert changed.mean() > 0.5


def test_noise_is_of_the_file_and_of_no_other(shared_structures: Path, tmp_path: Path) -> None:
    """By its name, in whatever folder and company: files do not share their noise."""
    structure = read_structure(shared_structures / "1k6p.pdb")
    names = ("x/a.pdb", "y/a.pdb", "x/b.pdb")
    one, again, other = (
        np.concatenate([c.backbone for c in shaken(replace(structure, path=Path(n)), 1, 0).chains])
        for n in names
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    first, second = shaken(structure, 1, 0).chains
    plain = structure.chains
    noise = [a.backbone - b.backbone for a, b in zip((first, second), plain, strict=True)]
    assert not np.allclose(noise[0], noise[1], equal_nan=True)  # chains have their own


def test_what_is_no_protein_of_the_task_is_told_by_chain(
    shared_structures: Path, tmp_path: Path
) -> None:
    path, chain = lysozyme(shared_structures)
    other = Protein("1aki", chain.protein.sequence[::-1])
    tokens, (reason,) = shaken_tokens([path], [other], "pdb", 0.1)
    assert len(tokens) == 0
    assert reason.startswith(f"{path} chain A: ")
    assert "is not the protein it should be" in reason
