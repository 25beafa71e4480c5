"""Which names a store gives, and which are no part of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesstore.errors import InputError
from sesstore.store import layout

SEGMENT = "20261127T000000000000-0000000000000000"
ENCODER = "x-0123456789ab"


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("proteins.lmdb", True),
        ("share/index.json", True),
        (f"embeddings/{ENCODER}/{SEGMENT}", True),
        (f"embeddings/{ENCODER}/notes", False),
        (f"embeddings/{ENCODER}/{SEGMENT}x", False),
        (f"embeddings/x/{SEGMENT}", False),
        (f"embeddings/x-0123456789AB/{SEGMENT}", False),
        (f"embeddings/{'x' * 100}-0123456789ab/{SEGMENT}", True),
        (f"embeddings/{'x' * 101}-0123456789ab/{SEGMENT}", False),
        ("tokens/pdb.lmdb", True),
        ("tokens/pdb.jsonl", False),
        ("tokens/p d b.lmdb", False),
        ("tokens/.pdb.lmdb", False),
        ("tasks/ec.jsonl", True),
        ("tasks/ec.lmdb", False),
        ("alphabets/mine.toml", True),
        ("notes/ec.jsonl", False),
        ("share/other.json", False),
        ("other.lmdb", False),
    ],
)
def test_what_is_part_of_a_store(path: str, known: bool) -> None:
    assert layout.is_object(tuple(path.split("/"))) is known


@pytest.mark.parametrize(
    ("name", "unfinished"),
    [
        (f".{SEGMENT}", True),
        (f".pull-{SEGMENT}", True),
        (f".gone-{SEGMENT}-0123abcd", True),
        (SEGMENT, False),
        (f".other-{SEGMENT}", False),
        (".ec.jsonl.0123456789ab", True),
        (".ec.jsonl.0123456789ab-lock", True),
        (".ec.jsonl.0123456789", False),
        (".0123456789ab.pdb.lmdb", True),
        (".DS_Store", False),
    ],
)
def test_what_is_not_committed(name: str, unfinished: bool) -> None:
    assert layout.is_unfinished(name) is unfinished


@pytest.mark.parametrize("name", ["a", "a" * 128, "A.b_c+d-e", "9"])
def test_names_that_files_may_have(name: str) -> None:
    assert layout.check_name("task", name) == name


@pytest.mark.parametrize("name", ["", "a" * 129, ".a", "-a", "a b", "a/b", "\u00e9"])
def test_names_that_they_may_not_have(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a task"):
        layout.check_name("task", name)


def test_folders_and_files_are_told_apart(tmp_path) -> None:
    for name in ("b", "a", ".c", "d e"):
        (tmp_path / name).mkdir()
    for name in ("y.lmdb", "x.lmdb", "x.jsonl", ".z.lmdb"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert [path.name for path in layout.committed(tmp_path)] == ["a", "b"]
    assert [path.name for path in layout.documents(tmp_path, ".lmdb")] == ["x.lmdb", "y.lmdb"]
    assert layout.committed(tmp_path / "none") == []


def test_the_folder_of_an_encoder_is_named_for_it(kit) -> None:
    provenance = kit.provenance()
    fingerprint = provenance.fingerprint

    def folder(**change: str) -> str:
        changed = replace(fingerprint, **change)
        name = layout.encoder_folder(replace(provenance, fingerprint=changed))
        assert name.endswith(f"-{changed.short}")
        return name.removesuffix(f"-{changed.short}")

    assert folder(encoder="hf:my/model v2") == "hf_my_model_v2"
    assert folder(encoder=".x") == "x"
    assert folder(encoder="x" * 101) == "x" * 100
    assert folder(encoder="x" * 101, reduction="mean") == f"{'x' * 90}.mean"


def test_ids_of_segments_are_new_and_may_keep_a_place() -> None:
    first, second = layout.new_segment_id(), layout.new_segment_id()
    assert layout.is_segment_id(first)
    assert first != second
    assert layout.new_segment_id(first).split("-")[0] == first.split("-")[0]
    assert layout.new_segment_id(first) != first
