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


@pytest.mark.parametrize(
    ("header", "sequence", "id_"),
    [
        (["Construct", "Protein sequence", "Tm (°C)"], "Protein sequence", "Construct"),
        (["UniProt ID", "Amino-acid Sequence [AA]", "Protein"], "Amino-acid Sequence [AA]", None),
        (["Protein name", "Sequence (AA)"], "Sequence (AA)", "Protein name"),
        (["Protein.ID", "Protein", "seq_"], "seq_", "Protein.ID"),
    ],
)
def test_blanks_marks_and_units_do_not_hide_a_column(
    header: list[str], sequence: str, id_: str | None
) -> None:
    columns = find_columns(header)
    assert columns.sequence == sequence
    assert columns.id == (id_ or "UniProt ID")


def test_the_user_need_not_write_the_unit() -> None:
    header = ["Sequence", "Tm (°C)", "Date"]
    assert find_columns(header, Columns(label="tm")).label == "Tm (°C)"
    assert find_columns(["Sequence", "Tm", "Tm (°C)"], Columns(label="Tm")).label == "Tm"


def test_the_only_column_that_holds_a_sequence_is_taken_where_no_name_tells() -> None:
    row = {"Probe": "MKTAYIAKQRQISFVKSH", "Comment": "expressed well", "y": "1.5"}
    assert find_columns(list(row), row=row).sequence == "Probe"
    assert find_columns(list(row)).sequence is None
    # Two could be it: nothing is guessed. A label the user named is no sequence, nor are tokens.
    two = row | {"Comment": "mktayiakqrqisfvksh"}
    assert find_columns(list(two), row=two).sequence is None
    assert find_columns(list(two), Columns(label="Comment"), two).sequence == "Probe"
    tokens = row | {"foldseek_seq": "DVVVVVDDDDPPPPPPPP"}
    assert find_columns(list(tokens), row=tokens).sequence == "Probe"
