"""Records of bundles that lie, and parsers that meet anything."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError, StoreError
from sesstore.sharing import bundle_records, limits
from sesstore.sharing.bundle_records import (
    Record,
    check_makers,
    read_id,
    read_protein,
    read_tokens,
    sha256_of,
)
from sesstore.sharing.bundles import parse_footer, write_bundles
from sesstore.sharing.pull_context import Selection
from sesstore.sharing.share_index import BundleEntry, parse_index

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


BYTES = st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("proteins", lambda r: Record(r.digest, r.data.replace(b"A", b"C"), r.key)),
        ("proteins", lambda r: Record(bytes(32), r.data, r.key)),
        ("proteins", lambda r: Record(r.digest, b"not JSON", r.key)),
        ("proteins", lambda r: Record(r.digest, b'{"id": 7, "sequence": "MKV"}', r.key)),
        ("proteins", lambda r: Record(r.digest, b'{"id": "\\ud800", "sequence": "M"}', r.key)),
        ("ids", lambda r: Record(r.digest, b'{"id": null}', r.key)),
        ("ids", lambda r: Record(r.digest, b"[" * 100_000, r.key)),
        ("tokens", lambda r: Record(r.digest, r.data[:-1], r.key)),
        ("tokens", lambda r: Record(r.digest, r.data + b"\0", r.key)),
        ("tokens", lambda r: Record(r.digest, r.data[:-1] + b"\xff", r.key)),
        ("tokens", lambda r: Record(r.digest, r.data.replace(b'"length":', b'"length":1'), r.key)),
        ("tokens", lambda r: Record(r.digest, r.data.replace(b"dssp", b"dsss"), r.key)),
    ],
)
def test_records_that_lie(forgery, kind, change):
    forgery.rebundle(kind, change)
    assert "refused" in forgery.refused(Selection(plms=()))


def test_tokens_of_another_length_than_the_sequence(forgery):
    others: list[bytes] = []

    def exchange(record: Record) -> Record:
        others.append(record.digest)
        return Record(others[-2] if len(others) > 1 else record.digest, record.data)

    forgery.rebundle("tokens", exchange)
    assert "another length" in forgery.refused(Selection(plms=()))


@given(BYTES)
def test_parsers_of_what_arrives_never_break(raw):
    record = Record(bytes(32), raw)
    entry = BundleEntry("tokens", "x", len(raw), len(raw), 1, sha256(raw).hexdigest())
    for parse in (
        lambda: parse_index(raw, "here"),
        lambda: parse_footer(raw, entry),
        lambda: read_protein(record),
        lambda: read_id(record),
        lambda: read_tokens(record, "alphafold2", {}),
    ):
        with pytest.raises(CorruptStoreError):
            parse()


@given(
    st.dictionaries(st.sampled_from(["length", "parts", "x"]), JSON, max_size=3),
    st.binary(max_size=20),
)
def test_heads_of_tokens_never_break(head, body):
    data = json.dumps(head).encode() + b"\n" + body
    with pytest.raises(CorruptStoreError):
        read_tokens(Record(bytes(32), data), "alphafold2", {})


ENDS = {
    "falling": lambda ends: ends[::-1],
    "negative": lambda ends: np.r_[-1, ends[1:]],
    "short": lambda ends: np.r_[ends[:-1], ends[-1] - 1],
    "long": lambda ends: np.r_[ends[:-1], ends[-1] + 1],
    # Steps that overflow: by their differences these grow.
    "overflowing": lambda ends: np.r_[5, -(2**63) + 4, -1, ends[3:]],
    "none": lambda ends: ends[:0],
}


@pytest.mark.parametrize("change", ENDS)
def test_ends_of_records_that_lie(tmp_path, change):
    records = [Record(bytes([i]) * 32, b"x" * (i + 1)) for i in range(6)]
    ((_, entry, path),) = write_bundles(tmp_path, "ids", "", records, {})
    raw = path.read_bytes()[-entry.footer :]
    head = len(raw) - 6 * 64
    ends = head + 6 * 40
    stated = ENDS[change](np.frombuffer(raw[ends : ends + 48], "<i8")).astype("<i8")
    if change == "none":
        lying = raw[:8] + bytes(8) + raw[16:head]
        entry = replace(entry, records=0, footer=len(lying))
    else:
        lying = raw[:ends] + stated.tobytes() + raw[ends + 48 :]
    entry = replace(entry, footer_sha256=sha256(lying).hexdigest())
    with pytest.raises(CorruptStoreError, match="back to back"):
        parse_footer(lying, entry)


def test_a_record_of_an_impossible_size(tmp_path, monkeypatch):
    record = Record(bytes(32), b"x" * 50)
    ((_, entry, path),) = write_bundles(tmp_path, "ids", "", [record], {})
    monkeypatch.setattr(limits, "RECORD_BYTES", 49)
    with pytest.raises(CorruptStoreError, match="a record of over 49 bytes"):
        parse_footer(path.read_bytes()[-entry.footer :], entry)
    with pytest.raises(StoreError, match="can be shared"):
        list(write_bundles(tmp_path, "ids", "", [record], {}))


@pytest.mark.parametrize("number", [10**30, 2**63, 2**62, -1, 0])
@pytest.mark.parametrize("name", ["length", "conformers"])
def test_tokens_of_impossible_sizes(name, number):
    maker = {"tool": "t", "circumstances": {}}
    length, conformers = (number, 1) if name == "length" else (3, number)
    head = {"length": length, "parts": {"dssp": [conformers, "k"]}}
    record = Record(bytes(32), json.dumps(head).encode() + b"\n" + bytes(3))
    with pytest.raises(CorruptStoreError):
        read_tokens(record, "pdb", {"k": maker})


MAKER = {"tool": "mini3di", "circumstances": {}}


def token_record(parts: dict[str, tuple[int, str]], length: int, body: bytes) -> Record:
    head = json.dumps({"length": length, "parts": parts}).encode()
    return Record(b"d" * 32, head + b"\n" + body, "")


@pytest.mark.parametrize(
    ("parts", "length", "body", "sound"),
    [
        ({"foldseek": (1, "m")}, 1, b"\0", True),
        ({"foldseek": (1, "m")}, 0, b"", False),
        ({"foldseek": (0, "m")}, 1, b"", False),
        ({"foldseek": (1, "m")}, 1, b"\0\0", False),
        ({"foldseek": (2, "m")}, 2, b"\0\0\0\0", True),
        ({}, 1, b"", False),
        ({"foldseek": (1, "other")}, 1, b"\0", False),
        ({"foldseek": (1, "m"), "plddt": (1, "m")}, 1, b"\0\x64", True),
        ({"foldseek": (1, "m"), "plddt": (1, "m")}, 1, b"\0\x65", False),
        ({"foldseek": (1, "m"), "plddt": (2, "m")}, 1, b"\0\x01\x01", False),
    ],
)
def test_tokens_at_the_edge_of_what_they_may_be(parts, length, body, sound):
    record = token_record(parts, length, body)
    if not sound:
        with pytest.raises(CorruptStoreError):
            read_tokens(record, "pdb", {"m": MAKER})
        return
    (tokens,) = read_tokens(record, "pdb", {"m": MAKER}).parts.values()
    assert (tokens.source, tokens.tool) == ("pdb", "mini3di")
    assert tokens.codes["foldseek"].shape == (parts["foldseek"][0], length)
    assert (tokens.plddt is None) is ("plddt" not in parts)


@pytest.mark.parametrize(
    ("maker", "sound"),
    [(MAKER, True), ({"tool": 7, "circumstances": {}}, False), ({"tool": "x"}, False),
     ({"tool": "x", "circumstances": []}, False), ("x", False)],
)  # fmt: skip
def test_what_made_tokens_is_said_as_it_must_be(maker, sound):
    makers = {sha256_of(maker): maker}
    if sound:
        assert check_makers(makers) == makers
    else:
        with pytest.raises(CorruptStoreError, match="not said as it must be"):
            check_makers(makers)
    for wrong in ({"other": maker}, [maker], None):
        with pytest.raises(CorruptStoreError):
            check_makers(wrong)


@pytest.mark.parametrize(("length", "fits"), [((1 << 16) - 1, True), (1 << 16, False)])
def test_an_id_has_its_longest(length, fits):
    if fits:
        assert len(bundle_records._id("x" * length)) == length
    else:
        with pytest.raises(CorruptStoreError):
            bundle_records._id("x" * length)
