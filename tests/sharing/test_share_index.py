from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError, StoreError
from sesstore.sharing import limits, share_paths
from sesstore.sharing.share_index import Index, parse_index
from sesstore.store.atomic_files import sealed, unsealed


@pytest.mark.parametrize(
    "bad",
    [
        7,
        [None],
        [{"name": "../evil", "letters": "AB"}],
        [{"name": "foldseek", "letters": "AB"}],
        [{"name": "x", "codes": 10**9}],
        [{"name": f"a{i}", "letters": "AB"} for i in range(200)],
    ],
)
def test_alphabets_that_are_none(forgery, bad):
    document = forgery.index()
    document["alphabets"] = bad
    forgery.replace_index(document)
    forgery.refused()


@pytest.mark.parametrize("count", [-1, 0, 10**15, 2**63, 1.5, True, None, "7", [7]])
@pytest.mark.parametrize("what", ["proteins", "residues", "bytes", "dim", "footer", "records"])
def test_sizes_that_lie(lying_index, what, count):
    document = lying_index.index()
    encoder = next(iter(document["encoders"].values()))
    entry = next(iter(encoder["segments"].values()))
    if what in ("footer", "records"):
        document["bundles"][0][what] = count
    elif what == "dim":
        encoder["provenance"]["dim"] = count
    elif what == "bytes":
        entry["files"]["values/c.0.0"]["bytes"] = count
    else:
        entry[what] = count
    assert "refused" in lying_index.unparsable(document)


def mutated(document, rng):
    """A document with one of its values replaced."""
    places: list = []

    def walk(node) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(document)
    node, key = places[rng.integers(len(places))]
    choices = [-1, 0, 2**62, None, "x", "../x", [], {}, 1.5, True, "0" * 64, "a/b", ["x"]]
    node[key] = choices[rng.integers(len(choices))]
    return document


def test_hundreds_of_indices_that_lie(published):
    """Parsed as a set of safe names and fitting sizes, or refused."""
    raw = (published / share_paths.INDEX).read_bytes()
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(400):
        document = mutated(unsealed(raw, published), rng)
        try:
            index = parse_index(sealed(document), "here")
        except CorruptStoreError:
            continue
        kept += 1
        for folder, encoder in index.encoders.items():
            for segment, entry in encoder.segments.items():
                for file in entry.files:
                    assert share_paths.is_public(share_paths.segment_path(folder, segment, file))
        assert all(share_paths.is_public(share_paths.bundle_path(sha)) for sha in index.bundles)
        assert all(
            share_paths.is_public(share_paths.task_path(t.sha256)) for t in index.tasks.values()
        )
    assert kept < 160


def test_an_index_that_takes_far_more_memory_than_bytes():
    """Forty megabytes of empty lists were held in gigabytes before they were refused."""
    raw = b'{"sesstore_share":1,"encoders":{},"bundles":[' + b",".join([b"[]"] * 1_000_000) + b"]}"
    tracemalloc.start()
    try:
        with pytest.raises(CorruptStoreError, match="larger than an index may be"):
            parse_index(raw, "here")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_indices_we_write_are_read(published):
    """The bound on values a byte is far from what real ones need."""
    raw = (published / share_paths.INDEX).read_bytes()
    assert not limits.too_many_values(raw)
    assert sum(map(raw.count, (b",", b"[", b"{"))) * 2 * limits.BYTES_A_VALUE < len(raw)


def test_an_index_no_reader_would_take_is_not_written(published, monkeypatch):
    index = parse_index((published / share_paths.INDEX).read_bytes(), "here")
    monkeypatch.setattr(limits, "INDEX_BYTES", 1000)
    with pytest.raises(StoreError, match="sesstore compact"):
        index.to_bytes()
    assert Index().to_bytes()


HUGE = {
    "a task": lambda d: d["tasks"]["toy"].update(bytes=2**31),
    "a bundle": lambda d: d["bundles"][0].update(bytes=2**33),
    "a footer": lambda d: d["bundles"][0].update(footer=2**26, bytes=2**27),
    "a footer over its bundle": lambda d: d["bundles"][0].update(footer=2**20, bytes=2**19),
    "records": lambda d: d["bundles"][0].update(records=2**17),
}


@pytest.mark.parametrize("what", HUGE)
def test_sizes_beyond_what_is_ever_written(lying_index, what):
    document = lying_index.index()
    HUGE[what](document)
    assert "is no size it may have" in lying_index.unparsable(document)


def test_a_segment_of_more_proteins_than_memory(lying_index):
    """Everything about it fits together: what it claims is 10 million proteins of a residue."""
    document = lying_index.index()
    encoder = document["encoders"][lying_index.segments()[0].parent.name]
    (entry, *_) = encoder["segments"].values()
    count, row = 10_000_000, 2 * encoder["provenance"]["dim"]
    entry |= {"proteins": count, "residues": count}
    sizes = {
        "offsets/c.0": 8 * (count + 1),
        "digests/c.0.0": 32 * count,
        "values/c.0.0": count * row,
    }
    for file, size in sizes.items():
        entry["files"][file]["bytes"] = size
    assert "more than a segment may have" in lying_index.unparsable(document)
