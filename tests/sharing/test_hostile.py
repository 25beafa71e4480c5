"""Whoever shares may lie: nothing is written outside the store, and what is stored verifies."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError, InputError, SesstoreError, StoreError
from sesstore.exchange.hdf5 import read_hdf5
from sesstore.exchange.npy import read_npy
from sesstore.exchange.ragged import read_ragged
from sesstore.sharing import names
from sesstore.sharing.bundles import Footer, parse_footer, write_bundles
from sesstore.sharing.index import BundleEntry, parse_index
from sesstore.sharing.publish import row_sum
from sesstore.sharing.pull import pull
from sesstore.sharing.push import push
from sesstore.sharing.records import Record, read_id, read_protein, read_tokens
from sesstore.sharing.spans import spans_of
from sesstore.sharing.wanted import Selection
from sesstore.store import Store, layout
from sesstore.store.files import sealed, unsealed
from sesstore.store.integrity import verify

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
BYTES = st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode())


@pytest.fixture(scope="module")
def published(template: Path, tmp_path_factory) -> Path:
    """A published store without its LMDB files, as it lies on a web server."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(template, folder / "store", ignore=shutil.ignore_patterns("*-lock"))
    push(Store.open(folder / "store"), str(folder / "store"))
    left_out = shutil.ignore_patterns("*.lmdb*")
    shutil.copytree(folder / "store", folder / "published", ignore=left_out)
    return folder / "published"


@pytest.fixture
def remote(published: Path, tmp_path: Path) -> Path:
    shutil.copytree(published, tmp_path / "remote")
    return tmp_path / "remote"


def index_of(remote: Path) -> dict:
    path = remote / names.INDEX
    return unsealed(path.read_bytes(), path)


def replace_index(remote: Path, document: dict) -> None:
    (remote / names.INDEX).write_bytes(sealed(document))


