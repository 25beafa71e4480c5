from __future__ import annotations

import shutil

import pytest

from sesstore.errors import MissingFileError, StorageFullError, StoreAccessError
from sesstore.progress import SILENT
from sesstore.store import Store, layout
from sesstore.store import repair as module
from sesstore.store.integrity import verify
from sesstore.store.lmdb_seals import seal_path
from sesstore.store.manifest import counts_of
from sesstore.store.presence import objects
from sesstore.store.repair import RepairReport, repair
from sesstore.store.verify_report import Fault


def flip(path, place: int = 0) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 0x55
    path.write_bytes(bytes(raw))


def embed_missing(filled, kit) -> None:
    for made in filled.provenances:
        view = filled.store.embeddings(made.fingerprint)
        with filled.store.writer(made, {}) as writer:
            for protein in filled.proteins:
                if protein.digest not in view:
                    writer.add(kit.embedding(protein, made))


def stamps(filled) -> dict:
    paths = filled.store.path.rglob("*")
    return {p: p.stat().st_mtime_ns for p in paths if p.is_file() and "-lock" not in p.name}


def test_a_repair_says_how_the_verification_goes(filled, tmp_path):
    stages = []

    class Told(type(SILENT)):
        def stage(self, name, total, unit):
            stages.append((name, unit))
            return SILENT.stage(name, total, unit)

    repair(str(filled.store.path), progress=Told())
    assert stages == [("verifying", "parts")]
    with pytest.raises(MissingFileError):
        repair(tmp_path / "none")


def test_nothing_to_do_changes_nothing(filled):
    before = stamps(filled)
    assert not any(repair(filled.store.path).to_json().values())
    assert stamps(filled) == before


def test_a_bad_segment_is_set_aside_and_its_proteins_listed(filled, kit):
    view = filled.store.embeddings("enc_int8")
    segment = view.segments[1]
    flip(segment.path / "values/c.0.0", 100)
    report = repair(filled.store.path)
    expected = sorted(row.tobytes().hex() for row in segment.digests)
    assert report.embed_again == {view.folder.name: expected}
    assert len(list((filled.store.path / "set-aside").iterdir())) == 1
    assert verify(filled.store.path).ok
    embed_missing(filled, kit)
    assert len(filled.store.embeddings("enc_int8")) == len(filled.proteins)
    assert repair(filled.store.path).set_aside == []


def test_proteins_another_segment_holds_are_not_listed(filled, kit):
    made = filled.provenances[0]
    with filled.store.writer(made, {}) as writer:
        for protein in filled.proteins:
            writer.add(kit.embedding(protein, made))
    flip(filled.store.embeddings(made.fingerprint).segments[0].path / "values/c.0.0")
    report = repair(filled.store.path)
    assert len(report.set_aside) == 1
    assert report.embed_again == {}


@pytest.mark.parametrize("name", ["digests/c.0.0", "checksums.json", "zarr.json", "offsets/c.0"])
def test_any_broken_file_of_a_segment_sets_it_aside(filled, kit, name):
    flip(filled.store.embeddings("enc_float16").segments[0].path / name, 3)
    report = repair(filled.store.path)
    assert len(report.set_aside) == 1
    assert bool(report.unlisted) == (name == "digests/c.0.0")
    assert verify(filled.store.path).ok
    embed_missing(filled, kit)
    assert len(filled.store.embeddings("enc_float16")) == len(filled.proteins)


def test_metadata_are_rebuilt(filled, kit):
    root = filled.store.path
    folder = filled.store.embeddings("enc_int8").folder
    for path in (root / "zarr.json", root / "embeddings/zarr.json", folder / "zarr.json"):
        flip(path, 5)
    report = repair(root)
    assert len(report.rebuilt) == 3
    assert verify(root).ok
    store = Store.open(root)
    assert len(store.embeddings("enc_int8")) == len(filled.proteins)


