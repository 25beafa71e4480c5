"""What is said of what is gone, linked, or could go without being noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sesstore.store import layout
from sesstore.store.integrity import verify
from sesstore.store.presence import count_unentered, links, missing, objects


def test_what_is_gone_is_said_with_what_it_held(filled) -> None:
    root, unique = filled.store.path, len({p.digest for p in filled.proteins})
    segment = filled.store.embeddings("enc_int8").segments[0]
    counts = segment.attributes
    assert list(missing(root)) == []
    shutil.rmtree(segment.path)
    for name in ("proteins.lmdb", "tokens/alphafold2.lmdb", "tasks/toy.jsonl"):
        (root / name).unlink()
    of_segment = f"{counts['proteins']:,} proteins, {counts['residues']:,} residues"
    assert dict(missing(root)) == {
        segment.path: f"it is gone; it held {of_segment}",
        root / "proteins.lmdb": f"it is gone; it held {unique} proteins",
        root / "tokens/alphafold2.lmdb": f"it is gone; it held {unique} proteins",
        root / "tasks/toy.jsonl": "it is gone; it held 30 rows",
    }


@pytest.mark.parametrize("kind", ["segment", "encoder"])
def test_a_link_in_the_place_of_a_segment_or_an_encoder_is_a_fault(
    filled, tmp_path: Path, kind: str
) -> None:
    """Readers do not follow it, and what it leads to is there all the same."""
    root, segment = filled.store.path, filled.store.embeddings("enc_int8").segments[0].path
    place = segment if kind == "segment" else segment.parent
    shutil.move(place, tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    (place.parent / ".hidden").symlink_to(tmp_path)
    said = f"it is a link to {tmp_path / 'elsewhere'}, which no reader follows"
    assert list(links(root)) == [(place, said)]
    assert said in [fault.what for fault in verify(root).bad]


def test_parts_without_an_entry_are_counted(filled) -> None:
    root = filled.store.path
    total = len(list(objects(root)))
    assert total == 3 + len(list(root.glob("embeddings/*/2*")))
    assert count_unentered(root) == 0
    (root / "manifest/tasks/toy.jsonl").unlink()
    (root / "manifest/proteins.lmdb").unlink()
    assert count_unentered(root) == 2
    shutil.rmtree(root / layout.MANIFEST)
    assert count_unentered(root) == total
    assert verify(root).notes[0].startswith(f"{total} parts are not in the manifest")
