"""The summary of a store."""

from __future__ import annotations

import json

from sesstore.store.summary import summarise


def test_the_summary_counts(filled):
    plain = json.loads(json.dumps(summarise(filled.store).to_json()))
    assert plain["proteins"] == len({p.digest for p in filled.proteins})
    assert {e["encoder"] for e in plain["encoders"]} == {"enc_float16", "enc_int8"}
    assert plain["encoders"][0]["proteins"] == len(filled.proteins)
    assert plain["sources"][0]["counts"]["dssp"] == plain["proteins"]
    assert plain["tasks"][0]["splits"] == {"train": 15, "test": 15}
