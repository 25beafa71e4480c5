"""Files to tokens on sequences."""

from __future__ import annotations

import gzip
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import InputError, StructureError
from sesstore.name_index import KnownProteins
from sesstore.proteins import Protein
from sesstore.structures.chains import Chain
from sesstore.structures.notices import Failure
from sesstore.structures.structure_files import models, structure_files
from sesstore.structures.tokenise import MUTATIONS, tokenise, tokenise_many, tool

from .conftest import by_id


def test_both_formats_of_an_entry_give_identical_tokens(shared_structures: Path) -> None:
    (one,) = tokenise(shared_structures / "1aki.pdb", source="pdb")
    (two,) = tokenise(shared_structures / "1aki.cif", source="pdb")
    assert one.protein.digest == two.protein.digest
    for name in ("foldseek", "dssp"):
        np.testing.assert_array_equal(one.tokens.codes[name], two.tokens.codes[name])


def test_conformers_are_kept(shared_structures: Path) -> None:
    (chain,) = tokenise(shared_structures / "1l2y.cif", source="pdb")
    assert {name: codes.shape for name, codes in chain.tokens.codes.items()} == {
        "foldseek": (38, 20),
        "dssp": (38, 20),
    }
    assert chain.tokens.plddt is None


def test_chains_are_proteins_of_their_own(shared_structures: Path) -> None:
    found = by_id(shared_structures / "1igy.cif")
    assert list(found) == ["1igy_A", "1igy_B", "1igy_C", "1igy_D"]
    assert found["1igy_A"].protein.digest == found["1igy_C"].protein.digest
    assert list(by_id(shared_structures / "1igy.cif", chain="C")) == ["1igy_C"]
    with pytest.raises(StructureError, match="no protein chain 'X', only A, B, C, D"):
        tokenise(shared_structures / "1igy.cif", source="pdb", chain="X")


def test_a_given_sequence_decides_and_another_protein_is_an_error(shared_structures: Path) -> None:
    (own,) = tokenise(shared_structures / "1aki.pdb", source="pdb")
    longer = Protein("1aki", f"MAGIC{own.protein.sequence}TAIL")
    found = by_id(shared_structures / "1aki.pdb", sequences=KnownProteins([longer]))["1aki"]
    assert found.protein.digest == longer.digest
    assert found.structure_protein.digest == own.protein.digest
    np.testing.assert_array_equal(found.tokens.codes["dssp"][0, 5:-4], own.tokens.codes["dssp"][0])
    other = Protein("1aki", "ACDEFGHIKLMNPQRSTVWY" * 6)
    (failure,) = tokenise(
        shared_structures / "1aki.pdb", source="pdb", sequences=KnownProteins([other])
    )
    assert isinstance(failure, Failure)
    assert "is not the protein it should be" in failure.reason


@pytest.mark.parametrize("name", ["1aki", "1aki_A"])
def test_the_only_chain_is_known_with_or_without_its_letter(
    shared_structures: Path, name: str
) -> None:
    (own,) = tokenise(shared_structures / "1aki.pdb", source="pdb")
    known = Protein(name, f"M{own.protein.sequence}")
    (found,) = tokenise(
        shared_structures / "1aki.pdb", source="pdb", sequences=KnownProteins([known])
    )
    assert found.protein == known


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_plddt_is_rounded_scaled_and_zero_where_nothing_is_resolved(
    heavy: Chain, tmp_path: Path, pdb_text, scale: float
) -> None:
    confidence = np.array([(50 + place % 50 + 0.6) for place in range(len(heavy))], np.float32)
    path = tmp_path / "x.pdb"
    lines = pdb_text(replace(heavy, bfactors=confidence * scale), slice(0, 40)).splitlines(True)
    path.write_text("".join(line for line in lines if line[22:26] not in ("  11", "  12")))
    known = KnownProteins([Protein("x", heavy.residues[:40])])
    (chain,) = tokenise(path, source="esmfold", sequences=known)
    expected = np.round(np.round(confidence[:40] * scale, 2) / scale).astype(int)
    expected[[10, 11]] = 0
    assert chain.tokens.plddt.tolist() == expected.tolist()
    assert chain.tokens.plddt.dtype == np.uint8


def test_b_factors_are_plddt_by_source_name_or_file(heavy: Chain, tmp_path: Path, pdb_text) -> None:
    text = pdb_text(heavy)
    for name, source, expected in (
        ("x.pdb", "pdb", False),
        ("x.pdb", "esmfold", True),
        ("AF-P1-F1-model_v4.pdb", "mine", True),
    ):
        (tmp_path / name).write_text(text)
        (chain,) = tokenise(tmp_path / name, source=source)
        assert (chain.tokens.plddt is not None) == expected