def everything(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def refused(remote: Path, tmp_path: Path, selection: Selection | None = None) -> str:
    """Pull into a new store; it must refuse, and whatever it took before must be sound."""
    before = everything(tmp_path)
    mine = tmp_path / "mine"
    with pytest.raises(SesstoreError) as problem:
        pull(mine, str(remote), selection)
    outside = {path for path in everything(tmp_path) - before if not path.startswith("mine")}
    assert not outside
    if mine.exists():
        assert verify(mine).ok
    return str(problem.value)


BAD_NAMES = [
    "../../evil",
    "/etc/evil",
    "..",
    ".",
    "",
    "a/../../b",
    "zarr.json/../../x",
    "values/../../../x",
    "values/c.0.0/../../x",
    "C:\\evil",
    "values\\c.0.0",
    "a\0b",
    "values/c.00.0",
    "VALUES/c.0.0",
    "values/c.0.0\n",
    "\uff56alues/c.0.0",
    "x" * 300,
]


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
def test_alphabets_that_are_none(remote, tmp_path, bad):
    document = index_of(remote)
    document["alphabets"] = bad
    replace_index(remote, document)
    refused(remote, tmp_path)


@pytest.mark.parametrize("bad", BAD_NAMES)
@pytest.mark.parametrize("where", ["encoder", "segment", "file", "bundle", "task", "source"])
def test_names_that_lead_elsewhere(remote, tmp_path, where, bad):
    document = index_of(remote)
    folder, encoder = next(iter(document["encoders"].items()))
    segment, entry = next(iter(encoder["segments"].items()))
    if where == "encoder":
        document["encoders"][bad] = document["encoders"].pop(folder)
    elif where == "segment":
        encoder["segments"][bad] = encoder["segments"].pop(segment)
    elif where == "file":
        entry["files"][bad] = {"bytes": 3, "sha256": "0" * 64}
    elif where == "bundle":
        document["bundles"][0]["sha256"] = bad
    elif where == "task":
        document["tasks"][bad] = document["tasks"].pop("toy")
    else:
        next(b for b in document["bundles"] if b["kind"] == "tokens")["name"] = bad
    replace_index(remote, document)
    assert "refused" in refused(remote, tmp_path)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("count", [-1, 0, 10**15, 2**63, 1.5, True, None, "7", [7]])
@pytest.mark.parametrize("what", ["proteins", "residues", "bytes", "dim", "footer", "records"])
def test_sizes_that_lie(remote, tmp_path, what, count):
    document = index_of(remote)
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
    replace_index(remote, document)
    assert "refused" in refused(remote, tmp_path)


def test_links_are_not_followed(remote, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    segment = next(remote.glob("embeddings/*/2*"))
    shutil.move(segment / "values", secret / "values")
    (segment / "values").symlink_to(secret / "values")
    assert "leads out" in refused(remote, tmp_path)
    assert not list((tmp_path / "mine").glob(f"embeddings/*/{segment.name}"))


def test_a_link_in_the_way_is_not_written_through(remote, tmp_path):
    """Somebody who can write into the cache must not redirect what is pulled."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mine = Store.create(tmp_path / "mine")
    segment = next(remote.glob("embeddings/*/2*"))
    folder = mine.path / segment.parent.relative_to(remote)
    folder.mkdir(parents=True)
    shutil.copy(segment.parent / "zarr.json", folder)
    (folder / f".pull-{segment.name}").symlink_to(elsewhere)
    with pytest.raises((SesstoreError, OSError)):
        pull(mine, str(remote))
    assert not list(elsewhere.iterdir())


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
    raw = (published / names.INDEX).read_bytes()
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
                    assert names.is_public(names.segment_path(folder, segment, file))
        assert all(names.is_public(names.bundle_path(sha)) for sha in index.bundles)
        assert all(names.is_public(names.task_path(t.sha256)) for t in index.tasks.values())
    assert kept < 160


def test_changed_bytes_anywhere(remote, tmp_path):
    """One byte changed in any file that is fetched: found, and nothing bad is stored."""
    rng = np.random.default_rng(0)
    files = sorted(remote.glob("embeddings/*/*/**/*.*")) + sorted(remote.glob("share/[bt]*/*"))
    files += [remote / names.INDEX]
    for number, path in enumerate(rng.choice([f for f in files if f.is_file()], 25, replace=False)):
        original = path.read_bytes()
        changed = bytearray(original)
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        mine = tmp_path / f"mine{number}"
        with pytest.raises(SesstoreError):
            pull(mine, str(remote))
        path.write_bytes(original)
        if mine.exists():
            assert verify(mine).ok
            shutil.rmtree(mine)


def test_changed_bytes_of_parts(remote, tmp_path):
    rng = np.random.default_rng(0)
    chosen = Selection(ids=("s0p3", "s0p60", "s0p150"), plms=("int",))
    found = 0
    for kind in ("values/c.0.0", "scales/c.0", "offsets/c.0", "digests/c.0.0", "values/zarr.json"):
        for path in sorted(remote.glob(f"embeddings/int-*/*/{kind}")):
            original = path.read_bytes()
            path.write_bytes(bytes(b ^ 1 for b in original))
            try:
                pull(tmp_path / "mine", str(remote), chosen)
            except SesstoreError:
                found += 1
            if (tmp_path / "mine").exists():
                assert verify(tmp_path / "mine").ok
                shutil.rmtree(tmp_path / "mine")
            path.write_bytes(original)
    for path in sorted((remote / "share/sums").iterdir()):
        path.write_bytes(rng.bytes(path.stat().st_size))
    with pytest.raises(CorruptStoreError, match="sum"):
        pull(tmp_path / "mine", str(remote), chosen)
    assert found >= 5


def reseal_segment(remote: Path, file: str, data: bytes) -> None:
    """Change a file of the first segment, with all hashes made to fit: a sender who lies well."""
    document = index_of(remote)
    folder, encoder = next(iter(document["encoders"].items()))
    name, entry = next(iter(encoder["segments"].items()))
    segment = remote / "embeddings" / folder / name
    from sesstore.store.shards import checksums_of

    (segment / file).write_bytes(data)
    listed = unsealed((segment / layout.CHECKSUMS).read_bytes(), segment)
    listed["files"][file] = checksums_of(data)
    (segment / layout.CHECKSUMS).write_bytes(sealed(listed))
    for changed in (file, layout.CHECKSUMS):
        raw = (segment / changed).read_bytes()
        entry["files"][changed] = {"bytes": len(raw), "sha256": sha256(raw).hexdigest()}
    replace_index(remote, document)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("offsets/c.0", lambda raw: raw[::-1]),
        ("offsets/c.0", lambda raw: np.frombuffer(raw, "<i8").clip(0, 3).tobytes()),
        ("digests/c.0.0", lambda raw: raw[:32] * (len(raw) // 32)),
        ("values/c.0.0", lambda raw: b"\xff\x7f" * (len(raw) // 2)),
        ("values/zarr.json", lambda raw: raw.replace(b"16\n", b"99\n")),
        ("values/zarr.json", lambda raw: b"{}"),
        ("zarr.json", lambda raw: raw.replace(b"enc", b"cne")),
        ("zarr.json", lambda raw: b"[" * 50_000),
    ],
)
def test_a_sender_who_lies_well(remote, tmp_path, file, change):
    segment = sorted(remote.glob("embeddings/enc-*/2*"))[0]
    reseal_segment(remote, file, change((segment / file).read_bytes()))
    refused_whole = refused(remote, tmp_path, Selection(plms=("enc",)))
    assert "refused" in refused_whole


def test_embeddings_of_another_length_than_the_sequence(remote, tmp_path):
    """Two digests exchanged: every hash fits, but not the sequences."""
    segment = sorted(remote.glob("embeddings/enc-*/2*"))[0]
    raw = (segment / "digests/c.0.0").read_bytes()
    reseal_segment(remote, "digests/c.0.0", raw[32:64] + raw[:32] + raw[64:])
    assert "another length" in refused(remote, tmp_path, Selection(plms=("enc",)))


def rebundle(remote: Path, kind: str, change) -> None:
    """Write a bundle anew with changed records, all hashes made to fit."""
    document = index_of(remote)
    place = next(i for i, b in enumerate(document["bundles"]) if b["kind"] == kind)
    old = document["bundles"][place]
    entry = BundleEntry(**{k: v for k, v in old.items() if k != "sha256"})
    raw = (remote / names.bundle_path(old["sha256"])).read_bytes()
    footer = parse_footer(raw[-entry.footer :], entry)
    (span,) = footer.spans(np.arange(len(footer)))
    records = [change(record) for record in footer.records(span, raw[span.start : span.stop])]
    folder = remote / "share/bundles"
    made = list(write_bundles(folder, kind, entry.name, records, footer.makers))
    document["bundles"][place : place + 1] = [{"sha256": sha, **vars(new)} for sha, new, _ in made]
    replace_index(remote, document)


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
def test_records_that_lie(remote, tmp_path, kind, change):
    rebundle(remote, kind, change)
    assert "refused" in refused(remote, tmp_path, Selection(plms=()))


def test_tokens_of_another_length_than_the_sequence(remote, tmp_path):
    others: list[bytes] = []

    def exchange(record: Record) -> Record:
        others.append(record.digest)
        return Record(others[-2] if len(others) > 1 else record.digest, record.data)

    rebundle(remote, "tokens", exchange)
    assert "another length" in refused(remote, tmp_path, Selection(plms=()))


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


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=60))
def test_ranges_cover_what_is_wanted_and_little_more(things):
    stops = np.cumsum([size for size, _ in things])
    starts = np.concatenate([[0], stops[:-1]])
    rows = np.flatnonzero([wanted for _, wanted in things])
    spans = spans_of(starts, stops, rows, most=100)
    assert [row for span in spans for row in span.rows] == rows.tolist()
    fetched = sum(span.stop - span.start for span in spans)
    needed = int((stops - starts)[rows].sum())
    assert needed <= fetched <= 1.05 * needed
    for span in spans:
        assert (starts[span.rows] >= span.start).all()
        assert (stops[span.rows] <= span.stop).all()


@settings(max_examples=settings.default.max_examples * 2 // 5)
@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.binary(max_size=30))))
def test_bundles_give_back_what_was_put_in(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("bundles")
    records = [Record(digest, data, i) for i, (digest, data) in enumerate(pairs)]
    back: list[Record] = []
    for sha, entry, path in write_bundles(folder, "ids", "", records, {}):
        raw = path.read_bytes()
        assert sha == sha256(raw).hexdigest()
        footer: Footer = parse_footer(raw[-entry.footer :], entry)
        for span in footer.spans(np.arange(len(footer))):
            back += footer.records(span, raw[span.start : span.stop])
    assert back == records


@given(st.binary(max_size=200))
def test_foreign_files_never_break(tmp_path_factory, raw):
    folder = tmp_path_factory.mktemp("foreign")
    for start in (b"", b"\x89HDF\r\n\x1a\n", b"\x93NUMPY\x01\x00"):
        (folder / "x.npy").write_bytes(start + raw)
        for read in (read_hdf5, read_ragged):
            with pytest.raises(InputError):
                list(read(folder / "x.npy"))
        with suppress(InputError):
            list(read_npy(folder))


def test_a_stream_that_never_ends(remote, tmp_path, monkeypatch):
    from sesstore.sharing.remote import FolderRemote

    def endless(self, path, start=0):
        if path == names.INDEX:
            yield (remote / names.INDEX).read_bytes()
        while path != names.INDEX:
            yield bytes(1 << 16)

    monkeypatch.setattr(FolderRemote, "stream", endless)
    assert "refused" in refused(remote, tmp_path)


def test_more_than_there_is_room_for(remote, tmp_path, monkeypatch):
    import shutil as system

    usage = system.disk_usage(tmp_path)
    monkeypatch.setattr(system, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(StoreError, match="are free"):
        pull(tmp_path / "mine", str(remote))
    assert not list((tmp_path / "mine").glob("embeddings/*/*2*"))


def test_sums_tell_rows_apart():
    assert row_sum(b"ab", b"c") != row_sum(b"ab", None)
