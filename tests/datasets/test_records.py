"""A row of a file becomes a record, or an error that says where and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.datasets.columns import Columns
from sesstore.datasets.records import Record, record_from, split_named, split_said, tokens_of
from sesstore.errors import InputError, RecordError

COLUMNS = Columns("seq", "id", "y", "set", "val", "mask", "family")


def record(row: dict[str, Any], *, allow_partial: bool = False) -> Record:
    whole = {"seq": "MKV", **row}
    return record_from(whole, COLUMNS, Path("x.csv"), 7, "line 7", allow_partial=allow_partial)


def test_everything_a_row_says() -> None:
    row = {"id": "p", "seq": "mk v*", "y": 0, "set": "train", "val": "", "mask": "101",
           "family": " f1 ", "foldseek_seq": "DVP", "ss8_seq": ""}  # fmt: skip
    read = record(row)
    assert (read.protein.id, read.protein.sequence) == ("p", "MKV")
    assert (read.label, read.split, read.mask, read.group) == (0, "train", "101", "f1")
    assert (read.path, read.line, read.column, read.partial) == (Path("x.csv"), 7, "y", ())
    assert {name: FOLDSEEK.decode(codes) for name, codes in read.tokens.items()} == {
        "foldseek": "DVP"
    }
    assert str(read.error("odd")).startswith("x.csv, line 7 (p): odd")
    bare = record({})
    assert (bare.label, bare.split, bare.mask, bare.group, dict(bare.tokens)) == (None,) * 4 + ({},)


@pytest.mark.parametrize(
    ("name", "id_"), [("p", "p"), ("", "line 7"), ("  ", "line 7"), (None, "line 7"), (0, "0")]
)
def test_a_row_without_a_name_is_called_by_its_line(name: object, id_: str) -> None:
    assert record({"id": name}).protein.id == id_


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"seq": None}, "column seq holds nothing, not a sequence"),
        ({"seq": 5}, "column seq holds int 5, not a sequence"),
        ({"seq": "M1V"}, "column seq: letter '1' at position 2"),
        ({"ss8_seq": 3}, "ss8_seq is int, not text"),
        ({"ss8_seq": "HX?"}, "column ss8_seq: "),
        ({"ss8_seq": "HH"}, "ss8_seq has 2 letters, aa_seq 3"),
        ({"foldseek_seq": "DDDD"}, "foldseek_seq has 4 letters, aa_seq 3"),
        ({"set": "test", "val": True}, "for validation and for testing"),
    ],
)
def test_what_is_wrong_with_a_row(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError) as wrong:
        record({"id": "p", **row})
    assert str(wrong.value).startswith("x.csv, line 7 (p): ")
    assert message in str(wrong.value)


def test_tokens_of_another_length_are_masked_where_that_is_allowed() -> None:
    read = record({"ss8_seq": "HH", "foldseek_seq": "DVP"}, allow_partial=True)
    assert read.partial == ("dssp",)
    assert read.tokens["dssp"].tolist() == [DSSP.mask] * 3
    assert FOLDSEEK.decode(read.tokens["foldseek"]) == "DVP"


def test_words_for_splits() -> None:
    words = (
        "Training",
        " val ",
        "dev",
        "VALIDATION",
        "testing",
        "test",
        "Test-2 (new)",
        "rest",
        "",
    )
    assert [split_named(word) for word in words] == [
        "train", "valid", "valid", "valid", "test", "test", "test-2_new_", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("split", "validation", "said"),
    [
        (" train ", None, "train"),
        ("train", "False", "train"),
        ("train", "0", "train"),
        ("train", True, "valid"),
        ("train", 1.0, "valid"),
        ("train", " Yes", "valid"),
        (None, "1", "valid"),
        (None, None, None),
        ("odd", "true", "valid"),
        (3, None, "3"),
    ],
)
def test_what_a_row_belongs_to(split: object, validation: object, said: str | None) -> None:
    assert split_said(split, validation) == said
    with pytest.raises(InputError, match="only one of these"):
        split_said("test2", "true")


def test_tokens_are_those_of_the_first_row_of_a_sequence() -> None:
    rows = [
        record({"foldseek_seq": "DVP"}),
        record({"foldseek_seq": "DVP"}),
        record({"foldseek_seq": "DVV"}),
        record({"foldseek_seq": "DVP", "ss8_seq": "HHH"}),
        record({"seq": "MKL", "ss8_seq": "HH"}, allow_partial=True),
        record({"seq": "MKI"}),
    ]
    tokens, warnings = tokens_of(rows, "pdb", "toy")
    assert [sorted(entry.codes) for entry in tokens] == [["foldseek"], ["dssp"]]
    assert FOLDSEEK.decode(tokens[0].codes["foldseek"][0]) == "DVP"
    assert {(entry.source, entry.tool) for entry in tokens} == {("pdb", "came with toy")}
    assert warnings == [
        "rows that repeat a sequence with other tokens (the first count): 2",
        "rows whose tokens have the wrong length and are masked: 1",
    ]
    assert tokens_of(rows[:2], "pdb", "toy")[1] == []
    assert tokens_of(rows[-1:], None, "toy") == ([], [])
    with pytest.raises(InputError, match="Say where the structures come from"):
        tokens_of(rows, None, "toy")
