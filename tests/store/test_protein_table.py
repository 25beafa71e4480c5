from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError, NotStoredError
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.store import protein_table as module
from sesstore.store.database import open_database
from sesstore.store.lmdb_seals import seal_path
from sesstore.store.protein_table import ProteinTable, id_key

SEQUENCES = st.text("ACDEFGHIKLMNPQRSTVWY", min_size=1, max_size=30)
PROTEINS = st.lists(st.builds(Protein, st.text(max_size=600), SEQUENCES), max_size=40)


@settings(max_examples=settings.default.max_examples * 3 // 10)
@given(PROTEINS, PROTEINS)
@example([], [Protein("", "AA"), Protein(" ", "A")])
def test_the_table_is_a_dict_of_sequences_and_ids(tmp_path_factory, first, second):
    table = ProteinTable(tmp_path_factory.mktemp("t") / "proteins.lmdb")
    sequences: dict[bytes, str] = {}
    names: dict[bytes, str] = {}
    ids: dict[str, set[bytes]] = {}
    for batch in (first, second):
        new = {p.digest for p in batch} - sequences.keys()
        assert table.add(batch) == len(new)
        for protein in batch:
            sequences[protein.digest] = protein.sequence
            names.setdefault(protein.digest, protein.id)
            ids.setdefault(protein.id, set()).add(protein.digest)
    assert len(table) == len(sequences)
    assert {p.digest: (p.id, p.sequence) for p in table} == {
        d: (names[d], s) for d, s in sequences.items()
    }
    for name, digests in ids.items():
        assert set(table.find_id(name)) == digests
    assert table.lengths(sequences) == [len(s) for s in sequences.values()]


def test_one_id_may_stand_for_several_sequences(tmp_path):
    store = Store.create(tmp_path / "s")
    a, b = Protein("P1", "MKV"), Protein("P1", "MKVA")
    assert store.add_proteins([a, b, Protein("other", "MKV")]) == 2
    assert store.find_id("P1") == sorted([a.digest, b.digest])
    assert store.find_id("other") == [a.digest]
    assert store.find_id("P") == []
    assert store.protein(a.digest) == a
    assert [p.id for p in store.proteins([b.digest, a.digest])] == ["P1", "P1"]


def test_an_unknown_protein_is_said_to_be_unknown(tmp_path):
    store = Store.create(tmp_path / "s")
    for _ in range(2):
        with pytest.raises(NotStoredError, match="sesstore add"):
            store.protein(bytes(32))
        assert list(store.proteins()) == []
        assert store.count_proteins() == 0
        store.add_proteins([])


def test_many_proteins_come_in_batches(tmp_path, monkeypatch, kit):
    monkeypatch.setattr(module, "_BATCH", 7)
    store = Store.create(tmp_path / "s")
    known = kit.proteins(50)
    assert store.add_proteins(iter(known)) == len({p.sequence for p in known})
    assert [p.digest for p in store.proteins()] == sorted({p.digest for p in known})
    assert store.add_proteins(known) == 0


def test_adding_what_is_known_writes_nothing(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    store.add_proteins(kit.proteins(20))
    before = (tmp_path / "s/proteins.lmdb").read_bytes()
    store.add_proteins(kit.proteins(20))
    assert (tmp_path / "s/proteins.lmdb").read_bytes() == before


def test_a_changed_sequence_is_noticed_when_read(tmp_path):
    store = Store.create(tmp_path / "s")
    protein = Protein("p", "MKVAAWWYLLPMKVAAWWYLLP")
    store.add_proteins([protein])
    path = tmp_path / "s/proteins.lmdb"
    raw = path.read_bytes()
    path.write_bytes(raw.replace(protein.sequence.encode(), b"X" + protein.sequence[1:].encode()))
    with pytest.raises(CorruptStoreError, match="sesstore verify"):
        store.protein(protein.digest)


def test_ids_are_cut_beyond_the_longest_key():
    """One that is just as long is its own key; of longer ones the start, and their hash."""
    longest = "x" * 400
    assert id_key(longest) == longest.encode()
    assert len(id_key(longest + "y")) == 400
    assert id_key(longest + "y")[:368] == b"x" * 368
    assert id_key(longest + "y") != id_key(longest + "z")
    assert id_key("") == b"\xff"


def test_digests_are_found_by_their_start(tmp_path):
    table = ProteinTable(tmp_path / "proteins.lmdb")
    proteins = [Protein(f"p{n}", "MKV" + "A" * n) for n in range(40)]
    assert table.find_digests("", 3) == []
    table.add(proteins)
    digests = sorted(p.digest for p in proteins)
    assert table.find_digests("", 3) == digests[:3]
    whole = digests[7].hex()
    assert table.find_digests(whole, 9) == [digests[7]]
    assert table.find_digests(whole.upper(), 9) == [digests[7]]
    assert table.find_digests(whole + "0", 9) == []
    start = whole[:1]
    assert table.find_digests(start, 99) == [d for d in digests if d.hex().startswith(start)]
    assert table.lengths([proteins[5].digest, b"0" * 32]) == [8, -1]


def test_batches_come_in_the_order_asked_for_until_one_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 3)
    table = ProteinTable(tmp_path / "proteins.lmdb")
    proteins = [Protein(f"p{n}", "MKV" + "A" * n) for n in range(10)]
    assert proteins[0].digest not in table
    assert table.lengths(p.digest for p in proteins[:2]) == [-1, -1]
    table.add(proteins[:8])
    order = [proteins[n] for n in (7, 0, 5, 5, 2, 6, 1)]
    assert list(table.get_all(p.digest for p in order)) == order
    assert proteins[7].digest in table
    assert proteins[8].digest not in table
    some = table.get_all([*(p.digest for p in proteins[:3]), proteins[9].digest])
    assert [next(some).id for _ in range(3)] == ["p0", "p1", "p2"]
    with pytest.raises(NotStoredError, match=proteins[9].digest.hex()[:12]):
        next(some)
    digests = sorted(p.digest for p in proteins[:8])
    assert table.find_digests("", 5) == digests[:5]
    assert table.find_digests("f" * 64, 5) == []


def test_the_first_id_of_a_sequence_is_its_name_for_good(tmp_path, monkeypatch):
    """Within a batch, across batches, and in a later run."""
    monkeypatch.setattr(module, "_BATCH", 2)
    table = ProteinTable(tmp_path / "proteins.lmdb")
    first = Protein("z", "MKV")
    assert table.add([first, Protein("a", "MKV"), Protein("b", "MKV"), Protein("c", "MK")]) == 2
    assert table.add([Protein("d", "MKV"), Protein("e", "M")]) == 1
    assert table.get(first.digest) == first
    for name in "zabd":
        assert table.find_id(name) == [first.digest]
    assert [name for name, _ in table.names()] == sorted("zabcde")


def test_a_seal_is_put_back_though_nothing_is_new(tmp_path):
    """A writer that was killed left none."""
    table = ProteinTable(tmp_path / "proteins.lmdb")
    table.add([])
    assert not table.path.exists()
    table.add([Protein("p", "MKV")])
    seal_path(table.path).unlink()
    table.add([Protein("p", "MKV")])
    assert seal_path(table.path).is_file()


def test_a_sequence_without_a_name_is_not_known(tmp_path):
    """As a writer of another program would leave it: nothing to call it by."""
    table, protein = ProteinTable(tmp_path / "proteins.lmdb"), Protein("p", "MKV")
    table.add([protein])
    database = open_database(table.path)
    database.write(lambda txn: txn.delete(protein.digest, db=database.tables["names"]))
    with pytest.raises(NotStoredError, match=protein.digest.hex()[:12]):
        table.get(protein.digest)


@pytest.mark.parametrize("read", ["get", "find_id", "names"])
def test_a_changed_id_is_noticed_when_read(tmp_path, read):
    table = ProteinTable(tmp_path / "proteins.lmdb")
    protein = Protein("sp|P12345|SOMEBODY", "MKVAAWW")
    table.add([protein])
    raw = table.path.read_bytes()
    old, new = protein.id.encode(), b"sp|P12345|SOMEBODO"
    assert raw.count(old) == 2  # among the names, and as a key of the ids
    table.path.write_bytes(raw.replace(old, new))
    reads = {
        "get": lambda: table.get(protein.digest),
        "find_id": lambda: table.find_id(new.decode()),
        "names": lambda: list(table.names()),
    }
    with pytest.raises(CorruptStoreError, match=r"proteins\.lmdb"):
        reads[read]()
