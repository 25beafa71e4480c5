"""A cleaned copy has none of what was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sesstore.datasets.cleaning import write_clean
from sesstore.datasets.diagnosis import data_set, examine
from sesstore.datasets.load import load_own
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError

from .conftest import counts, healthy_rows, sequence, write


def ill_rows() -> list[dict[str, Any]]:
    rows = healthy_rows()
    text = rows[2]["aa_seq"]
    return [
        *rows,
        {**rows[0], "label": "yes"},  # another label
        {**rows[1], "name": "again"},  # repeated
        {**rows[16], "name": "leak", "split": "train"},  # in test, too
        {"name": "near", "aa_seq": text[:40] + "W" + text[41:], "label": "no", "split": "test"},
        {"name": "p4", "aa_seq": sequence(), "label": "no", "split": "valid"},  # a name again
        {"name": "odd", "aa_seq": "MKXXU", "label": "no", "split": "train"},
    ]


def test_every_illness_is_found_and_the_cleaned_copy_has_none(tmp_path: Path) -> None:
    loaded = load_own(write(tmp_path / "ill", ill_rows()), UserData())
    ill = data_set("ill", loaded)
    assert counts(examine([ill])) == {
        "conflicting_labels": 1,
        "in_train_and_test": 1,
        "repeated_in_train": 2,
        "names_of_several_sequences": 1,
        "names_with_differing_labels": 1,
        "nearly_in_train_and_test": 1,
        "small_valid": 5,
        "small_test": 5,
        "short": 1,
        "unusual_letters": 1,
    }
    done = write_clean(tmp_path / "clean", [ill], [{}])["ill"]
    assert done["rows"] == {"train": 11, "valid": 5, "test": 5}
    assert done["changes"] == {
        "dropped: its sequence has differing labels": 2,
        "dropped: its sequence is in a later split, too": 1,
        "dropped: nearly equal to a protein of a later split": 1,
        "dropped: repeats a row": 1,
        "named anew": 1,
    }
    changes = [json.loads(line) for line in (tmp_path / "clean/changes.jsonl").open()]
    assert {"split": "valid", "name": "p4", "done": "named p4~2"} in changes
    assert [c["name"] for c in changes if c["done"].endswith("repeats a row")] == ["again"]
    again = load_own(tmp_path / "clean", UserData())
    assert again.task.classes == loaded.task.classes
    assert examine([data_set("clean", again)]).healthy
    with pytest.raises(InputError, match="is there already"):
        write_clean(tmp_path / "clean", [ill], [{}])
