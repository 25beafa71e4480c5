"""Which records a pull takes, what it says of them, and what it asks of the disk before."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.alphabets import Alphabet
from sesstore.errors import CorruptStoreError, InputError, NotStoredError, StorageFullError
from sesstore.progress import SILENT
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.sharing import pull as pulling
from sesstore.sharing import share_paths
from sesstore.sharing.fetch import Reader
from sesstore.sharing.places import FolderRemote
from sesstore.sharing.pull import merge, pull
from sesstore.sharing.pull_context import (
    PullContext,
    PullReport,
    Selection,
    digests_of_ids,
    digests_of_tasks,
    select_encoders,
)
from sesstore.sharing.share_index import Index, parse_index
from sesstore.store import Store
from sesstore.store.manifest import counts_of


class Bars:
    """Progress that keeps what stages were opened, and how far each went."""

    note = staticmethod(SILENT.note)

    def __init__(self) -> None:
        self.stages: list[list] = []

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str):
        entry = [name, unit, total, 0]
        self.stages.append(entry)

        def advance(amount: int = 1) -> None:
            entry[3] += amount

        yield SimpleNamespace(advance=advance)


@pytest.fixture
def index(published: Path) -> Index:
    return parse_index((published / share_paths.INDEX).read_bytes(), "here")


def test_a_pull_counts_what_comes_and_draws_it_to_the_end(published, index, tmp_path):
    bars = Bars()
    report = pull(tmp_path / "mine", str(published), progress=bars)
    assert report.source == str(published)
    values = sum(s.bytes for e in index.encoders.values() for s in e.segments.values())
    records = sum(b.bytes for b in index.bundles.values())
    digests = 2 * 200 * 32  # looked at before a segment is planned
    small = (published / share_paths.INDEX).stat().st_size + index.tasks["toy"].bytes
    assert report.bytes == values + records + digests + small
    assert bars.stages == [
        ["sequences", "records", 200, 200],
        ["tokens of alphafold2", "records", 100, 100],
        ["embeddings", "bytes", values, values],
    ]
    bars = Bars()
    again = pull(tmp_path / "mine", str(published), progress=bars)
    assert not again.anything
    assert [stage[2:] for stage in bars.stages] == [[0, 0], [0, 0]]
    footers = sum(bundle.footer for bundle in index.bundles.values())
    assert again.bytes == small + footers


def test_room_is_asked_for_before_anything_comes(published, index, tmp_path, monkeypatch):
    """By the sizes of what will come: of values, then of records."""
    sizes: list[tuple[int, str]] = []
    monkeypatch.setattr(PullContext, "check_room", lambda _, size, what: sizes.append((size, what)))
    pull(tmp_path / "mine", str(published))
    values = sum(s.bytes for e in index.encoders.values() for s in e.segments.values())
    bodies = {b.kind: b.bytes - b.footer for b in index.bundles.values()}
    assert sizes == [
        (values, "embeddings"),
        (bodies["proteins"], "sequences"),
        (bodies["tokens"], "tokens of alphafold2"),
    ]
    sizes.clear()
    pull(tmp_path / "mine", str(published))
    assert [size for size, _ in sizes] == [0, 0, 0]


@pytest.mark.parametrize("free", [0, 10_000])
def test_what_does_not_fit_is_not_begun(published, tmp_path, monkeypatch, free):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(StorageFullError, match="of sequences would come"):
        pull(tmp_path / "mine", str(published), Selection(plms=(), sources=()))
    assert Store.open(tmp_path / "mine").count_proteins() == 0


def test_only_what_is_new_is_counted(published, kit, tmp_path):
    mine = Store.create(tmp_path / "mine")
    proteins = kit.proteins(200)
    mine.add_proteins(proteins[:50])
    mine.add_tokens([kit.tokens(protein) for protein in proteins[:20:2]], {"by": "me"})
    half = kit.tokens(proteins[20])
    mine.add_tokens([replace(half, plddt=None)], {"by": "me"})
    mine.add_task(replace(kit.task(proteins[:20], label=1), name="toy"))
    report = pull(mine, str(published))
    assert report.proteins == 150
    assert report.tokens == 100 - 11
    assert report.tasks == []
    assert report.conflicts == ["task toy"]
    assert mine.task("toy").splits["train"].labels[0] == 1  # as it was here
    arrived = mine.tokens("alphafold2").get(proteins[20].digest)
    assert np.array_equal(arrived.plddt, half.plddt)  # the part that was lacking
    assert len(mine.tokens("alphafold2")) == 100
    assert mine.find_id("other-name") == [proteins[0].digest]


def test_what_comes_along_in_whole_segments_has_its_records(published, index, kit, tmp_path):
    """A segment of which nearly all is wanted: its other proteins are no orphans."""
    reader = Reader(FolderRemote(published))
    folder = next(name for name in index.encoders if name.startswith("enc-"))
    (name, entry), *_ = index.encoders[folder].segments.items()
    rows = [row.tobytes() for row in reader.digests(index, folder, name)]
    lengths = np.diff(np.frombuffer(reader.small(index, folder, name, "offsets/c.0"), "<i8"))
    smallest = int(lengths.argmin())
    assert lengths[smallest] < 0.1 * entry.residues
    ids = tuple(row.hex() for i, row in enumerate(rows) if i != smallest)
    report = pull(tmp_path / "mine", str(published), Selection(ids=ids, plms=("enc",)))
    mine = Store.open(tmp_path / "mine")
    assert report.segments == 1
    assert report.proteins == report.embeddings == len(rows)
    assert set(mine.knows(rows)) == {True}
    theirs = {protein.digest for protein in kit.proteins(200)[::2]}
    assert set(mine.tokens("alphafold2").digests()) == theirs.intersection(rows)


def test_a_segment_that_arrived_is_entered_with_its_counts(published, index, tmp_path):
    """So that its loss is noticed, and what it held is said."""
    pull(tmp_path / "mine", str(published), Selection(plms=("enc",), sources=()))
    folder = next(name for name in index.encoders if name.startswith("enc-"))
    for name, entry in index.encoders[folder].segments.items():
        counts = counts_of(tmp_path / "mine/embeddings" / folder / name)
        assert counts == {"proteins": entry.proteins, "residues": entry.residues}


def test_tasks_and_ids_are_taken_together(published, kit, tmp_path):
    proteins = kit.proteins(200)
    chosen = Selection(tasks=("toy",), ids=("s0p100", proteins[101].digest.hex()), plms=())
    report = pull(tmp_path / "mine", str(published), chosen)
    assert (report.proteins, report.tasks) == (22, ["toy"])
    expected = {p.digest for p in (*proteins[:20], *proteins[100:102])}
    mine = Store.open(tmp_path / "mine")
    assert {p.digest for p in mine.proteins()} == expected
    assert report.tokens == len(mine.tokens("alphafold2")) == 11


def test_ids_are_matched_in_full_whatever_their_numbers(published, index, kit, monkeypatch):
    """Two ids of one number are told apart by the record itself."""
    from sesstore.sharing import pull_context

    proteins, reader = kit.proteins(200), Reader(FolderRemote(published))
    keys = set()
    real = pull_context.rows_by_key
    monkeypatch.setattr(
        pull_context, "rows_by_key", lambda footer, k: keys.update(k) or np.arange(len(footer))
    )
    with pulling.ThreadPoolExecutor(2) as pool:
        found = digests_of_ids(reader, index, ["s0p7", "other-name", "s0p7"], pool)
        assert found == {proteins[7].digest, proteins[0].digest}
        assert len(keys) == 2
        monkeypatch.setattr(pull_context, "rows_by_key", real)
        requests = reader.bytes
        assert digests_of_ids(reader, index, [], pool) == set()
        digest = proteins[5].digest.hex()
        assert digests_of_ids(reader, index, [digest], pool) == {proteins[5].digest}
        assert reader.bytes == requests  # footers are there already, and no record is needed
        names = [f"nobody{i}" for i in range(7)]
        with pytest.raises(NotStoredError, match=r"called nobody0, .*, nobody4 and 2 more\. Take"):
            digests_of_ids(reader, index, [*names, "s0p7"], pool)
        with pytest.raises(NotStoredError, match=r"called nobody0, nobody1\. Take"):
            digests_of_ids(reader, index, names[:2], pool)
        with pytest.raises(NotStoredError, match="called z" + "0" * 63):
            digests_of_ids(reader, index, ["z" + "0" * 63], pool)


def test_proteins_of_tasks_are_those_of_all_splits(kit):
    proteins = kit.proteins(6)
    train, test = (kit.task(rows).splits["train"] for rows in (proteins[:3], proteins[2:5]))
    task = replace(kit.task(proteins[:3]), splits={"train": train, "test": test})
    assert digests_of_tasks([task, kit.task(proteins[5:])]) == {p.digest for p in proteins}
    assert digests_of_tasks([]) == set()


def test_encoders_are_all_or_those_that_are_named(index):
    def names(plms: tuple[str, ...] | None) -> list[str]:
        return sorted(folder.split("-")[0] for folder in select_encoders(index, plms))

    assert names(None) == names(("enc", "int")) == ["enc", "int"]
    assert names(()) == []
    assert names(("int",)) == ["int"]


def test_merging_a_store_with_itself_is_refused_by_any_path(shared, tmp_path):
    (tmp_path / "link").symlink_to(shared.path)
    for into in (shared, shared.path, tmp_path / "link", tmp_path / "x" / ".." / "shared"):
        with pytest.raises(InputError, match="cannot be merged with itself"):
            merge(into, shared)


def test_alphabets_come_before_their_tokens(kit, tmp_path):
    protein, theirs = kit.proteins(1)[0], Store.create(tmp_path / "theirs")
    theirs.declare(Alphabet("motifs", "XYZ"))
    theirs.add_proteins([protein])
    codes = {"motifs": np.full((1, len(protein)), 2, np.uint8)}
    theirs.add_tokens([StructureTokens(protein.digest, "pdb", codes, None, "t")], {})
    report = merge(tmp_path / "mine", theirs)
    mine = Store.open(tmp_path / "mine")
    assert report.tokens == 1
    assert mine.alphabets() == theirs.alphabets()
    assert np.array_equal(mine.tokens("pdb").get(protein.digest).codes["motifs"], codes["motifs"])


def test_records_are_stored_in_batches_and_none_is_lost(published, tmp_path, monkeypatch):
    monkeypatch.setattr(pulling, "_TRANSACTION", 7)
    report = pull(tmp_path / "mine", str(published), Selection(tasks=("toy",), plms=()))
    assert (report.proteins, report.tokens) == (20, 10)
    mine = Store.open(tmp_path / "mine")
    assert (mine.count_proteins(), len(mine.tokens("alphafold2"))) == (20, 10)


def tokens_of(plddt: list[int] | None = None, **codes: list[int]) -> StructureTokens:
    arrays = {name: np.array([row], np.uint8) for name, row in codes.items()}
    row = None if plddt is None else np.array(plddt, np.uint8)
    return StructureTokens(b"d" * 32, "pdb", arrays, row, "t")


@pytest.mark.parametrize(
    ("stored", "arrival", "differ"),
    [
        (tokens_of(dssp=[1, 2]), tokens_of(dssp=[1, 2]), False),
        (tokens_of(dssp=[1, 2]), tokens_of(dssp=[1, 3]), True),
        (tokens_of(dssp=[1, 2]), tokens_of(foldseek=[5, 6]), False),  # nothing in common
        (tokens_of(dssp=[1], foldseek=[4]), tokens_of(foldseek=[5]), True),
        (tokens_of([9], dssp=[1]), tokens_of(dssp=[1]), False),
        (tokens_of([9], dssp=[1]), tokens_of([8]), True),
        (tokens_of([9], dssp=[1]), tokens_of([9]), False),
    ],
)
def test_tokens_differ_in_parts_that_both_have(stored, arrival, differ):
    assert pulling._differ(stored, arrival) is differ
    assert pulling._differ(arrival, stored) is differ


def test_a_report_as_plain_values():
    report = PullReport("there", 1, 2, 3, 4, 5, 6, ["a"], ["b"], 7)
    assert report.to_json() == {
        "source": "there", "bytes": 1, "proteins": 2, "tokens": 3, "embeddings": 4, "segments": 5,
        "partial_segments": 6, "tasks": ["a"], "conflicts": ["b"], "missing": 7,
    }  # fmt: skip


def test_a_task_that_cannot_be_read_is_named(forgery):
    (path,) = (forgery.path / "share/tasks").iterdir()
    raw = path.read_bytes()[:-20]
    document = forgery.index()
    digest = sha256(raw).hexdigest()
    (path.parent / digest).write_bytes(raw)
    document["tasks"]["toy"] |= {"bytes": len(raw), "sha256": digest}
    forgery.replace_index(document)
    assert "task toy cannot be read" in forgery.refused(Selection(plms=(), sources=()))
    with pytest.raises(CorruptStoreError):
        pull(forgery.path.with_name("x"), str(forgery.path), Selection(tasks=("toy",)))


def test_a_second_id_of_a_protein_that_is_here_comes_too(kit, tmp_path):
    protein = kit.proteins(1)[0]
    theirs, mine = Store.create(tmp_path / "theirs"), Store.create(tmp_path / "mine")
    theirs.add_proteins([protein, Protein("b", protein.sequence), Protein("c", protein.sequence)])
    mine.add_proteins([Protein("c", protein.sequence)])
    merge(mine, theirs)
    for name in (protein.id, "b", "c"):
        assert mine.find_id(name) == [protein.digest]
    assert next(mine.proteins()).id == "c"