@pytest.mark.parametrize("gone", ["zarr.json", "embeddings/zarr.json"])
def test_what_is_set_aside_of_a_store_without_metadata_is_no_loss_afterwards(filled, kit, gone):
    root = filled.store.path
    flip(filled.store.embeddings("enc_int8").segments[0].path / "values/c.0.0", 100)
    flip(root / "tasks/toy.jsonl", 5)
    (root / gone).unlink()
    report = repair(root)
    assert report.rebuilt == [gone]
    assert len(report.set_aside) == 2
    assert (len(report.embed_again), report.tasks_lost) == (1, ["toy"])
    assert verify(root).ok
    assert not repair(root).lost


def test_an_encoder_without_any_sound_segment_keeps_its_provenance(filled):
    view = filled.store.embeddings("enc_int8")
    flip(view.folder / "zarr.json", 9)
    for segment in view.segments:
        flip(segment.path / "values/c.0.0")
    report = repair(filled.store.path)
    assert len(report.embed_again[view.folder.name]) == len(filled.proteins)
    assert len(filled.store.encoders()) == 2
    assert verify(filled.store.path).ok


def test_databases_are_rebuilt_from_sound_records(filled, kit):
    root = filled.store.path
    protein = max(filled.proteins, key=len)
    tokens = root / "tokens/alphafold2.lmdb"
    codes = kit.tokens(protein).codes["dssp"].tobytes()
    tokens.write_bytes(tokens.read_bytes().replace(codes, codes[1:] + codes[:1]))
    report = repair(root)
    assert report.tokens_lost == {"alphafold2": [protein.digest.hex()]}
    assert verify(root).ok
    assert verify(root).notes == []
    reader = filled.store.tokens("alphafold2")
    assert reader.get(protein.digest) is None
    for other in filled.proteins:
        if other != protein:
            found = reader.get(other.digest)
            assert found.codes["dssp"].tobytes() == kit.tokens(other).codes["dssp"].tobytes()
            assert found.plddt.tobytes() == kit.tokens(other).plddt.tobytes()
            assert found.tool == "mini3di 0.2"
    assert filled.store.add_tokens(map(kit.tokens, filled.proteins), {}) == 1


def test_a_lost_sequence_can_be_added_again(filled):
    path = filled.store.path / "proteins.lmdb"
    protein = max(filled.proteins, key=len)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(protein.sequence.encode(), b"W" * len(protein)))
    report = repair(filled.store.path)
    assert report.sequences_lost == [protein.digest.hex()]
    assert filled.store.add_proteins(filled.proteins) == 1
    assert {p.digest for p in filled.store.proteins()} == {p.digest for p in filled.proteins}
    assert filled.store.find_id(protein.id) == [protein.digest]
    assert verify(filled.store.path).ok


def test_a_database_beyond_reading_is_set_aside_whole(filled, kit):
    path = filled.store.path / "tokens/alphafold2.lmdb"
    path.write_bytes(b"\0" * path.stat().st_size)
    report = repair(filled.store.path)
    assert report.set_aside == ["tokens/alphafold2.lmdb"]
    assert "alphafold2" in report.tokens_lost
    assert verify(filled.store.path).ok
    filled.store.add_tokens(map(kit.tokens, filled.proteins), {})
    assert len(filled.store.tokens("alphafold2")) == len({p.digest for p in filled.proteins})


def test_a_missing_seal_is_put_back(filled):
    path = filled.store.path / "proteins.lmdb"
    seal_path(path).unlink()
    repair(filled.store.path)
    assert verify(filled.store.path).notes == []


def test_a_broken_task_is_set_aside(filled):
    flip(filled.store.path / "tasks/toy.jsonl", 40)
    assert repair(filled.store.path).tasks_lost == ["toy"]
    assert filled.store.tasks() == []


def test_metadata_say_what_they_said_and_that_they_were_rebuilt(filled):
    """An encoder's from its own segments, whatever else was copied among them."""
    root = filled.store.path
    first, second = (filled.store.embeddings(p.fingerprint) for p in filled.provenances)
    stranger = second.folder / layout.new_segment_id("20000101T000000000000-")
    shutil.copytree(first.segments[0].path, stranger)
    places = [root, root / "embeddings", second.folder]
    before = [layout.read_group(place / "zarr.json") for place in places]
    for place in places:
        flip(place / "zarr.json", 5)
    report = repair(root)
    names = ["zarr.json", "embeddings/zarr.json", f"embeddings/{second.folder.name}/zarr.json"]
    assert sorted(report.rebuilt) == sorted(names)
    after = [layout.read_group(place / "zarr.json") for place in places]
    made = after[0].pop("made")
    assert made.keys() == before[0].pop("made").keys()
    assert after == [{**before[0], "repaired": True}, *before[1:]]
    assert {p.fingerprint: p for p in filled.store.encoders()} == {
        p.fingerprint: p for p in filled.provenances
    }


