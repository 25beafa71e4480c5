"""Where `verify` says a fault lies, what it counts, and what it tells apart."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import Alphabet
from sesstore.residues import Embedding
from sesstore.store import Store, integrity, layout
from sesstore.store.integrity import verify
from sesstore.store.lmdb_seals import seal_of, seal_path
from sesstore.store.manifest import strike
from sesstore.store.repair import repair


class Bars:
    """Stages with what they were told."""

    def __init__(self) -> None:
        self.stages: list[list[object]] = []

    @contextmanager
    def stage(self, *call: object):
        self.stages.append([*call, 0])
        yield self

    def advance(self, amount: int = 1) -> None:
        self.stages[-1][-1] += amount


def faults(root: Path, *, quick: bool = False) -> set[tuple[str, str]]:
    return {(fault.where, fault.what) for fault in verify(root, quick=quick).bad}


@pytest.mark.parametrize("quick", [True, False])
def test_all_is_counted_and_told_part_by_part(filled, quick):
    filled.store.declare(Alphabet("turns", "AB"))
    bars, residues = Bars(), sum(map(len, filled.proteins))
    report, unique = verify(filled.store.path, quick=quick, progress=bars), 30
    segments = len(list(filled.store.path.glob("embeddings/enc_*/2*")))
    assert report.checked == {
        "segments": segments, "embeddings": 60, "residues": 2 * residues, "proteins": unique,
        "tokens": unique, "tasks": 1, "alphabets": 1,
    }  # fmt: skip
    parts = 2 + 1 + segments + 3 + 2  # metadata; proteins; the rest; what is gone; what is shared
    assert bars.stages == [["verifying", parts, "parts", parts]]


def test_metadata_that_are_gone_or_changed_are_named_and_the_rest_is_checked(filled):
    root, folder = filled.store.path, filled.store.encoder_folder("enc_int8")
    (folder / "zarr.json").unlink()
    (root / "embeddings/zarr.json").write_bytes(b"{}")
    (root / "zarr.json").unlink()
    report = verify(root)
    assert {(fault.where, fault.what) for fault in report.bad} >= {
        ("zarr.json", "it is missing"),
        ("embeddings/zarr.json", "it is not what was written"),
        (f"embeddings/{folder.name}/zarr.json", "it is missing"),
    }
    assert report.checked["embeddings"] == 60
    root.joinpath("zarr.json").write_bytes(layout.group_metadata({"format": 2}))
    assert ("zarr.json", "it is not what was written") in faults(root)


def test_what_lies_under_another_name_is_a_fault(filled):
    root, folder = filled.store.path, filled.store.encoder_folder("enc_int8")
    shutil.copytree(folder, folder.with_name(f"other-{folder.name[-12:]}"))
    shutil.copy(root / "tasks/toy.jsonl", root / "tasks/other.jsonl")
    (root / "tasks/broken.jsonl").write_text("{}")
    found = faults(root)
    assert (f"embeddings/other-{folder.name[-12:]}", "its name is not that of its encoder") in found
    assert ("tasks/other.jsonl", "it holds a task called 'toy'") in found
    assert {where for where, _ in found} >= {"tasks/broken.jsonl"}


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("place", ["proteins.lmdb", "tokens/alphafold2.lmdb", "tokens/new.lmdb"])
def test_a_database_of_the_other_kind_is_a_fault_and_no_crash(filled, quick, place):
    root = filled.store.path
    other = "proteins.lmdb" if place.startswith("tokens") else "tokens/alphafold2.lmdb"
    kind = "tokens" if place.startswith("tokens") else "proteins"
    shutil.copy(root / other, root / "copy")
    (root / "copy").rename(root / place)
    seal_path(root / place).write_bytes(seal_of(root / place))
    assert (place, f"{root / place} is no database of {kind}") in faults(root, quick=quick)


def test_a_source_may_be_called_proteins(filled, kit):
    """Its database has the name of the one beside the metadata, and holds tokens all the same."""
    store, path = filled.store, filled.store.path / "tokens/proteins.lmdb"
    store.add_tokens([kit.tokens(p, "proteins") for p in filled.proteins], {})
    for quick in (True, False):
        assert verify(store.path, quick=quick).ok
    raw = path.read_bytes()
    path.write_bytes(bytes(8192) + raw[8192:])
    report = repair(store.path)
    assert (report.rebuilt, report.tokens_lost, report.lost) == (
        ["tokens/proteins.lmdb"],
        {},
        False,
    )
    assert len(list(store.tokens("proteins"))) == 30


def test_quick_looks_at_no_values_and_full_names_the_segment(filled):
    segment = filled.store.embeddings("enc_float16").segments[1].path
    raw = (segment / "values/c.0.0").read_bytes()
    (segment / "values/c.0.0").write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
    assert verify(filled.store.path, quick=True).ok
    where = str(segment.relative_to(filled.store.path))
    assert faults(filled.store.path) == {(where, "values/c.0.0 is not what was written")}


def test_means_have_a_row_each_whatever_the_length(tmp_path, kit):
    store, made, protein = Store.create(tmp_path / "s"), kit.provenance(), kit.proteins(1)[0]
    made = replace(made, fingerprint=made.fingerprint.of_means)
    store.add_proteins([protein])
    with store.writer(made, {}) as writer:
        writer.add(Embedding(protein.digest, np.ones((1, made.dim), np.float16)))
    assert verify(store.path).ok


def test_notes_say_where_what_lies_and_what_has_no_seal(filled):
    root = filled.store.path
    segment = filled.store.embeddings("enc_int8").segments[0].path
    (segment / "values/notes.txt").write_text("mine")
    (segment / "also mine").write_text("mine")
    seal_path(root / "proteins.lmdb").unlink()
    report = verify(root, quick=True)
    assert report.ok
    assert [note.split(" (")[0] for note in report.notes] == [
        "proteins.lmdb has no seal",
        f"{segment.relative_to(root)}: also mine, values/notes.txt is no part of the segment",
    ]


@pytest.mark.parametrize("gone", [True, False])
def test_a_segment_that_goes_while_it_is_checked_is_no_fault_and_one_that_breaks_is(
    filled, monkeypatch, gone
):
    segment = filled.store.embeddings("enc_int8").segments[0].path

    def checking(path, provenance, *, quick):
        if path == segment:
            if gone:
                strike(path)
                shutil.rmtree(path)
            raise FileNotFoundError("values/c.0.0")
        yield from ()

    monkeypatch.setattr(integrity, "segment_problems", checking)
    report = verify(filled.store.path)
    total = len(list(filled.store.path.glob("embeddings/enc_*/2*")))
    assert report.checked["segments"] == total
    if gone:
        assert report.ok
    else:
        (fault,) = report.bad
        assert fault.where == str(segment.relative_to(filled.store.path))
        assert "a file of it went away" in fault.what


def test_what_the_system_refuses_is_named_where_it_is_and_the_rest_is_checked(filled, monkeypatch):
    root, real = filled.store.path, integrity.read_task

    def refused(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(integrity, "read_task", refused)
    monkeypatch.setattr(integrity, "missing", refused)
    report = verify(root)
    assert not report.ok
    assert report.bad == []
    assert [fault.where for fault in report.unreadable] == ["tasks/toy.jsonl", "."]
    assert all("Input/output error" in fault.what for fault in report.unreadable)
    assert report.checked["tokens"] == 30
    assert real(root / "tasks/toy.jsonl").name == "toy"


def test_a_folder_with_embeddings_alone_is_a_store_to_be_verified(filled):
    for name in ("zarr.json", "proteins.lmdb", "proteins.lmdb.seal"):
        (filled.store.path / name).unlink()
    found = faults(filled.store.path)
    assert ("zarr.json", "it is missing") in found


@pytest.mark.parametrize("kind", ["copy", "store", "older copy"])
def test_only_a_copy_for_others_to_pull_goes_without_a_manifest(filled, kind):
    """It has an index of its own, and no database of proteins."""
    root = filled.store.path
    shutil.rmtree(root / "manifest")
    if kind != "store":
        (root / "share").mkdir()
    if kind == "copy":
        for file in root.glob("proteins.lmdb*"):
            file.unlink()
    noted = any("not in the manifest" in note for note in verify(root, quick=True).notes)
    assert noted == (kind != "copy")
