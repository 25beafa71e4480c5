"""Proteins as a notebook gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.api.sequences import prediction_inputs, proteins
from sesstore.errors import InputError
from sesstore.proteins import Protein


def test_text_and_proteins_go_together_and_keep_their_order() -> None:
    own = Protein("own", "MKVLA")
    found = proteins(["MKV", own, "mkvl*", own])
    assert [(p.id, p.sequence) for p in found] == [
        ("seq1", "MKV"), ("own", "MKVLA"), ("seq3", "MKVL"), ("own", "MKVLA"),
    ]  # fmt: skip
    assert proteins({"b": "MKV", "a": "MKVL"}) == [Protein("b", "MKV"), Protein("a", "MKVL")]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["MKV", 7], "'seq2' is int, not a sequence"),
        ({"a": b"MKV"}, "'a' is bytes, not a sequence"),
        (["MKV", own := Protein("own", "MKV"), "MK?"], "sequence 'seq3': letter '?'"),
        ([own, None], "'seq2' is NoneType"),
    ],
)
def test_what_is_no_sequence_is_named(given: object, told: str) -> None:
    with pytest.raises(InputError) as refusal:
        proteins(given)  # type: ignore[arg-type]
    assert told in str(refusal.value)


def test_files_are_told_from_sequences() -> None:
    spec = prediction_inputs(["MKV", Path("a.fasta"), Protein("own", "MKVL"), Path("b.pdb")])
    assert list(spec.names) == ["a.fasta", "b.pdb"]
    assert [p.id for p in spec.proteins] == ["seq1", "own"]
    assert list(prediction_inputs("task").names) == ["task"]
