"""The summary of a store."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from sesstore.residues import Embedding
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