def test_an_encoder_that_nothing_tells_of_is_set_aside_with_its_segments(filled):
    root, view = filled.store.path, filled.store.embeddings("enc_int8")
    digests = sorted(row.tobytes().hex() for segment in view.segments for row in segment.digests)
    for file in view.folder.rglob("zarr.json"):
        if file.parent.parent != view.folder and file.parent.name in ("values", "digests"):
            continue
        flip(file, 5)
    report = repair(root)
    names = [f"embeddings/{view.folder.name}/{segment.id}" for segment in view.segments]
    assert sorted(report.set_aside) == sorted([*names, f"embeddings/{view.folder.name}"])
    assert report.embed_again == {view.folder.name: digests}
    assert not view.folder.exists()
    assert [p.fingerprint.encoder for p in filled.store.encoders()] == ["enc_float16"]
    aside = sorted(path.name[:-7] for path in (root / "set-aside").iterdir())
    assert aside == sorted(name.replace("/", "--") for name in report.set_aside)
    assert verify(root).ok


def test_what_is_entered_says_what_is_there(filled):
    root = filled.store.path
    before = {place: counts_of(place) for place in objects(root)}
    assert all(before.values())
    shutil.rmtree(root / layout.MANIFEST)
    repair(root)
    for place, counts in before.items():
        if place.suffix != ".lmdb":  # that of a database comes with its next seal
            assert counts_of(place) == counts


def test_a_step_that_fails_is_said_once_and_the_others_go_on(filled, monkeypatch):
    root = filled.store.path
    path = root / "tokens/alphafold2.lmdb"
    path.write_bytes(path.read_bytes()[: 3 * 4096])
    flip(root / "tasks/toy.jsonl", 40)
    broken = path.read_bytes()

    def full(*_):
        raise StorageFullError(f"no space left for {path}")

    monkeypatch.setattr(module, "rebuild", full)
    report = repair(root)
    (said,) = report.failed
    assert said == f"tokens/alphafold2.lmdb: no space left for {path}"
    assert path.read_bytes() == broken
    assert (report.tasks_lost, report.set_aside) == (["toy"], ["tasks/toy.jsonl"])
    assert report.rebuilt == []


def test_what_cannot_be_read_is_not_judged(filled, monkeypatch):
    flip(filled.store.path / "tasks/toy.jsonl", 40)
    before = stamps(filled)
    report = verify(filled.store.path)
    refused = [Fault(f"tokens/{n}.lmdb", "no permission") for n in range(1235)]
    monkeypatch.setattr(module, "verify", lambda *_, **__: report)
    for count, more in ((1, ""), (1235, r" \(and 1,234 more, see `sesstore verify`\)")):
        report.unreadable[:] = refused[:count]
        said = f"^nothing was changed, because tokens/0.lmdb{more} cannot be judged: no permission"
        with pytest.raises(StoreAccessError, match=said):
            repair(filled.store.path)
    assert stamps(filled) == before


@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        ("embed_again", {"enc": ["ab"]}), ("unlisted", ["x"]), ("tokens_lost", {"pdb": []}),
        ("sequences_lost", ["ab"]), ("ids_lost", ["ab"]), ("origins_lost", {"pdb": ["ab"]}),
        ("tasks_lost", ["toy"]), ("alphabets_lost", ["mine"]),
    ],
)  # fmt: skip
def test_every_kind_of_loss_is_one(kind, lost) -> None:
    assert RepairReport(**{kind: lost}).lost
    assert not RepairReport(set_aside=["x"], rebuilt=["x"], failed=["x"]).lost


@pytest.mark.parametrize("count", [None, 3])
def test_what_cannot_be_named_is_lost_too(count: int | None) -> None:
    assert RepairReport(unnamed={"tokens/esmfold.lmdb": count}).lost
    assert not RepairReport().lost