def test_many_files_over_processes_are_what_they_are_one_by_one(
    shared_structures: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "all.tar"
    with tarfile.open(archive, "w") as tar:
        for entry in ("1aki.cif", "4gxy.pdb", "1l2y.cif", "1xso.pdb"):
            packed = tmp_path / f"{entry}.gz"
            packed.write_bytes(gzip.compress((shared_structures / entry).read_bytes()))
            tar.add(packed, arcname=packed.name)
            packed.unlink()
    files = models(structure_files([archive]))
    runs = [list(tokenise_many(files, source="pdb", workers=workers)) for workers in (1, 2)]
    for one, two in zip(*runs, strict=True):
        assert one.files == two.files
        assert [f.reason for f in one.failures] == [f.reason for f in two.failures]
        assert [c.protein for c in one.chains] == [c.protein for c in two.chains]
        for a, b in zip(one.chains, two.chains, strict=True):
            for name in ("foldseek", "dssp"):
                np.testing.assert_array_equal(a.tokens.codes[name], b.tokens.codes[name])
    assert [len(model.chains) for model in runs[0]] == [1, 0, 1, 2]
    assert "all.tar/4gxy.pdb.gz" in runs[0][1].failures[0].name


def test_the_tools_are_named_with_versions() -> None:
    assert tool().startswith("mini3di ")
    assert "mdtraj 1." in tool()
    with pytest.raises(InputError, match="'stride' assigns no DSSP states"):
        tool("stride")


@pytest.mark.parametrize(
    ("entry", "chains"),
    [
        ("1aki.pdb", {"1aki": (1, 129, 1.0)}),
        ("1dix.cif", {"1dix": (1, 208, 1.0)}),
        (
            "1igy.cif",
            {f"1igy_{c}": (1, n, 1.0) for c, n in zip("ABCD", (213, 434) * 2, strict=True)},
        ),
        ("1k6p.pdb", dict.fromkeys(("1k6p_A", "1k6p_B"), (1, 99, 1.0))),
        ("1l2y.cif", {"1l2y": (38, 20, 1.0)}),
        ("1xso.pdb", dict.fromkeys(("1xso_A", "1xso_B"), (1, 150, 1.0))),
        ("2axd.cif", {"2axd": (12, 76, 1.0)}),
        ("3o5r.cif", {"3o5r": (1, 128, 1.0)}),
        ("5zng.cif", {"5zng_A": (1, 137, 0.577), "5zng_C": (1, 77, 0.805)}),
        ("altloc.cif", {"altloc": (1, 1, 1.0)}),
    ],
)  # fmt: skip
def test_entries_are_what_a_structural_biologist_expects(
    shared_structures: Path, entry: str, chains: dict[str, tuple[int, int, float]]
) -> None:
    found = by_id(shared_structures / entry)
    assert {
        name: (len(c.tokens.codes["dssp"]), len(c.protein), round(c.coverage, 3))
        for name, c in found.items()
    } == chains


def test_work_may_be_done_elsewhere_and_what_dies_is_named(draft, tmp_path: Path) -> None:
    """Only the chain that is asked for, in the order of the models."""
    draft.parts += ["TER", *draft.shifted(60, chain="B")]
    names = ["b.pdb", "a.pdb"]
    for name in names:
        (tmp_path / name).write_bytes(draft.pdb())
    files = models(structure_files([tmp_path / name for name in names]))

    def here(work, items, died):
        first, second = items
        return iter([work(first), died(second)])

    done, dead = tokenise_many(files, source="mine", chain="B", over=here)
    (chain,) = done.chains
    assert (done.failures, chain.protein.id, chain.name[-7:]) == ([], "b_B", "chain B")
    assert (chain.tokens.source, chain.tokens.tool) == ("mine", tool())
    assert (dead.files, dead.chains) == (files[1], [])
    (failure,) = dead.failures
    assert failure.name == str(tmp_path / "a.pdb")
    assert "a.pdb' ended the process that read it" in failure.reason


def test_residues_that_differ_from_the_sequence_are_counted(draft, tmp_path: Path) -> None:
    path = tmp_path / "x.pdb"
    draft.parts = [atom for atom in draft.atoms if atom.number != 20]
    path.write_bytes(draft.pdb())
    (own,) = tokenise(path, source="pdb")
    assert MUTATIONS not in [remark.kind for remark in own.remarks]
    letters = list(f"{own.protein.sequence[:19]}A{own.protein.sequence[19:]}")
    letters[4], letters[40] = ("W" if letters[place] != "W" else "D" for place in (4, 40))
    known = KnownProteins([Protein("x", "".join(letters))])
    (chain,) = tokenise(path, source="pdb", sequences=known)
    assert chain.coverage == pytest.approx(59 / 60)
    (detail,) = [remark.detail for remark in chain.remarks if remark.kind == MUTATIONS]
    assert detail == f"{path} chain A: 2 of 59"
