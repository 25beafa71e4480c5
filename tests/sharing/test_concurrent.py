"""Several pulls, merges and pushes at once, in processes of their own: each ends well."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sesstore.sharing.fetch import Reader, fetch_segment
from sesstore.sharing.places import FolderRemote
from sesstore.sharing.pull import pull
from sesstore.sharing.push import push
from sesstore.sharing.share_index import SegmentEntry, parse_index
from sesstore.store import Store
from sesstore.store.diff import compare_stores
from sesstore.store.integrity import verify

CHILD = """
import sys
from pathlib import Path
from sesstore.sharing.pull import pull
print("ready", flush=True)
sys.stdin.readline()
for where in sys.argv[2:]:
    pull(Path(sys.argv[1]), where)
"""


def at_once(mine: Path, *orders: list[str]) -> list[str]:
    """Pull in several processes that begin together; what they say on standard error."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(mine), *order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for order in orders
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    with ThreadPoolExecutor(len(children)) as pool:
        said = list(pool.map(lambda child: child.communicate(timeout=120)[1], children))
    assert [child.returncode for child in children] == [0] * len(children), said
    return said


@pytest.mark.parametrize("number", [2, 4])
def test_pulls_into_one_new_store(published, shared, tmp_path, number):
    mine = tmp_path / "mine"
    assert at_once(mine, *([[str(published)]] * number)) == [""] * number
    assert verify(mine).ok
    assert compare_stores(shared, Store.open(mine)).same
    assert not list(mine.glob("embeddings/*/.pull-*"))
    assert len(list(mine.glob("embeddings/*/2*"))) == len(list(shared.path.glob("embeddings/*/2*")))


def test_pulls_of_several_stores_in_other_orders(kit, shared, tmp_path):
    others = [kit.fill(tmp_path / f"s{i}", kit.proteins(30, seed=i), ()) for i in range(2)]
    places = [str(store.path) for store in (*others, shared)]
    mine = tmp_path / "mine"
    at_once(mine, places, places[::-1], places[1:] + places[:1])
    assert verify(mine).ok
    assert Store.open(mine).count_proteins() == 230


def fetch(remote: Path, entry: SegmentEntry, segment: Path, final: Path) -> int:
    """Fetch a segment as a pull does."""
    index = parse_index((remote / "share/index.json").read_bytes(), "here")
    encoder = index.encoders[segment.parent.name]
    with ThreadPoolExecutor(8) as pool:
        return fetch_segment(
            Reader(FolderRemote(remote)),
            str(segment.relative_to(remote)),
            entry,
            final,
            encoder.provenance,
            lengths=lambda digests: [-1] * len(digests),
            pool=pool,
            advance=lambda _: None,
        )


def test_a_segment_is_fetched_once_however_many_want_it(forgery, tmp_path):
    """Many threads want it; between any two steps of one another may come."""
    index = parse_index((forgery.path / "share/index.json").read_bytes(), "here")
    segment = forgery.segments()[0]
    entry = index.encoders[segment.parent.name].segments[segment.name]
    for attempt in range(5):
        final = tmp_path / str(attempt) / segment.name
        final.parent.mkdir()
        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(fetch, forgery.path, entry, segment, final) for _ in range(8)]
            moved = [job.result() for job in jobs]
        assert sorted(moved)[:7] == [0] * 7
        assert [p.name for p in final.parent.iterdir()] == [segment.name]


def test_who_waited_for_a_folder_that_is_gone_begins_anew(forgery, tmp_path):
    """The lock it waited for is that of a folder which has another name by now, or none."""
    index = parse_index((forgery.path / "share/index.json").read_bytes(), "here")
    segment = forgery.segments()[0]
    entry = index.encoders[segment.parent.name].segments[segment.name]
    final = tmp_path / "here" / segment.name
    place = final.with_name(f".pull-{segment.name}")
    place.mkdir(parents=True)
    handle = os.open(place, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    results: list[int] = []
    waiting = threading.Thread(
        target=lambda: results.append(fetch(forgery.path, entry, segment, final))
    )
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    shutil.rmtree(place)
    os.close(handle)
    waiting.join(30)
    assert results[0] > 0
    assert final.is_dir()


def test_a_store_that_another_process_is_making(tmp_path):
    """Its metadata lie under their temporary name already, or its other folders do by now."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".zarr.json.0123456789ab").write_bytes(b"{")
    assert Store.create(tmp_path / "new").count_proteins() == 0
    assert push(Store.open(tmp_path / "new"), str(tmp_path / "other")).segments == 0
    pull(tmp_path / "third", str(tmp_path / "new"))
