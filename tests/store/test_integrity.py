from __future__ import annotations

import random
from pathlib import Path

import pytest

from sesstore.errors import MissingFileError
from sesstore.store import Store, layout
from sesstore.store.integrity import verify


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
