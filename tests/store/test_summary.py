"""The summary of a store."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError
from sesstore.residues import Embedding
from sesstore.store import embeddings, layout
from sesstore.store.summary import summarise


def test_the_summary_counts(filled):
    plain = json.loads(json.dumps(summarise(filled.store).to_json()))
    assert plain["proteins"] == len({p.digest for p in filled.proteins})
    assert {e["encoder"] for e in plain["encoders"]} == {"enc_float16", "enc_int8"}
    assert plain["encoders"][0]["proteins"] == len(filled.proteins)
    assert plain["sources"][0]["counts"]["dssp"] == plain["proteins"]
    assert plain["tasks"][0]["splits"] == {"train": 15, "test": 15}
    residues = sum(len(p) for p in filled.proteins)
    size = {"enc_float16": residues * 6 * 2, "enc_int8": residues * (6 + 2)}  # int8 has scales
    for encoder in plain["encoders"]:
        view = filled.store.embeddings(encoder["encoder"])
        assert (encoder["residues"], encoder["bytes"]) == (residues, size[encoder["encoder"]])
        assert encoder["segments"] == len(view.segments) > 1
        assert len(encoder["runs"]) == 1  # the same for all segments
        assert encoder["fingerprint"] == view.provenance.fingerprint.short
    assert (plain["residues"], plain["bytes"]) == (2 * residues, sum(size.values()))
    assert plain["segments"] == sum(e["segments"] for e in plain["encoders"])
    (source,), (task,) = plain["sources"], plain["tasks"]
    assert (source["source"], source["tool"]) == ("alphafold2", "mini3di 0.2")
    assert source["proteins"] == plain["proteins"]
    assert (task["problem"], task["classes"], task["citation"]) == ("single_label", 2, "C 2020")


def test_means_are_no_residues(filled, kit):
    made = kit.provenance("means", dim=6)
    made = replace(made, fingerprint=replace(made.fingerprint, reduction="mean"))
    before = summarise(filled.store).to_json()
    with filled.store.writer(made, {}) as writer:
        for protein in filled.proteins:
            writer.add(Embedding(protein.digest, np.zeros((1, 6), np.float16)))
    after = summarise(filled.store).to_json()
    assert after["residues"] == before["residues"]
    assert after["bytes"] == before["bytes"] + len(filled.proteins) * 6 * 2


def test_runs_are_told_once_each_and_in_their_order(filled, kit):
    made = kit.provenance("a", dim=7)
    for number, date in enumerate("211"):
        with filled.store.writer(made, {"date": date}) as writer:
            writer.add(kit.embedding(filled.proteins[number], made))
    filled.store.add_tokens([kit.tokens(filled.proteins[0], "pdb", "other 1")], {"date": "9"})
    summary = summarise(filled.store)
    first = summary.encoders[0]
    assert (first.segments, first.proteins, first.runs) == (3, 3, [{"date": "2"}, {"date": "1"}])
    residues = sum(map(len, filled.proteins[:3]))
    assert (first.residues, first.bytes) == (residues, residues * 7 * 2)
    alphafold2, pdb = summary.sources
    assert (alphafold2.source, alphafold2.tool, pdb.source) == ("alphafold2", "mini3di 0.2", "pdb")
    assert (pdb.proteins, pdb.tool) == (1, "other 1")
    assert pdb.counts == {"foldseek": 1, "dssp": 1, "plddt": 1}
    assert pdb.runs == [{"tool": "other 1", "circumstances": {"date": "9"}}]
    plain = summary.to_json()
    assert plain["path"] == str(filled.store.path)
    provenances = [made, *filled.provenances]
    assert plain["fingerprints"] == [p.fingerprint.short for p in provenances]
    assert [e["provenance"] for e in plain["encoders"]] == [p.to_json() for p in provenances]


def test_what_is_damaged_is_left_out_and_told_once(filled):
    """Each part by itself; without anybody to tell it is an error."""
    root, store = filled.store.path, filled.store
    (store.embeddings("enc_int8").segments[0].path / "digests/c.0.0").unlink()
    (root / "tasks/other.jsonl").write_bytes(b"rubbish\n")
    (root / "tokens/pdb.lmdb").write_bytes(b"rubbish" * 4096)
    with pytest.raises(CorruptStoreError):
        summarise(store)
    told: list[str] = []
    summary = summarise(store, told.append)
    assert [e.provenance.fingerprint.encoder for e in summary.encoders] == ["enc_float16"]
    assert [source.source for source in summary.sources] == ["alphafold2"]
    assert [task.name for task in summary.tasks] == ["toy"]
    assert summary.proteins == len({p.digest for p in filled.proteins})
    assert len(told) == 3
    for text, part in zip(told, ("enc_int8", "pdb.lmdb", "other.jsonl"), strict=True):
        assert part in text
    (store.encoder_folder("enc_int8") / "zarr.json").write_bytes(b"{}")
    (root / "proteins.lmdb").write_bytes(b"rubbish" * 4096)
    told.clear()
    summary = summarise(store, told.append)
    assert (summary.proteins, len(summary.sources), len(summary.tasks)) == (0, 1, 1)
    assert [part in text for text, part in zip(told, ("proteins", "zarr.json"), strict=False)]
    assert len(told) == 4


def test_a_segment_that_is_compacted_meanwhile_is_no_damage(filled, monkeypatch):
    """Its folder is gone, and what took its place is counted; a broken one is damage."""
    view = filled.store.embeddings("enc_float16")
    before, gone = summarise(filled.store).encoders[0], view.segments[0]
    real, whole = layout.read_group, {"count": 0}

    def read(path):
        if path.parent.name == gone.id and not whole["count"]:
            whole["count"] += 1
            gone.path.rename(gone.path.with_name(layout.new_segment_id(gone.id)))
            raise CorruptStoreError("it is not there")
        return real(path)

    monkeypatch.setattr(layout, "read_group", read)
    assert embeddings.layout is layout
    after = summarise(filled.store).encoders[0]
    assert whole["count"] == 1
    assert after == before
    monkeypatch.undo()
    (filled.store.embeddings("enc_float16").segments[1].path / "zarr.json").write_bytes(b"{}")
    with pytest.raises(CorruptStoreError):
        summarise(filled.store)
