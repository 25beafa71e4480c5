"""Faults inside a segment."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store, layout
from sesstore.store.atomic_files import sealed, unsealed
from sesstore.store.integrity import verify
from sesstore.store.shards import checksums_of


def reseal(segment: Path, name: str, data: bytes) -> None:
    """Change a file and give it a fresh checksum, as a broken program would."""
    (segment / name).write_bytes(data)
    path = segment / layout.CHECKSUMS
    listed = unsealed(path.read_bytes(), path)
    listed["files"][name] = checksums_of(data)
    path.write_bytes(sealed(listed))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("digests/c.0.0", lambda a: np.repeat(a.reshape(-1, 32)[:1], len(a) // 32, 0), "twice"),
        ("offsets/c.0", lambda a: a.view("<i8")[[0, 2, 1, *range(3, len(a) // 8)]], "do not grow"),
        ("offsets/c.0", lambda a: np.r_[a.view("<i8")[:-1], a.view("<i8")[-1:] - 1], "residues"),
        ("values/c.0.0", lambda a: np.r_[np.uint8([0, 0x7C]), a[2:]], "not finite"),
    ],
)
def test_wrong_content_with_right_checksums_is_found(filled, name, change, said):
    segment = filled.store.embeddings("enc_float16").segments[0].path
    raw = np.fromfile(segment / name, np.uint8)
    reseal(segment, name, np.ascontiguousarray(change(raw)).tobytes())
    assert any(said in fault.what for fault in verify(filled.store.path).bad)


def test_lengths_are_compared_with_the_sequences(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    known = kit.proteins(3)
    made = kit.provenance()
    store.add_proteins(known[2:])
    store.add_tokens([StructureTokens(known[0].digest, "pdb", {"dssp": [1] * 99}, None, "")], {})
    with store.writer(made, {}) as writer:
        writer.add(Embedding(known[1].digest, np.ones((99, 6), np.float16)))
    assert verify(store.path).ok
    assert "tokens of 1 proteins the store does not know" in verify(store.path).notes[0]
    store.add_proteins(known)
    said = " ".join(fault.what for fault in verify(store.path).bad)
    assert "99 codes for" in said
    assert "another length than its sequence" in said


@pytest.mark.parametrize("change", [-1, 1])
def test_an_embedding_of_another_length_than_its_sequence_is_found(tmp_path, kit, change):
    """A residue too few is as wrong as one too many."""
    store, made = Store.create(tmp_path / "s"), kit.provenance()
    protein = kit.proteins(1)[0]
    store.add_proteins([protein])
    with store.writer(made, {}) as writer:
        values = np.ones((len(protein) + change, made.dim), np.float16)
        writer.add(Embedding(protein.digest, values))
    (fault,) = verify(store.path).bad
    assert "another length than its sequence" in fault.what


def test_a_segment_of_another_encoder_is_found(filled):
    first, second = (filled.store.embeddings(p.fingerprint) for p in filled.provenances)
    shutil.copytree(first.segments[0].path, second.folder / first.segments[0].id)
    assert any("another encoder" in fault.what for fault in verify(filled.store.path).bad)


@pytest.mark.parametrize("change", [{"dtype": "float32"}, {"dim": 9}])
def test_a_segment_of_another_type_or_width_than_its_folder_is_none_of_it(tmp_path, kit, change):
    """By the same encoder: alone it is sound, and there its bytes would be read as others."""
    provenance = kit.provenance()
    here, there = (Store.create(tmp_path / name) for name in ("here", "there"))
    protein = kit.proteins(1)[0]
    for store, made in ((here, provenance), (there, replace(provenance, **change))):
        store.add_proteins([protein])
        with store.writer(made, {}) as writer:
            writer.add(Embedding(protein.digest, np.ones((len(protein), made.dim), made.dtype)))
    (stranger,) = there.embeddings().segments
    shutil.copytree(stranger.path, here.embeddings().folder / stranger.id)
    assert verify(there.path).ok
    (fault,) = verify(here.path).bad
    assert "another encoder than its folder says" in fault.what
