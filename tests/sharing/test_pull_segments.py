"""Parts of segments that are pulled alone: every row and sum is checked."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError, SesstoreError
from sesstore.sharing import share_paths
from sesstore.sharing.publication import sums_of_segment
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import Selection
from sesstore.store import layout
from sesstore.store.integrity import verify


def test_changed_bytes_of_parts(forgery, tmp_path):
    rng = np.random.default_rng(0)
    chosen = Selection(ids=("s0p3", "s0p60", "s0p150"), plms=("int",))
    found = 0
    for kind in ("values/c.0.0", "scales/c.0", "offsets/c.0", "digests/c.0.0", "values/zarr.json"):
        for path in sorted(forgery.path.glob(f"embeddings/int-*/*/{kind}")):
            original = path.read_bytes()
            path.write_bytes(bytes(b ^ 1 for b in original))
            try:
                pull(tmp_path / "mine", str(forgery.path), chosen)
            except SesstoreError:
                found += 1
            if (tmp_path / "mine").exists():
                assert verify(tmp_path / "mine").ok
                shutil.rmtree(tmp_path / "mine")
            path.write_bytes(original)
    for path in sorted((forgery.path / "share/sums").iterdir()):
        path.write_bytes(rng.bytes(path.stat().st_size))
    with pytest.raises(CorruptStoreError, match="sum"):
        pull(tmp_path / "mine", str(forgery.path), chosen)
    assert found >= 5


def _of_values(change):
    """A change of the metadata of values, whose JSON stays what it was otherwise."""

    def changed(raw: bytes) -> bytes:
        document = layout.parse(raw)
        change(document)
        return json.dumps(document).encode()

    return changed


def _shards_of(rows: int, chunk: int):
    return lambda raw: layout.sharded_metadata(
        tuple(layout.parse(raw)["shape"]), "float16", rows, chunk
    )


@pytest.mark.parametrize(
    "change",
    [
        _of_values(lambda document: document.update(data_type="int16")),
        _of_values(lambda document: document.update(shape=[document["shape"][0], 8])),
        _of_values(lambda document: document.update(fill_value=1.0)),
        _of_values(lambda document: document["codecs"][0]["configuration"]["codecs"].append({})),
        _shards_of(0, 0),
        _shards_of(-16, -16),
        _shards_of(16, 32),
        _shards_of(1 << 48, 16),
    ],
)
def test_metadata_of_values_are_as_sesstore_writes_them_for_parts_too(forgery, change):
    """What is read by ranges is never looked through as a whole segment is."""
    for segment in forgery.segments():
        file = "values/zarr.json"
        forgery.reseal(segment, file, change((segment / file).read_bytes()))
    said = forgery.refused(Selection(ids=("s0p3", "s0p60"), plms=("enc",)))
    assert "not as sesstore writes them" in said


def same_length_pair(segment) -> tuple[int, int]:
    """Two proteins of a segment with equally many residues."""
    offsets = np.frombuffer((segment / "offsets/c.0").read_bytes(), "<i8")
    lengths = np.diff(offsets).tolist()
    first = next(i for i, n in enumerate(lengths) if n in lengths[i + 1 :])
    return first, lengths.index(lengths[first], first + 1)


@pytest.mark.parametrize("ids", [(), ("s0p3", "s0p60", "s0p150")], ids=["whole", "parts"])
def test_digests_exchanged_behind_the_back_of_the_index(forgery, ids):
    """All that the sender calculates himself fits, lengths too; only the index says otherwise."""
    for segment in forgery.segments():
        one, other = same_length_pair(segment)
        path = segment / "digests/c.0.0"
        rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 32).copy()
        rows[[one, other]] = rows[[other, one]]
        forgery.reseal(segment, "digests/c.0.0", rows.tobytes(), index=False)
    assert "not what the index says" in forgery.refused(Selection(ids=ids, plms=("enc",)))


def test_other_values_behind_the_back_of_the_index(forgery):
    segment = forgery.segments()[0]
    values = (segment / "values/c.0.0").read_bytes()
    forgery.reseal(segment, "values/c.0.0", bytes(2) + values[2:], index=False)
    assert "not what the index says" in forgery.refused(Selection(plms=("enc",)))


@pytest.mark.parametrize("encoder", ["enc", "int"])
def test_values_that_are_not_finite_in_parts(forgery, encoder):
    """With their sums made to fit."""
    file = "values/c.0.0" if encoder == "enc" else "scales/c.0"
    for segment in forgery.segments(encoder):
        raw = (segment / file).read_bytes()
        residues = int(np.frombuffer((segment / "offsets/c.0").read_bytes(), "<i8")[-1])
        size = residues * (32 if encoder == "enc" else 2)  # a shard's index follows
        forgery.reseal(segment, file, b"\xff\x7f" * (size // 2) + raw[size:])
        sums = sums_of_segment(segment)
        (forgery.path / share_paths.sums_path(segment.name)).write_bytes(sums)
    chosen = Selection(ids=("s0p3", "s0p60"), plms=(encoder,))
    assert "not finite" in forgery.refused(chosen)
