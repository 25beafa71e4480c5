from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError, InputError, NotStoredError, UnknownNameError
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.store import tokens as module
from sesstore.store.integrity import verify
from sesstore.store.lmdb_seals import seal_path

RUN = {"date": "2026-01-01", "command": "sesstore tokens"}


def same(a: StructureTokens, b: StructureTokens) -> bool:
    return (
        a.digest == b.digest
        and a.source == b.source
        and a.codes.keys() == b.codes.keys()
        and all(np.array_equal(a.codes[k], b.codes[k]) for k in a.codes)
        and np.array_equal(a.plddt, b.plddt)
        and a.tool == b.tool
    )


def test_tokens_come_back_with_all_conformers(filled, kit):
    reader = filled.store.tokens("alphafold2")
    for protein in filled.proteins:
        assert same(reader.get(protein.digest), kit.tokens(protein))
    assert len(reader) == len(filled.proteins)
    assert reader.get(bytes(32)) is None
    assert filled.proteins[0].digest in reader
    assert bytes(32) not in reader
    assert reader.tool == "mini3di 0.2"
    assert reader.counts() == dict.fromkeys(("foldseek", "dssp", "plddt"), len(filled.proteins))
    assert [t.digest for t in reader] == sorted(p.digest for p in filled.proteins)
    assert reader.coverage([filled.proteins[0].digest, bytes(32)]) == 0.5
    assert reader.has([bytes(32), filled.proteins[0].digest]).tolist() == [False, True]


def test_plddt_alone_is_no_tokens(tmp_path, kit):
    """It comes back, and counts as what it is; no structure is said to be there."""
    store = Store.create(tmp_path / "s")
    with_both, without = kit.proteins(2)
    alone = replace(kit.tokens(without), codes={})
    store.add_tokens([kit.tokens(with_both), alone], RUN)
    reader = store.tokens("alphafold2")
    digests = [with_both.digest, without.digest]
    assert reader.has(digests).tolist() == [True, False]
    assert reader.coverage(digests) == 0.5
    assert without.digest not in reader
    assert (reader.counts()["plddt"], reader.counts()["dssp"]) == (2, 1)
    assert np.array_equal(reader.get(without.digest).plddt, alone.plddt)


