"""Databases of records without a seal, or beyond reading."""

from __future__ import annotations

import os

from sesstore.store.integrity import verify
from sesstore.store.lmdb_check import check_apart, check_records
from sesstore.store.lmdb_seals import seal_path


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
