from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import MissingFileError
from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store, layout
from sesstore.store.atomic_files import sealed, unsealed
from sesstore.store.integrity import verify
from sesstore.store.lmdb_check import check_apart, check_records
from sesstore.store.lmdb_seals import seal_path
from sesstore.store.shards import checksums_of


def files(store: Store) -> list[Path]:
    """Every file `verify` answers for."""
    return sorted(
        path
        for path in store.path.rglob("*")
        if path.is_file() and not path.name.endswith("-lock") and path.name != layout.CARD
    )


def test_a_sound_store_is_sound(filled):
    for quick in (True, False):
        report = verify(filled.store.path, quick=quick)
        assert report.ok
        assert report.notes == []
    unique = len({p.digest for p in filled.proteins})
    assert report.checked["embeddings"] == 2 * len(filled.proteins)
    assert report.checked["proteins"] == report.checked["tokens"] == unique
    assert report.checked["tasks"] == 1
    assert report.to_json()["bad"] == []


def test_there_must_be_a_store(tmp_path):
    with pytest.raises(MissingFileError):
        verify(tmp_path / "none")


@pytest.mark.parametrize("seed", range(4))
def test_every_changed_byte_is_found(filled, seed):
    """Half of the places by size, half by file, so that small files get their share."""
    rng = random.Random(seed)
    known = files(filled.store)
    sizes = [path.stat().st_size for path in known]
    for _ in range(20):
        weights = sizes if rng.random() < 0.5 else None
        path = rng.choices(known, weights)[0]
        place = rng.randrange(path.stat().st_size)
        with path.open("r+b") as file:
            file.seek(place)
            old = file.read(1)
            file.seek(place)
            file.write(bytes([old[0] ^ rng.randrange(1, 256)]))
        report = verify(filled.store.path)
        assert not report.ok, f"{path}, byte {place}"
        with path.open("r+b") as file:
            file.seek(place)
            file.write(old)
    assert verify(filled.store.path).ok


def test_a_missing_or_cut_file_is_found(filled):
    root = filled.store.path
    segment = filled.store.embeddings("enc_float16").segments[0].path
    for path in (
        segment / "values/c.0.0",
        segment / "digests/zarr.json",
        segment / "checksums.json",
    ):
        kept = path.read_bytes()
        for change in (lambda: path.unlink(), lambda: path.write_bytes(kept[:-1])):  # noqa: B023
            change()
            for quick in (True, False):
                assert not verify(root, quick=quick).ok
            path.write_bytes(kept)


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


def test_unsealed_files_are_walked_record_by_record(filled, kit):
    root = filled.store.path
    for path in (root / "proteins.lmdb", root / "tokens/alphafold2.lmdb"):
        seal_path(path).unlink()
    report = verify(root)
    assert report.ok
    assert len(report.notes) == 2
    path = root / "tokens/alphafold2.lmdb"
    raw = path.read_bytes()
    codes = kit.tokens(max(filled.proteins, key=len)).codes["dssp"].tobytes()
    path.write_bytes(raw.replace(codes, bytes([codes[0] ^ 1]) + codes[1:]))
    assert not verify(root).ok
    path.write_bytes(raw)
    assert check_apart(path) == check_records(path)


def test_a_file_lmdb_cannot_read_does_not_take_verify_with_it(filled):
    """Each page gets rubbish in turn: the walk happens in a child, which may crash."""
    path = filled.store.path / "tokens/alphafold2.lmdb"
    seal_path(path).unlink()
    raw = path.read_bytes()
    noticed = 0
    for page in range(2, len(raw) // 4096, 3):
        start = page * 4096
        path.write_bytes(raw[:start] + os.urandom(4096) + raw[start + 4096 :])
        noticed += not verify(filled.store.path).ok
    assert noticed > 0
    path.write_bytes(b"\0" * len(raw))
    assert not verify(filled.store.path).ok


def test_leftovers_are_notes_not_faults(filled):
    folder = filled.store.embeddings("enc_int8").folder
    (folder / f".{layout.new_segment_id()}").mkdir()
    for name in (".git", ".dvc", ".DS_Store", ".snapshot"):
        (folder / name).mkdir()
    (filled.store.path / "my notes.txt").write_text("mine")
    report = verify(filled.store.path)
    assert report.ok
    assert report.notes == [
        "my notes.txt is no part of the store",
        "1 unfinished files or folders, which `sesstore gc` removes",
    ]
