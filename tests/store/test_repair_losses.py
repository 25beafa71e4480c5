"""What is counted as lost of a database, by what it claims to have held."""

from __future__ import annotations

import pytest

from sesstore.store import repair as module
from sesstore.store.lmdb_salvage import Salvage
from sesstore.store.manifest import renew, strike
from sesstore.store.repair import repair


@pytest.mark.parametrize(
    ("saved", "lost", "origins", "unnamed"),
    [
        (Salvage(6, [], 6), None, None, None),
        (Salvage(5, ["ab"], 6), ["ab"], None, None),
        (Salvage(5, ["ab"], 9, ["cd"]), ["ab"], ["cd"], {"tokens/pdb.lmdb": 3}),
        (Salvage(5, [], 9), [], None, {"tokens/pdb.lmdb": 4}),
        (Salvage(5, ["ab"], None), ["ab"], None, {"tokens/pdb.lmdb": None}),
        (Salvage(7, [], 6, ["cd"]), None, ["cd"], None),
    ],
)
def test_tokens_are_lost_by_name_or_by_number(tmp_path, saved, lost, origins, unnamed) -> None:
    work = module._Repair(tmp_path)
    work._note_lost(tmp_path / "tokens/pdb.lmdb", saved)
    report = work.report
    assert report.tokens_lost == ({} if lost is None else {"pdb": lost})
    assert report.origins_lost == ({} if origins is None else {"pdb": origins})
    assert report.unnamed == (unnamed or {})
    assert (report.sequences_lost, report.ids_lost) == ([], [])


def test_sequences_that_others_name_are_asked_for_where_some_are_gone(tmp_path, monkeypatch):
    path, asked = tmp_path / "proteins.lmdb", []
    named = {"bb", "aa"}
    monkeypatch.setattr(
        module, "named_without_sequence", lambda root: (asked.append(root), named)[1]
    )
    work = module._Repair(tmp_path)
    work._note_lost(path, Salvage(6, [], 6, ["cc"]))
    assert (asked, work.report.sequences_lost, work.report.ids_lost) == ([], [], ["cc"])
    work._note_lost(path, Salvage(5, ["zz"], 10))
    assert asked == [tmp_path]
    assert work.report.sequences_lost == ["aa", "bb", "zz"]
    assert work.report.unnamed == {"proteins.lmdb": 2}
    assert (work.report.tokens_lost, work.report.origins_lost) == ({}, {})


def test_the_larger_claim_counts_that_of_a_database_or_of_its_entry(filled, monkeypatch):
    path = filled.store.path / "tokens/alphafold2.lmdb"
    for entries, records, unnamed in ((6, 9, 4), (9, 6, 4), (None, 7, 2), (7, None, 2)):
        if records is None:
            strike(path)
        else:
            renew(path, records=records)
        monkeypatch.setattr(module, "rebuild", lambda *_, n=entries: Salvage(5, [], n))
        work = module._Repair(filled.store.path)
        work._rebuild_database(path)
        assert work.report.unnamed == {"tokens/alphafold2.lmdb": unnamed}
        assert work.report.set_aside == work.report.rebuilt == ["tokens/alphafold2.lmdb"]
    monkeypatch.setattr(module, "rebuild", lambda *_: Salvage(5, [], None))
    work = module._Repair(filled.store.path)
    work._rebuild_database(path)
    assert work.report.unnamed == {"tokens/alphafold2.lmdb": None}


def test_what_is_gone_is_struck_and_said_by_its_kind(filled):
    root = filled.store.path
    for name, counts in (
        ("tasks/gone.jsonl", {"rows": 3}), ("alphabets/gone.toml", {}),
        ("tokens/gone.lmdb", {"records": 4}), ("tokens/older.lmdb", {}),
    ):  # fmt: skip
        renew(root / name, **counts)
    report = repair(root)
    assert (report.tasks_lost, report.alphabets_lost) == (["gone"], ["gone"])
    assert report.tokens_lost == {"gone": [], "older": []}
    assert report.unnamed == {"tokens/gone.lmdb": 4, "tokens/older.lmdb": None}
    assert report.unlisted == []
    assert not repair(root).lost


def test_the_first_protein_of_another_segment_is_held_by_it(filled, kit):
    made, protein = kit.provenance("twice"), filled.proteins[0]
    for _ in range(2):
        with filled.store.writer(made, {}) as writer:
            writer.add(kit.embedding(protein, made))
    path = filled.store.embeddings("twice").segments[0].path / "values/c.0.0"
    path.write_bytes(path.read_bytes()[:-1])
    report = repair(filled.store.path)
    assert (len(report.set_aside), report.embed_again) == (1, {})


def test_a_segment_without_its_list_of_proteins_is_said_to_be_unlisted(filled):
    segment = filled.store.embeddings("enc_int8").segments[0].path
    (segment / "digests/c.0.0").unlink()
    report = repair(filled.store.path)
    assert report.unlisted == report.set_aside == [str(segment.relative_to(filled.store.path))]
    assert report.embed_again == {}


def test_the_stores_own_metadata_come_first_and_others_last() -> None:
    places = ["embeddings/x/zarr.json", "tasks/a.jsonl", "zarr.json", "embeddings/x/2", "a"]
    assert sorted(places, key=module._order) == [
        "zarr.json", "a", "embeddings/x/2", "tasks/a.jsonl", "embeddings/x/zarr.json",
    ]  # fmt: skip
