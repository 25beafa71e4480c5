from __future__ import annotations

from dataclasses import fields

import pytest

from sesstore.datasets.columns import (
    Columns,
    find_columns,
    goes_by,
    label_column,
    sequence_column,
    spellings,
    taken_as,
)
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
    blank = row | {"Probe": " mktayiakqrqisfvksh\t"}
    assert find_columns(list(blank), row=blank).sequence == "Probe"
    tokens = row | {"foldseek_seq": "DVVVVVDDDDPPPPPPPP"}
    assert find_columns(list(tokens), row=tokens).sequence == "Probe"


def test_a_named_column_of_sequences_counts_before_one_that_holds_some() -> None:
    """Short sequences under a name that is told, and a long one in a column that is not read."""
    row = {"id": "p", "seq": "MKV", "y": "1", "linker": "MKTAYIAKQRQISFVKSH"}
    assert find_columns(list(row), row=row).sequence == "seq"
    assert find_columns(list(row), Columns(sequence="id"), row).sequence == "id"
    split = {"Probe": "MKTAYIAKQRQISFVKSH", "set": "MKTAYIAKQRQISFVKSH", "y": "1"}
    assert find_columns(list(split), row=split).sequence == "Probe"
    headless = {"MKTAYIAKQRQISFVKSH": "MKTAYIAKQRQISFVKSA", "0": "1"}
    assert find_columns(list(headless), row=headless).sequence is None


def test_spellings_of_a_name() -> None:
    assert spellings(" Tm (\u00b0C) ") == ("tm (\u00b0c)", "tm")
    assert spellings("Amino-acid  Sequence [AA]") == ("amino-acid  sequence [aa]",
                                                      "amino_acid_sequence")  # fmt: skip
    assert spellings("(AA)") == ("(aa)", "aa")
    assert goes_by("UniProt.ID", ("uniprot_id",))
    assert goes_by("a (b)", ("a (b)",))
    assert not goes_by("UniProt.ID", ("uniprot",))


def test_a_column_of_groups_may_be_that_of_names_and_no_other() -> None:
    header = ["id", "seq", "label", "family"]
    by_name = find_columns(header, Columns(group="ID"))
    assert (by_name.group, by_name.id, by_name.label) == ("id", "id", "label")
    assert find_columns(header, Columns(group="label")).label is None
    assert find_columns(header).group is None
    grouped = find_columns(["seq", "Tm", "family"], Columns(group="family"))
    assert label_column(grouped, ["seq", "Tm", "family"]) == "Tm"


def test_names_are_stripped_and_the_first_of_two_is_read() -> None:
    assert find_columns([" Seq ", "name", "ID"]).sequence == " Seq "
    assert find_columns(["id", "name"]).id == "name"  # the commonest first
    both = find_columns(["Tm", "tm", "seq"], Columns(label="tm"))
    assert both.label == "Tm"
    with pytest.raises(InputError, match="'seq' and 'SEQ' differ in case alone"):
        find_columns(["seq", "SEQ"])
    with pytest.raises(InputError, match="' seq ' and 'SEQ' differ in case alone"):
        find_columns([" seq ", "SEQ"])
    assert find_columns(["seq", "Note", "note"]).sequence == "seq"  # of what is not read


@pytest.mark.parametrize("second", ["sequence_b", "seq2", "Protein 2", "aaseq_2", "sequence_aa_b"])
def test_pairs_of_proteins_are_refused_unless_one_is_named(second: str) -> None:
    with pytest.raises(InputError, match=f"second sequence a row, in column {second}"):
        find_columns(["seq", second, "label"])
    with pytest.raises(InputError, match="second sequence"):
        find_columns(["seq", second, "label"], Columns(label="label"))
    assert find_columns(["seq", second], Columns(sequence=second)).sequence == second


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["MKVLAAGIVGLCAKA", "0"], "header is missing"),
        (["x", " MKVLAAGIVGLCAKA* "], "header is missing"),
        (["MKVLAAGIVGLCAK", "0"], "Found: MKVLAAGIVGLCAK, 0"),
        ([], "Found: nothing"),
    ],
)
def test_a_sequence_where_names_should_be(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sequence_column(Columns(), names)
    assert sequence_column(Columns(sequence="x"), names) == "x"


def test_an_empty_cell_is_none() -> None:
    row = {"a": "", "b": 0, "c": " ", "d": False}
    taken = [taken_as(row, column) for column in ("a", "b", "c", "d", "e", None)]
    assert taken == [None, 0, " ", False, None, None]


@pytest.mark.parametrize(
    "role", ["sequence", "id", "label", "split", "validation", "mask", "group"]
)
def test_what_the_user_names_is_that_and_nothing_else(role: str) -> None:
    """Also a column that would be taken for another thing by its name."""
    header = ["sequence", "seq", "id", "name", "label", "target", "set", "split", "mask"]
    for column in header:
        found = find_columns(header, Columns(**{role: column.upper()}))
        others = {f.name: getattr(found, f.name) for f in fields(found) if f.name != role}
        assert getattr(found, role) == column
        if role == "group" and column == "name":
            assert others.pop("id") == "name"
        assert column not in others.values()
    named = find_columns(header, Columns(**{role: "seq"}))
    assert named.label == ("seq" if role == "label" else "label")


def test_a_column_is_named_for_one_thing() -> None:
    with pytest.raises(InputError, match="column 'y' is named twice, as label and as split"):
        find_columns(["seq", "y"], Columns(label="y", split="Y"))
    with pytest.raises(InputError, match="as label and as group"):
        find_columns(["seq", "y"], Columns(label="y", group="y"))


@pytest.mark.parametrize("last", [0, 1])
def test_a_column_called_exactly_so_goes_before_one_that_is_nearly_called_so(last: int) -> None:
    pair = ["Target (norm)", "target"]
    header = ["sequence", *(pair if last else reversed(pair))]
    assert find_columns(header).label == "target"
    assert find_columns(header, Columns(label="target")).label == "target"
    assert find_columns(header, Columns(label="Target (norm)")).label == "Target (norm)"
