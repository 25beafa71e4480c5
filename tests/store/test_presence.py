"""What is said of what is gone, linked, or could go without being noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sesstore.alphabets import Alphabet
from sesstore.store import layout, presence
from sesstore.store.atomic_files import sealed
from sesstore.store.integrity import verify
from sesstore.store.lmdb_pages import PageFile
from sesstore.store.manifest import counts_of, renew, strike
from sesstore.store.presence import (
    count_unentered,
    links,
    missing,
    objects,
    older_than_entered,
    uncommitted,
)


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


def test_every_part_is_listed_and_nothing_else(filled) -> None:
    root = filled.store.path
    filled.store.declare(Alphabet("turns", "AB"))
    (root / "tasks/notes.txt").write_text("mine")
    (root / "tasks/toy copy.jsonl").write_text("mine")
    assert list(objects(root)) == [
        root / "proteins.lmdb",
        *sorted(root.glob("embeddings/enc_*/2*")),
        root / "tokens/alphafold2.lmdb",
        root / "tasks/toy.jsonl",
        root / "alphabets/turns.toml",
    ]
    (root / "proteins.lmdb").unlink()
    assert root / "proteins.lmdb" not in set(objects(root))
    (root / "manifest/alphabets/turns.toml").write_bytes(b"{}")
    where, what = list(missing(root))[1]
    assert (where, "turns.toml is not what was written" in what) == (root / "manifest", True)


def test_what_is_removed_while_one_looks_is_no_loss(filled, monkeypatch) -> None:
    """Compaction strikes the entry before the object goes, and does so now."""
    root = filled.store.path
    segment = filled.store.embeddings("enc_int8").segments[0].path

    def looked(place: Path) -> bool:
        if place == segment:
            strike(segment)
        return place != segment

    monkeypatch.setattr(presence, "is_there", looked)
    assert list(missing(root)) == []


def test_a_database_is_older_than_its_entry_by_its_transactions(filled) -> None:
    path = filled.store.path / "proteins.lmdb"
    with PageFile(path) as file:
        newest = max(meta.transaction for meta in file.metas)
    assert counts_of(path)["transaction"] == newest
    assert older_than_entered(path) is None
    renew(path, transaction=newest - 1, records=9)
    assert older_than_entered(path) is None
    renew(path, transaction=newest + 1, records=1234)
    assert older_than_entered(path) == (
        f"it is an older state of itself (transaction {newest} instead of {newest + 1}): what was "
        f"added since is gone; it held 1,234 proteins"
    )
    path.write_bytes(bytes(path.stat().st_size))  # says of no transaction
    assert "(transaction 0 instead of" in older_than_entered(path)
    renew(path)
    assert older_than_entered(path) is None
    strike(path)
    assert older_than_entered(path) is None


def test_what_is_unfinished_is_listed_wherever_it_lies(filled) -> None:
    root, folder = filled.store.path, filled.store.encoder_folder("enc_int8")
    bundles = root / "share/bundles"
    bundles.mkdir(parents=True)
    (root / "alphabets").mkdir()
    assert list(uncommitted(root)) == []
    scratch = [
        root / "manifest/tasks/.never.jsonl",  # its task was never written
        root / ".zarr.json.0123456789ab",
        root / "embeddings/.enc_x-0123456789ab.0123456789ab",
        root / "tokens/.0123456789ab.alphafold2.lmdb",
        root / "tasks/.toy.jsonl.0123456789ab",
        root / "alphabets/.x.toml.0123456789ab",
        folder / ".20200101T000000000000-0123456789abcdef",
        root / "share/.index.json.0123456789ab",
        bundles / f".{'ab' * 32}.0123456789ab",
    ]
    for place in scratch:
        place.write_bytes(sealed({}))
    for place in (root, folder, bundles):
        (place / ".git").write_bytes(b"")
    (root / "manifest/tasks/.toy.jsonl").write_bytes(sealed({}))  # its task is there
    assert list(uncommitted(root)) == scratch