def test_sources_are_kept_apart(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    (protein,) = kit.proteins(1)
    store.add_tokens([kit.tokens(protein, "pdb"), kit.tokens(protein, "esmfold")], RUN)
    assert store.sources() == ["esmfold", "pdb"]
    assert store.tokens("pdb").get(protein.digest).source == "pdb"
    with pytest.raises(UnknownNameError, match="Did you mean 'esmfold'"):
        store.tokens("esmfolds")


def test_parts_join_and_are_replaced_only_on_request(tmp_path):
    store = Store.create(tmp_path / "s")
    protein = Protein("p", "MKV")
    first = StructureTokens(protein.digest, "pdb", {"foldseek": [1, 2, 3]}, None, "a 1")
    other = StructureTokens(
        protein.digest, "pdb", {"foldseek": [4, 5, 6], "dssp": [1, 1, 1]}, None, "b 2"
    )
    assert store.add_tokens([first], RUN) == 1
    assert store.add_tokens([other], RUN) == 1
    found = store.tokens("pdb").get(protein.digest)
    assert found.codes["foldseek"].tolist() == [[1, 2, 3]]
    assert found.codes["dssp"].tolist() == [[1, 1, 1]]
    assert found.tool == "a 1; b 2"
    assert store.add_tokens([other], RUN) == 0
    assert store.add_tokens([other], RUN, replace=True) == 1
    assert store.tokens("pdb").get(protein.digest).codes["foldseek"].tolist() == [[4, 5, 6]]


def test_every_record_says_what_made_it(filled):
    made = filled.store.tokens("alphafold2").made_by(filled.proteins[2].digest)
    assert made.keys() == {"foldseek", "dssp", "plddt"}
    assert made["dssp"]["tool"] == "mini3di 0.2"
    assert made["dssp"]["circumstances"].keys() == {"date", "command", "versions"}
    with pytest.raises(NotStoredError):
        filled.store.tokens("alphafold2").made_by(bytes(32))


def test_tokens_must_fit_the_sequence(tmp_path):
    store = Store.create(tmp_path / "s")
    protein = Protein("Q9H400", "MKVA")
    store.add_proteins([protein])
    wrong = StructureTokens(protein.digest, "pdb", {"foldseek": [1, 2, 3]}, None, "")
    with pytest.raises(InputError, match="Q9H400 from pdb have 3 codes, the sequence has 4"):
        store.add_tokens([wrong], RUN)
    assert store.sources() == []


def test_a_source_must_be_a_plain_name(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    for name in ("../x", "a/b", ".hidden", "", "a b", "x" * 200):
        with pytest.raises(InputError, match="cannot name a source"):
            store.add_tokens([kit.tokens(kit.proteins(1)[0], name)], RUN)
    assert list((tmp_path / "s").rglob("*.lmdb")) == []


def test_the_same_tokens_again_change_no_byte(filled, kit):
    path = filled.store.path / "tokens/alphafold2.lmdb"
    before = path.read_bytes()
    assert filled.store.add_tokens(map(kit.tokens, filled.proteins), RUN) == 0
    assert path.read_bytes() == before


def test_parts_of_one_protein_have_one_length(tmp_path, kit):
    """Also of a protein whose sequence the store does not know: nothing else could tell."""
    store = Store.create(tmp_path / "s")
    digest = kit.proteins(1)[0].digest

    def part(name: str, length: int) -> StructureTokens:
        return StructureTokens(digest, "pdb", {name: [1] * length}, None, "")

    store.add_tokens([part("dssp", 9)], {})
    for items in ([part("foldseek", 8)], [part("foldseek", 9), part("ss3", 7)]):
        with pytest.raises(InputError, match="codes, stored are some of 9"):
            store.add_tokens(items, {})
    assert store.tokens("pdb").get(digest).codes.keys() == {"dssp"}
    assert verify(store.path).ok
    assert verify(store.path).notes == []  # nothing of a seal: it was put back
    assert store.add_tokens([part("dssp", 8)], {}, replace=True) == 1
    assert len(store.tokens("pdb").get(digest)) == 8


def test_many_tokens_come_in_batches(tmp_path, kit, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 7)
    reader = module.Tokens(tmp_path / "pdb.lmdb")
    known = {p.digest: p for p in kit.proteins(30)}
    items = [kit.tokens(p, "pdb") for p in known.values()]
    assert reader.add(iter(items[:20]), RUN) == 20
    assert reader.add(iter(items), {**RUN, "date": "2027-01-01"}) == len(known) - 20
    assert reader.digests() == sorted(known)
    assert all(same(found, kit.tokens(known[found.digest], "pdb")) for found in reader)
    dates = [reader.made_by(item.digest)["dssp"]["circumstances"]["date"] for item in items]
    assert dates == ["2026-01-01"] * 20 + ["2027-01-01"] * (len(known) - 20)


def test_what_would_change_is_what_differs(filled, kit):
    """Another part of a protein, or one that has none yet, changes nothing that was read."""
    reader = filled.store.tokens("alphafold2")
    stored = [kit.tokens(p) for p in filled.proteins[:4]]
    other = {name: codes.copy() for name, codes in stored[1].codes.items()}
    other["dssp"][0, 0] = (other["dssp"][0, 0] + 1) % 8
    sure = (stored[2].plddt + 1) % 100
    items = [
        stored[0],
        replace(stored[1], codes=other),
        replace(stored[2], plddt=sure.astype(np.uint8)),
        replace(stored[3], codes={"esm3": np.zeros((1, len(stored[3])), np.uint16)}, plddt=None),
        replace(stored[0], digest=bytes(32)),
    ]
    assert reader.changing(items) == [stored[1].digest, stored[2].digest]


def test_tables_come_in_one_order(tmp_path, kit):
    """The alphabets sesstore knows first, as it names them, and pLDDT last."""
    store = Store.create(tmp_path / "s")
    first, second = kit.proteins(2)
    item = kit.tokens(first, "pdb")
    store.add_tokens([item], RUN)
    esm3 = {"esm3": np.zeros((1, len(second)), np.uint16)}
    store.add_tokens([StructureTokens(second.digest, "pdb", esm3, None, "esm 3")], RUN)
    counts = store.tokens("pdb").counts()
    assert list(counts.items()) == [("foldseek", 1), ("dssp", 1), ("esm3", 1), ("plddt", 1)]
    assert len(store.tokens("pdb")) == 2
    assert store.tokens("pdb").tool == "esm 3; mini3di 0.2"
    assert list(store.tokens("pdb").counts()) == list(counts)


def test_nothing_is_stored_where_nothing_was_added(tmp_path, kit):
    reader = module.Tokens(tmp_path / "af2.v4.lmdb")
    digest = kit.proteins(1)[0].digest
    assert reader.source == "af2.v4"
    assert reader.get_all([digest, digest]) == [None, None]
    assert (len(reader), list(reader), reader.digests()) == (0, [], [])
    assert (reader.counts(), reader.provenance(), reader.tool) == ({}, {}, "")
    assert reader.has([digest]).tolist() == [False]
    assert (reader.coverage([digest]), reader.coverage(np.empty((0, 32), np.uint8))) == (0.0, 0.0)
    with pytest.raises(NotStoredError, match=f"no tokens of {digest.hex()[:12]} .* from af2.v4"):
        reader.made_by(digest)
    assert reader.add([], RUN) == 0
    assert not reader.path.exists()
    first = kit.tokens(kit.proteins(1)[0], "af2.v4")
    other = replace(first, plddt=np.full(len(first), 7, np.uint8))
    assert (reader.add([first], RUN), reader.add([other], RUN)) == (1, 0)
    assert same(reader.get(digest), first)
    assert reader.add([other], RUN, replace=True) == 1
    assert reader.get(digest).plddt.tolist() == [7] * len(first)


@pytest.mark.parametrize("part", ["dssp", "plddt", "meta", "provenance"])
def test_changed_records_are_noticed_when_read(filled, kit, part):
    path = filled.store.path / "tokens/alphafold2.lmdb"
    protein = max(filled.proteins, key=len)
    item, raw = kit.tokens(protein), path.read_bytes()
    old = {
        "dssp": item.codes["dssp"].tobytes(),
        "plddt": item.plddt.tobytes(),
        "meta": f'"length":{len(protein)}'.encode(),
        "provenance": b'"tool":"mini3di 0.2"',
    }[part]
    new = old[:-2] + bytes([old[-2] ^ 1]) + old[-1:]
    path.write_bytes(raw.replace(old, new))
    reader = module.Tokens(path)
    said = "written" if part in ("meta", "provenance") else f"the {part} tokens of "
    with pytest.raises(CorruptStoreError, match=said):
        reader.get(protein.digest)
    if part == "meta":
        with pytest.raises(CorruptStoreError):
            reader.has([protein.digest])


def test_parts_that_are_the_same_are_not_replaced(tmp_path, kit):
    """What is replaced says what made it anew; the rest stays with what made it first."""
    store = Store.create(tmp_path / "s")
    first, second = (kit.tokens(p, "pdb", "a 1") for p in kit.proteins(2))
    store.add_tokens([first, second], RUN)
    other = replace(first, codes={**first.codes, "dssp": first.codes["dssp"][:1]}, tool="b 2")
    seal_path(store.path / "tokens/pdb.lmdb").unlink()
    assert store.add_tokens([other], {"date": "later"}) == 0
    assert seal_path(store.path / "tokens/pdb.lmdb").is_file()
    again = [other, replace(second, tool="b 2")]
    assert store.add_tokens(again, {"date": "later"}, replace=True) == 1
    assert store.add_tokens(again, {"date": "later"}, replace=True) == 0
    reader = store.tokens("pdb")
    made = reader.made_by(first.digest)
    assert {name: run["tool"] for name, run in made.items()} == {
        "foldseek": "a 1", "dssp": "b 2", "plddt": "a 1",
    }  # fmt: skip
    assert made["dssp"]["circumstances"] == {"date": "later"}
    assert made["plddt"]["circumstances"] == RUN
    found = reader.get(first.digest)
    assert (found.tool, found.codes["dssp"].shape) == ("a 1; b 2", (1, len(first)))
    assert reader.get(second.digest).tool == "a 1"
    assert sorted(run["tool"] for run in reader.provenance().values()) == ["a 1", "b 2"]
    assert reader.tool == "a 1; b 2"
