"""Faults inside a segment."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store, layout
from sesstore.store.atomic_files import sealed, unsealed
from sesstore.store.integrity import verify
from sesstore.store.segment_check import foreign_files, segment_problems
from sesstore.store.segments import Segment
from sesstore.store.shards import checksums_of


def reseal(segment: Path, name: str, data: bytes) -> None:
    """Change a file and give it a fresh checksum, as a broken program would."""
    (segment / name).write_bytes(data)
    path = segment / layout.CHECKSUMS
    listed = unsealed(path.read_bytes(), path)
    listed["files"][name] = checksums_of(data)
    path.write_bytes(sealed(listed))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("digests/c.0.0", lambda a: np.repeat(a.reshape(-1, 32)[:1], len(a) // 32, 0), "twice"),
        ("offsets/c.0", lambda a: a.view("<i8")[[0, 2, 1, *range(3, len(a) // 8)]], "do not grow"),
        ("offsets/c.0", lambda a: np.r_[a.view("<i8")[:-1], a.view("<i8")[-1:] - 1], "residues"),
        ("values/c.0.0", lambda a: np.r_[np.uint8([0, 0x7C]), a[2:]], "not finite"),
    ],
)
def test_wrong_content_with_right_checksums_is_found(filled, name, change, said):
    segment = filled.store.embeddings("enc_float16").segments[0].path
    raw = np.fromfile(segment / name, np.uint8)
    reseal(segment, name, np.ascontiguousarray(change(raw)).tobytes())
    assert any(said in fault.what for fault in verify(filled.store.path).bad)


def test_lengths_are_compared_with_the_sequences(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    known = kit.proteins(3)
    made = kit.provenance()
    store.add_proteins(known[2:])
    store.add_tokens([StructureTokens(known[0].digest, "pdb", {"dssp": [1] * 99}, None, "")], {})
    with store.writer(made, {}) as writer:
        writer.add(Embedding(known[1].digest, np.ones((99, 6), np.float16)))
    assert verify(store.path).ok
    assert "tokens of 1 proteins the store does not know" in verify(store.path).notes[0]
    store.add_proteins(known)
    said = " ".join(fault.what for fault in verify(store.path).bad)
    assert "99 codes for" in said
    assert "another length than its sequence" in said


@pytest.mark.parametrize("change", [-1, 1])
def test_an_embedding_of_another_length_than_its_sequence_is_found(tmp_path, kit, change):
    """A residue too few is as wrong as one too many."""
    store, made = Store.create(tmp_path / "s"), kit.provenance()
    protein = kit.proteins(1)[0]
    store.add_proteins([protein])
    with store.writer(made, {}) as writer:
        values = np.ones((len(protein) + change, made.dim), np.float16)
        writer.add(Embedding(protein.digest, values))
    (fault,) = verify(store.path).bad
    assert "another length than its sequence" in fault.what


def test_a_segment_of_another_encoder_is_found(filled):
    first, second = (filled.store.embeddings(p.fingerprint) for p in filled.provenances)
    shutil.copytree(first.segments[0].path, second.folder / first.segments[0].id)
    assert any("another encoder" in fault.what for fault in verify(filled.store.path).bad)


@pytest.mark.parametrize("change", [{"dtype": "float32"}, {"dim": 9}])
def test_a_segment_of_another_type_or_width_than_its_folder_is_none_of_it(tmp_path, kit, change):
    """By the same encoder: alone it is sound, and there its bytes would be read as others."""
    provenance = kit.provenance()
    here, there = (Store.create(tmp_path / name) for name in ("here", "there"))
    protein = kit.proteins(1)[0]
    for store, made in ((here, provenance), (there, replace(provenance, **change))):
        store.add_proteins([protein])
        with store.writer(made, {}) as writer:
            writer.add(Embedding(protein.digest, np.ones((len(protein), made.dim), made.dtype)))
    (stranger,) = there.embeddings().segments
    shutil.copytree(stranger.path, here.embeddings().folder / stranger.id)
    assert verify(there.path).ok
    (fault,) = verify(here.path).bad
    assert "another encoder than its folder says" in fault.what


@pytest.fixture
def copied(template, tmp_path):
    """Copies of one segment by each encoder, outside of any store, and their provenances."""
    copies = []
    for made in template.provenances:
        segment = template.store.embeddings(made.fingerprint).segments[0]
        shutil.copytree(segment.path, tmp_path / segment.id)
        copies.append((tmp_path / segment.id, made))
    return copies


def found(segment: Path, quick: bool = False, provenance=None) -> list[str]:
    return list(segment_problems(segment, provenance, quick=quick))


def test_quick_reads_all_but_the_values(copied):
    _, (segment, made) = copied
    assert found(segment, provenance=made) == found(segment, True, made) == []
    files = [str(p.relative_to(segment)) for p in segment.rglob("*") if p.is_file()]
    for name in sorted({*files} - {layout.CHECKSUMS}):
        raw = (segment / name).read_bytes()
        (segment / name).write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
        said = [f"{name} is not what was written"]
        assert found(segment) == said
        assert found(segment, True) == ([] if name == "values/c.0.0" else said)
        (segment / name).write_bytes(raw[:-1])
        said = [f"{name} has {len(raw) - 1} bytes instead of {len(raw)}"]
        assert found(segment) == found(segment, True) == said
        (segment / name).unlink()
        assert found(segment) == found(segment, True) == [f"{name} is missing"]
        (segment / name).write_bytes(raw)
    elsewhere = segment.parent / "elsewhere"
    shutil.move(segment / "values/c.0.0", elsewhere)
    (segment / "values/c.0.0").symlink_to(elsewhere)
    said = ["values/c.0.0 is a link; a segment has its files itself"]
    assert found(segment) == found(segment, True) == said
    elsewhere.unlink()
    assert found(segment) == found(segment, True) == said
    (segment / layout.CHECKSUMS).write_bytes(b"{}")
    assert "its checksums cannot be used" in found(segment)[0]


def test_every_entry_of_the_checksums_is_whole(copied):
    (segment, _), _ = copied
    place = segment / layout.CHECKSUMS
    listed = unsealed(place.read_bytes(), place)["files"]
    entry = listed["offsets/c.0"]
    for wrong in (
        [], {k: v for k, v in entry.items() if k != "crc32c"}, {**entry, "bytes": 8.0},
        {**entry, "bytes": True},
    ):  # fmt: skip
        place.write_bytes(sealed({"files": {**listed, "offsets/c.0": wrong}}))
        assert "its checksums cannot be used" in found(segment)[0]
        assert foreign_files(segment) == []
    place.write_bytes(sealed({}))
    assert "its checksums cannot be used" in found(segment)[0]
    assert foreign_files(segment) == []


def test_files_a_segment_does_not_list_are_named(copied):
    (segment, _), _ = copied
    assert foreign_files(segment) == []
    (segment / "values/more").mkdir()
    for name in ("values/more/z", "values/c.9.0", ".DS_Store"):
        (segment / name).write_bytes(b"x")
    assert foreign_files(segment) == [".DS_Store", "values/c.9.0", "values/more/z"]
    assert found(segment) == []
    (segment / layout.CHECKSUMS).unlink()
    assert foreign_files(segment) == []


def whole(segment: Path, **changes: object) -> None:
    """Other attributes under a right seal; a change to None takes an attribute out."""
    attributes = {**Segment(segment).attributes, **changes}
    attributes = {key: value for key, value in attributes.items() if value is not None}
    reseal(segment, layout.METADATA, layout.group_metadata(attributes))


@pytest.mark.parametrize("kind", ["proteins", "residues", "dim"])
def test_counts_that_are_none_are_not_believed(copied, kind):
    (segment, made), _ = copied
    sound = Segment(segment).attributes
    array = {"proteins": "offsets", "residues": "values", "dim": "values"}[kind]
    for count in (0, -1, True, 3.0, "3", 1 << 48, (1 << 48) - 1):
        change = {kind: count}
        if kind == "dim":
            change = {"provenance": {**made.to_json(), "dim": count}}
        whole(segment, **{**sound, **change})
        (said,) = found(segment)
        if count == (1 << 48) - 1:
            assert said == f"{array} is not as sesstore writes it"
        else:
            assert said == "zarr.json is not as sesstore writes it" or "cannot be used" in said


def test_metadata_are_compared_array_by_array(copied):
    """With what the segment's own counts, type and width ask for."""
    for segment, _ in copied:
        scaled = (segment / "scales").is_dir()
        attributes = Segment(segment).attributes
        proteins, residues = attributes["proteins"], attributes["residues"]
        others = {
            "offsets": layout.array_metadata((proteins,), "int64"),
            "digests": layout.array_metadata((proteins, 31), "uint8"),
            "values": layout.sharded_metadata((residues, 7), "float16", residues, residues),
            "scales": layout.array_metadata((residues + 1,), "float16"),
        }
        for name, metadata in others.items():
            if name == "scales" and not scaled:
                continue
            raw = (segment / name / layout.METADATA).read_bytes()
            reseal(segment, f"{name}/{layout.METADATA}", metadata)
            assert found(segment) == [f"{name} is not as sesstore writes it"]
            reseal(segment, f"{name}/{layout.METADATA}", raw)
        raw = (segment / "values" / layout.METADATA).read_bytes()
        for chunk in (0, -1, residues - 1, "16"):
            document = layout.parse(raw)
            document["codecs"][0]["configuration"]["chunk_shape"][0] = chunk
            reseal(segment, "values/zarr.json", layout.document(document))
            assert found(segment) == ["values is not as sesstore writes it"]
        for rubbish in (b"{", b"[]", b"{}"):
            reseal(segment, "values/zarr.json", rubbish)
            assert found(segment) == ["values is not as sesstore writes it"]
        reseal(segment, "values/zarr.json", raw)
        for dtype in ("float64", "uint8"):
            whole(segment, provenance={**attributes["provenance"], "dtype": dtype})
            assert found(segment) == ["zarr.json is not as sesstore writes it"]
        whole(segment, provenance=attributes["provenance"])
        assert found(segment) == []
        whole(segment, residues=None)
        assert "its metadata cannot be used" in found(segment)[0]


