from __future__ import annotations

import pytest

from sesstore.datasets.columns import Columns, find_columns, label_column, sequence_column
from sesstore.errors import InputError, UnknownNameError


@pytest.mark.parametrize(
    ("header", "sequence", "id_", "label"),
    [
        (["name", "aa_seq", "label"], "aa_seq", "name", "label"),
        (["Sequence", "Target", "SET"], "Sequence", None, "Target"),
        (["ID", "Seq", "Tm"], "Seq", "ID", None),
        (["protein", "labels"], "protein", None, "labels"),
        (["protein", "sequence"], "sequence", None, None),
        (
            ["mutant", "mutated_sequence", "DMS_score", "DMS_score_bin"],
            "mutated_sequence",
            "mutant",
            "DMS_score",
        ),
    ],
)
def test_columns_are_found_by_the_names_people_use(
    header: list[str], sequence: str, id_: str | None, label: str | None
) -> None:
    found = find_columns(header)
    assert (found.sequence, found.id, found.label) == (sequence, id_, label)


def test_what_the_user_names_counts_first() -> None:
    found = find_columns(["seq", "label", "Tm"], Columns(label="tm"))
    assert (found.sequence, found.label) == ("seq", "Tm")
    with pytest.raises(UnknownNameError, match="Did you mean 'Tm'"):
        find_columns(["seq", "Tm"], Columns(label="Tmm"))


def test_the_only_column_left_is_the_label() -> None:
    header = ["seq", "Tm", "set", "ss8_seq"]
    assert label_column(find_columns(header), header) == "Tm"
    header = ["seq", "Tm", "pH"]
    with pytest.raises(InputError, match="--label: Tm, pH"):
        label_column(find_columns(header), header)


def test_absent_sequences_are_said_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"--sequence COLUMN\. Found: letters, y"):
        sequence_column(find_columns(["letters", "y"]), ["letters", "y"])


def test_what_was_taken_for_what_is_said() -> None:
    header = ["Entry", "Sequence", "Tm", "organism", "foldseek_seq"]
    said = find_columns(header, Columns(label="Tm")).description(header)
    assert said == "sequence = Sequence, id = Entry, label = Tm (not read: organism)"
