"""Records that are made of a store and read again, and the bundles that hold them."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError
from sesstore.proteins import Protein
from sesstore.sharing import bundle_records, limits, share_paths
from sesstore.sharing.bundle_records import (
    Record,
    id_number,
    id_records,
    protein_records,
    read_id,
    read_protein,
    read_tokens,
    sha256_of,
    token_records,
)
from sesstore.sharing.bundles import identity, parse_footer, sum_of, write_bundles
from sesstore.store import Store

FURTHER = [("z", 0), ("a", 0), ("m", 3), ("ü", 3)]
"""Second and third ids of some proteins, by place."""


@pytest.fixture
def proteins(kit) -> list[Protein]:
    return kit.proteins(6)


@pytest.fixture
def store(kit, tmp_path, proteins) -> Store:
    """Six proteins, two of them under further ids; tokens of four, one of them made in parts."""
    store = Store.create(tmp_path / "store")
    store.add_proteins(proteins)
    store.add_proteins([Protein(name, proteins[i].sequence) for name, i in FURTHER])
    whole = [kit.tokens(protein) for protein in proteins[:4]]
    store.add_tokens([replace(whole[0], plddt=None, tool="table")], {"run": 1})
    store.add_tokens([replace(whole[0], codes={}, tool="models")], {"run": 2})
    store.add_tokens([replace(tokens, tool="mini3di") for tokens in whole[1:3]], {"run": 3})
    store.add_tokens([replace(whole[3], plddt=None, tool="mini3di")], {"run": 3})
    return store


def first_eight(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8], "little")


def test_records_of_sequences(store, proteins):
    """With the id each came under first, found by a number that others know."""
    records = list(protein_records(store))
    assert [record.digest for record in records] == sorted(p.digest for p in proteins)
    names = {protein.digest: protein.id for protein in proteins}
    for record in records:
        protein = read_protein(record)
        assert (protein.id, protein.digest) == (names[record.digest], record.digest)
        assert record.key == first_eight(names[record.digest]) == id_number(names[record.digest])
    some = [proteins[4].digest, proteins[1].digest]
    assert [record.digest for record in protein_records(store, some)] == some
    assert id_number("\ud800") == first_eight("?")
    assert json.loads(records[0].data) == {
        "id": names[records[0].digest],
        "sequence": read_protein(records[0]).sequence,
    }


def test_records_of_further_ids(store, proteins):
    """Not the first id of any; in the order of digests, then of names."""
    expected = sorted((proteins[i].digest, name) for name, i in FURTHER)
    records = list(id_records(store))
    assert [(record.digest, read_id(record)) for record in records] == expected
    assert [record.key for record in records] == [first_eight(name) for _, name in expected]


def test_a_store_of_nothing_has_no_records(tmp_path):
    empty = Store.create(tmp_path / "empty")
    assert list(id_records(empty)) == list(protein_records(empty)) == []


def test_records_of_tokens_say_what_made_each_part(store, kit, proteins):
    tokens = store.tokens("alphafold2")
    makers = tokens.provenance()
    records = list(token_records(tokens))
    assert [record.digest for record in records] == sorted(p.digest for p in proteins[:4])
    assert {record.key for record in records} == {0}
    runs = {}
    for record in records:
        item = kit.tokens(next(p for p in proteins if p.digest == record.digest))
        head, _, body = record.data.partition(b"\n")
        names, length = json.loads(head)["parts"], len(item)
        assert json.loads(head)["length"] == length
        assert {name: part[0] for name, part in names.items()} == {
            "dssp": 1, "foldseek": 2, **({"plddt": 1} if "plddt" in names else {}),
        }  # fmt: skip
        arrays = [item.codes["dssp"], item.codes["foldseek"], item.plddt]
        assert body == b"".join(array.tobytes() for array in arrays[: len(names)])
        parts = read_tokens(record, "af2", makers).parts
        codes = {name: part for tokens in parts.values() for name, part in tokens.codes.items()}
        assert set(codes) == {"foldseek", "dssp"}
        assert np.array_equal(codes["foldseek"], item.codes["foldseek"])
        assert np.array_equal(codes["dssp"], np.atleast_2d(item.codes["dssp"]))
        plddt = [tokens.plddt for tokens in parts.values() if tokens.plddt is not None]
        assert len(plddt) == (record.digest != proteins[3].digest)
        assert all(np.array_equal(row, item.plddt) for row in plddt)
        assert {tokens.source for tokens in parts.values()} == {"af2"}
        assert {tokens.digest for tokens in parts.values()} == {record.digest}
        for key, part in parts.items():
            assert part.tool == makers[key]["tool"]
            assert key == sha256_of(makers[key])
        runs[record.digest] = {
            makers[key]["circumstances"]["run"]: sorted(part.codes) for key, part in parts.items()
        }
    both = ["dssp", "foldseek"]
    assert runs[proteins[0].digest] == {1: both, 2: []}
    assert runs[proteins[1].digest] == runs[proteins[3].digest] == {3: both}


def test_records_of_some_tokens_come_in_their_order(store, proteins, monkeypatch):
    """However many are read at once; proteins without tokens are passed over."""
    monkeypatch.setattr(bundle_records, "batches", lambda items, _: ([item] for item in items))
    some = [proteins[i].digest for i in (3, 5, 0)]
    records = list(token_records(store.tokens("alphafold2"), some))
    assert [record.digest for record in records] == [some[0], some[2]]
    full = {record.digest: record for record in token_records(store.tokens("alphafold2"))}
    assert records == [full[some[0]], full[some[2]]]


def test_a_sequence_that_is_not_written_as_it_is_stored():
    for sequence in ("mkv", "MK V", "MKV*", ""):
        data = f'{{"id": "p", "sequence": "{sequence}"}}'.encode()
        record = Record(Protein("p", "MKV").digest, data)
        with pytest.raises(CorruptStoreError, match="a sequence is not that of its digest"):
            read_protein(record)
    sound = Record(Protein("p", "MKV").digest, b'{"id": "p", "sequence": "MKV"}')
    assert read_protein(sound) == Protein("p", "MKV")
    more = Record(sound.digest, b'{"id": "p", "sequence": "MKV", "more": 1}')
    with pytest.raises(CorruptStoreError, match="a record cannot be read"):
        read_protein(more)


def test_a_bundle_says_all_of_its_records(tmp_path):
    figures = [(5, 9), (0, 2**64 - 1), (7, 0)]
    records = [Record(bytes([i]) * 32, bytes(size), key) for i, (size, key) in enumerate(figures)]
    maker = {"tool": "t", "circumstances": {"a": 1}}
    makers = {sha256_of(maker): maker}
    ((sha, entry, path),) = write_bundles(tmp_path, "tokens", "pdb", records, makers)
    raw = path.read_bytes()
    assert path == tmp_path / sha256(raw).hexdigest() == tmp_path / sha
    assert list(tmp_path.iterdir()) == [path]
    assert (entry.kind, entry.name, entry.records, entry.bytes) == ("tokens", "pdb", 3, len(raw))
    assert entry.bytes - entry.footer == 12
    head, text = raw[12:36], json.dumps(makers, separators=(",", ":"), sort_keys=True).encode()
    assert struct.unpack("<8sQQ", head) == (b"SESB0001", 3, len(text))
    columns = [
        b"".join(record.digest for record in records),
        struct.pack("<3Q", 9, 2**64 - 1, 0),
        struct.pack("<3q", 5, 5, 12),
        b"".join(sha256(record.data).digest()[:16] for record in records),
    ]
    assert raw[36:] == text + b"".join(columns)
    footer = parse_footer(raw[12:], entry)
    assert (len(footer), footer.makers) == (3, makers)
    assert footer.sizes.tolist() == [5, 0, 7]
    assert footer.keys.tolist() == [9, 2**64 - 1, 0]
    sums = [sha256(record.data).digest()[:16] for record in records]
    assert footer.sums.tobytes() == b"".join(sums)
    assert [sum_of(record.data) for record in records] == sums
    identities = {record.digest + total for record, total in zip(records, sums, strict=True)}
    assert footer.identities() == identities == set(map(identity, records))
    (span,) = footer.spans(np.array([2]))
    assert (span.start, span.stop) == (5, 12)
    assert list(footer.records(span, raw[5:12])) == [records[2]]
    with pytest.raises(CorruptStoreError, match="a record is not what its sum says"):
        list(footer.records(span, raw[5:11] + b"x"))
    with pytest.raises(CorruptStoreError, match="footer is not as it must be"):
        parse_footer(raw[12:], replace(entry, records=4))
    with pytest.raises(CorruptStoreError, match="footer is not what the index says"):
        parse_footer(raw[12:], replace(entry, footer=entry.footer + 1))
    for wrong in (raw[13:], raw[12:-1], raw[12:] + b"x", b""):
        with pytest.raises(CorruptStoreError, match="footer is not what the index says"):
            parse_footer(wrong, entry)


@pytest.mark.parametrize(
    ("start", "stop", "new", "said"),
    [(0, 8, b"SESB0002", "not as it must be"), (8, 9, b"\4", "not as it must be"),
     (16, 17, b"\3", "not as it must be"), (24, 26, b"[]", "not said as it must be"),
     (24, 26, b"{]", "not as it must be")],
)  # fmt: skip
def test_a_footer_that_is_another_format(tmp_path, start, stop, new, said):
    records = [Record(bytes([i]) * 32, b"x") for i in range(3)]
    ((_, entry, path),) = write_bundles(tmp_path, "ids", "", records, {})
    raw = path.read_bytes()[3:]
    wrong = raw[:start] + new + raw[stop:]
    entry = replace(entry, footer_sha256=sha256(wrong).hexdigest())
    with pytest.raises(CorruptStoreError, match=said):
        parse_footer(wrong, entry)
    short = replace(entry, footer=23, footer_sha256=sha256(raw[:23]).hexdigest())
    with pytest.raises(CorruptStoreError, match="footer is cut"):
        parse_footer(raw[:23], short)


def test_a_record_may_be_just_as_large_as_it_may(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "RECORD_BYTES", 50)
    record = Record(bytes(32), b"x" * 50)
    ((_, entry, path),) = write_bundles(tmp_path, "ids", "", [record], {})
    assert len(parse_footer(path.read_bytes()[-entry.footer :], entry)) == 1


FILES = ["zarr.json", "checksums.json", "values/zarr.json", "offsets/zarr.json",
         "digests/zarr.json", "scales/zarr.json", "values/c.0.0", "values/c.9999999.0",
         "offsets/c.0", "scales/c.0", "digests/c.0.0"]  # fmt: skip
NO_FILES = ["values/c.0", "values/c.0.1", "values/c.10000000.0", "offsets/c.0.0", "offsets/c.1",
            "digests/c.0", "digests/c.1.0", "scales/c.0.0", "other/zarr.json", "zarr,json",
            "values/c.-1.0", "xzarr.json"]  # fmt: skip


def test_files_a_segment_can_have():
    assert [share_paths.segment_file(file) for file in FILES] == FILES
    for file in NO_FILES:
        with pytest.raises(CorruptStoreError, match="is no file of a segment"):
            share_paths.segment_file(file)


def test_each_folder_of_what_is_shared_has_names_of_its_own():
    sha, segment = "0" * 64, "20260101T000000000000-0000000000000000"
    for folder in ("bundles", "tasks", "sums", "commits"):
        by_hash = folder in ("bundles", "tasks")
        assert share_paths.is_public(f"share/{folder}/{sha}") is by_hash
        assert share_paths.is_public(f"share/{folder}/{segment}") is not by_hash
    assert not share_paths.is_public(f"embeddings/x/{segment}")
    assert not share_paths.is_public(f"embeddings/x/{segment}/values/c.0")
    assert share_paths.commit_path(segment) == f"share/commits/{segment}"
    with pytest.raises(CorruptStoreError, match="' is no commit record"):
        share_paths.commit_path("../x")
    with pytest.raises(CorruptStoreError, match="'a b' is no name of a task"):
        share_paths.plain_name("a b", "task")
    assert share_paths.size(1 << 46) == 1 << 46
    with pytest.raises(CorruptStoreError, match="is no size"):
        share_paths.size((1 << 46) + 1)
