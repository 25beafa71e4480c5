"""Proteins that tasks and files name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.errors import InputError, MissingFileError, UnknownNameError
from sesstore.jobs.proteinfiles import (
    checked_proteins,
    existing_file,
    plain_fasta,
    proteins_named,
    proteins_of,
)
from sesstore.proteins import Protein
from sesstore.store import Store

from .conftest import labelled

DNA = "ACGTACGTTGCAACGTACGTTGCA" * 4


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.fasta").write_text(">one\nMKVLA\n>two\nMKVLC\n>again\nMKVLA\n")
    Path("b.csv").write_text("id,sequence,label\nthree,MKVLD,1\nfour,MKVLC,2\n")
    Path("dna.fasta").write_text(f">good\nMKVLA\n>gene\n{DNA}\n>gene2\n{DNA}A\n")
    Path("dna.csv").write_text(f"id,sequence,label\nx,{DNA},1\ny,MKVLA,2\n")
    Path("bad.fasta").write_text(">ok\nMKV\n>bad\nM?V\n")


def test_each_protein_is_named_once_by_its_first_name() -> None:
    listed = proteins_named(None, ["a.fasta", "b.csv"])
    assert [(p.id, p.sequence) for p in listed] == [
        ("one", "MKVLA"), ("two", "MKVLC"), ("three", "MKVLD"),
    ]  # fmt: skip
    assert [p.id for p in checked_proteins(None, ["b.csv", "a.fasta"])] == [
        "three", "four", "one", "two", "again",
    ]  # fmt: skip


def test_everything_is_read_before_anything_is_done() -> None:
    with pytest.raises(InputError, match="bad"):
        checked_proteins(None, ["a.fasta", "bad.fasta"])
    for name, error in (("none.csv", MissingFileError), ("none", UnknownNameError)):
        with pytest.raises(error, match="none"):
            list(proteins_of(None, name))


@pytest.mark.parametrize("name", ["dna.fasta", "dna.csv"])
def test_what_looks_like_genes_is_said(name: str) -> None:
    warnings: list[str] = []
    checked_proteins(None, [name], warnings.append)
    (warning,) = [text for text in warnings if "DNA or RNA" in text]
    expected = "2 of 3 sequences" if name == "dna.fasta" else "1 of 2 sequences"
    assert expected in warning
    assert ("gene is the first" if name == "dna.fasta" else "x is the first") in warning


def test_a_plain_file_is_counted_and_can_be_read_again() -> None:
    file = plain_fasta(Path("a.fasta"))
    assert file is not None
    assert (len(file), file.warnings) == (3, ())
    assert [p.id for p in file] == [p.id for p in file] == ["one", "two", "again"]
    genes = plain_fasta(Path("dna.fasta"))
    assert genes is not None
    assert "2 of 3 sequences" in genes.warnings[0]
    Path("labels.fasta").write_text(">one TARGET=1 SET=train VALIDATION=False\nMKV\n")
    assert plain_fasta(Path("labels.fasta")) is None


def test_a_task_of_the_store_goes_before_a_file_of_its_name(
    store: Store, proteins: list[Protein]
) -> None:
    task = labelled(store, proteins)
    Path("toy").mkdir()
    rows = {digest.tobytes() for split in task.splits.values() for digest in split.digests}
    for listed in (proteins_named(store, ["toy"]), list(checked_proteins(store, ["toy"]))):
        assert len(listed) == len(rows)
        assert {p.digest for p in listed} == rows
    together = list(checked_proteins(store, ["a.fasta", "toy"]))
    assert [p.id for p in together[:3]] == ["one", "two", "again"]
    assert len(together) == 3 + len(rows)
    with pytest.raises(UnknownNameError, match="Did you mean 'toy'"):
        checked_proteins(store, ["toi"])
    with pytest.raises(InputError):
        list(proteins_of(None, "toy"))


def test_a_folder_is_no_file_of_sequences() -> None:
    Path("folder.fasta").mkdir()
    Path("models").mkdir()
    for name in ("folder.fasta", "gone.fasta", "gone"):
        with pytest.raises(MissingFileError, match=f"there is no file '{name}'"):
            existing_file(Path(name))
    assert existing_file(Path("models")) == Path("models")