def test_offsets_and_scales_hold_what_rows_there_are(copied):
    (plain, _), (segment, _) = copied
    offsets = np.fromfile(segment / "offsets/c.0", "<i8")
    doubled = np.concatenate([offsets[:1], offsets[1:2], offsets[1:2], offsets[3:]])
    for wrong in (doubled, offsets + np.r_[1, np.zeros(len(offsets) - 1, int)], offsets[::-1]):
        reseal(segment, "offsets/c.0", wrong.astype("<i8").tobytes())
        assert found(segment) == ["its offsets do not grow from 0 to its number of residues"]
    reseal(segment, "offsets/c.0", offsets.tobytes())
    for number in (np.nan, -np.inf):
        scales = np.fromfile(segment / "scales/c.0", "<f2")
        scales[-1] = number
        reseal(segment, "scales/c.0", scales.tobytes())
        for quick in (True, False):
            assert found(segment, quick) == ["its scales are not finite"]
    values = np.fromfile(plain / "values/c.0.0", np.uint8)
    values[:2] = 0, 0x7C  # infinity
    reseal(plain, "values/c.0.0", values.tobytes())
    assert found(plain) == ["it holds values that are not finite"]
    assert found(plain, quick=True) == []
    values[-1] ^= 1  # of the index: its own sum
    reseal(plain, "values/c.0.0", values.tobytes())
    assert found(plain) == found(plain, quick=True) == ["its shards do not lie in order"]


def test_a_segment_by_another_is_said_to_be_that_first(copied):
    (segment, _), (_, other) = copied
    assert found(segment, provenance=other) == [
        "it was made by another encoder than its folder says"
    ]
