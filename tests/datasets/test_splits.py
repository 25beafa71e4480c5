from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets import groups
from sesstore.datasets.groups import Groups, cluster
from sesstore.datasets.records import Record
from sesstore.datasets.splits import _choose, by_split, completed, split_files
from sesstore.errors import InputError, MissingFileError, RecordError
from sesstore.proteins import Protein

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


@pytest.fixture(autouse=True)
def without_mmseqs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have clusters made by k-mers, whatever is installed."""
    if "mmseqs" not in request.node.name:
        monkeypatch.setenv("PATH", str(tmp_path))


def record(sequence: str, split: str | None = None, line: int = 1) -> Record:
    return Record(Protein(f"p{line}", sequence), 0, {}, (), split, Path("d.csv"), line)


def families(count: int, size: int) -> list[Record]:
    """Families of proteins that differ in one residue each."""
    rng = np.random.default_rng(0)
    made = []
    for family in range(count):
        parent = "".join(rng.choice(LETTERS, 120))
        made += [
            record(parent[:at] + "W" + parent[at + 1 :], line=family * size + at)
            for at in range(size)
        ]
    return made


def test_whole_clusters_go_to_one_split_and_it_is_said() -> None:
    records = families(40, 3)
    whole = completed({"train": records}, seed=3)
    rows, notes = whole.rows, whole.notes
    assert (whole.created, whole.split_by) == (("valid", "test"), "cluster")
    assert {name: len(split) for name, split in rows.items()} == {
        "train": 96,
        "valid": 12,
        "test": 12,
    }
    homes: dict[int, set[str]] = {}
    for name, split in rows.items():
        for one in split:
            homes.setdefault(one.line // 3, set()).add(name)
    assert all(len(found) == 1 for found in homes.values())
    (note,) = notes
    assert "no split was given" in note
    assert "96 train, 12 valid, 12 test; 40 clusters; seed 3" in note


def test_the_seed_decides() -> None:
    records = families(30, 2)
    lines = [
        [r.line for r in completed({"train": records}, seed).rows["test"]] for seed in (0, 0, 1)
    ]
    assert lines[0] == lines[1]
    assert lines[0] != lines[2]


def test_valid_is_taken_from_train_where_test_is_given() -> None:
    records = families(20, 2)
    test = [record("MKV")]
    whole = completed({"train": records, "test": test})
    rows, (note,) = whole.rows, whole.notes
    assert whole.created == ("valid",)
    assert rows["test"] == test
    assert (len(rows["train"]), len(rows["valid"])) == (36, 4)
    assert "no valid rows were given" in note


def test_a_test_set_of_another_name_is_one() -> None:
    test = [record("MKV")]
    whole = completed({"train": families(20, 2), "test2": test})
    rows, (note,) = whole.rows, whole.notes
    assert list(rows) == ["train", "valid", "test2"]
    assert rows["test2"] == test
    assert "no valid rows were given" in note


def test_variants_of_one_protein_are_split_at_random_on_request() -> None:
    records = families(1, 60)
    with pytest.raises(InputError, match=r"60 rows in 1 cluster .* --split-by random"):
        completed({"train": records})
    again = [record(records[7].protein.sequence, line=n) for n in (100, 101)]
    whole = completed({"train": [*records, *again]}, split_by="random")
    rows, (note,) = whole.rows, whole.notes
    assert [len(split) for split in rows.values()] == [50, 6, 6]
    assert "train rows at random (50 train, 6 valid, 6 test; 59 sequences; seed 0)" in note
    assert "Similar proteins may stand on both sides" in note
    homes = [n for n, split in rows.items() for r in split if r.line in (7, 100, 101)]
    assert len(set(homes)) == 1
    with pytest.raises(InputError, match="the rows say their splits"):
        completed({"train": records[:3], "valid": records[3:]}, split_by="random")


def test_given_splits_stay() -> None:
    rows = {"train": [record("MK")], "valid": [record("MV")]}
    whole = completed(rows)
    assert (whole.rows, whole.created, whole.split_by, whole.notes) == (rows, (), None, [])


def test_one_family_cannot_be_split() -> None:
    with pytest.raises(InputError, match=r"50 rows in 1 cluster .*Give the splits in a column"):
        completed({"train": families(1, 50)})


def test_records_that_disagree_about_splits() -> None:
    with pytest.raises(RecordError, match=r"line 2.*no split, while others have one"):
        by_split([record("MK", "train"), record("MV", None, 2)])
    with pytest.raises(RecordError, match=r"split 'fold3' is unknown"):
        by_split([record("MK", "fold3")])
    rows, (left,) = by_split([record("MK", "Train"), record("MV", "pred")])
    assert list(rows) == ["train"]
    assert left.startswith("1 row of set 'pred'")


def program(folder: Path, body: str) -> None:
    file = folder / "mmseqs"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


def test_mmseqs_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "echo 'Error: cannot do this' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match="mmseqs fails: Error: cannot do this"):
        cluster(["MKV", "MKL"])


@pytest.mark.skipif(groups.shutil.which("mmseqs") is None, reason="MMseqs2 is not installed")
def test_mmseqs_clusters_families() -> None:
    found = cluster([one.protein.sequence for one in families(10, 3)])
    assert len(found) == 10
    assert (found.of.reshape(10, 3) == found.of.reshape(10, 3)[:, :1]).all()
    assert "30%" in found.made_by


def test_published_folds_are_splits_whatever_their_size() -> None:
    """Of ProteinGym's five folds, each a fifth of the rows, train gets three."""
    records = [replace(r, group=str(place % 5)) for place, r in enumerate(families(50, 1))]
    whole = completed({"train": records}, split_by="fold_random_5")
    assert {name: len(rows) for name, rows in whole.rows.items()} == {
        "train": 30, "valid": 10, "test": 10,
    }  # fmt: skip
    folds = [{r.group for r in rows} for rows in whole.rows.values()]
    assert sorted(map(len, folds)) == [1, 1, 3]
    two = [replace(r, group=str(place % 2)) for place, r in enumerate(families(50, 1))]
    with pytest.raises(InputError, match="2 groups"):
        completed({"train": two}, split_by="fold_random_5")


def test_a_group_that_just_fits_is_chosen() -> None:
    """Two of twenty rows are a tenth: groups of two fit, and one of three never does."""
    of = np.repeat(np.arange(9), [2] * 6 + [3, 3, 2])
    for seed in range(8):
        split = _choose(Groups(of, (), "group", "", ""), ("valid", "test"), seed)
        assert [(split == place).sum() for place in (1, 2)] == [2, 2]
    for rows, share in ((54, 5), (56, 6)):  # a tenth, rounded
        split = _choose(Groups(np.arange(rows), (), "row", "", ""), ("valid", "test"), 0)
        assert np.bincount(split).tolist() == [rows - 2 * share, share, share]
    large = Groups(np.repeat(np.arange(4), [30, 12, 10, 20]), (), "group", "", "")
    split = _choose(large, ("valid", "test"), 0, any_size=True)
    assert np.bincount(split).tolist() == [50, 10, 12]  # the smallest, and the next
    with pytest.raises(InputError, match="too few or too large to keep valid and test apart"):
        _choose(large, ("valid", "test"), 0)
    few = _choose(Groups(np.arange(4), (), "group", "", ""), ("valid", "test"), 0)
    assert sorted(few.tolist()) == [0, 0, 1, 2]  # one each, however few


def test_a_column_must_say_something_of_each_row() -> None:
    rows = [replace(r, group=None if n == 3 else "x") for n, r in enumerate(families(5, 1))]
    for blank in (None, ""):
        rows[3] = replace(rows[3], group=blank)
        with pytest.raises(RecordError, match="nothing in column batch"):
            completed({"train": rows}, split_by="batch")
    with pytest.raises(InputError, match="no train rows"):
        completed({"train": [], "test": rows})


def test_rows_to_be_predicted_and_further_tests_are_counted() -> None:
    words = ["train", "pred", "Predict", "prediction", "test", "test_far", "test_far"]
    rows, notes = by_split([record("MK", word, line) for line, word in enumerate(words)])
    assert {name: len(split) for name, split in rows.items()} == {
        "train": 1, "test": 1, "test_far": 2,
    }  # fmt: skip
    assert notes[0].startswith("3 rows of set 'pred'")
    assert notes[1].startswith("test sets test_far (2) are kept apart")
    assert by_split([record("MK"), record("MV")])[1] == []


def test_files_of_a_folder_are_of_one_split_each(tmp_path: Path) -> None:
    for name in ("test.csv", "train.csv", "readme.txt", "valid.md", "notes.csv"):
        (tmp_path / name).touch()
    assert list(split_files(tmp_path)) == ["train", "test"]
    (tmp_path / "training.tsv").touch()
    with pytest.raises(InputError, match=r"both train.csv and training.tsv are 'train'"):
        split_files(tmp_path)
    for name in ("train.csv", "training.tsv"):
        (tmp_path / name).unlink()
    with pytest.raises(MissingFileError, match=r"Found: notes\.csv, readme\.txt"):
        split_files(tmp_path)
    with pytest.raises(MissingFileError, match="no file or folder"):
        split_files(tmp_path / "none")


def test_rows_of_no_set_are_left_out_where_the_benchmark_has_them() -> None:
    words = ["train", None, "", " NaN ", "pred", "test"]
    records = [record("MK", word, line) for line, word in enumerate(words)]
    rows, notes = by_split(records, drop_unassigned=True)
    assert {name: [r.line for r in split] for name, split in rows.items()} == {
        "train": [0], "test": [5],
    }  # fmt: skip
    assert notes == [
        "1 row of set 'pred', to be predicted: left out of the task",
        "3 rows of no set, as published: left out of the task",
    ]
    with pytest.raises(RecordError, match=r"line 1 .*no split, while others have one"):
        by_split(records)
    everything, notes = by_split([record("MK"), record("MV", "")], drop_unassigned=True)
    assert (len(everything["train"]), notes) == (2, [])


def test_rows_of_made_splits_know_their_group() -> None:
    parent = "MKVLAAGIVGLCARTQWERTMKVLAAGIVGLCARTQWERT"
    rows = [
        record(parent[:at] + letter + parent[at + 1 :], line=at)
        for at in range(1, 31)
        for letter in "FY"
    ]
    whole = completed({"train": rows}, split_by="position")
    assert whole.split_by == "position"
    for split in whole.rows.values():
        assert [r.group for r in split] == [str(r.line + 1) for r in split]
    assert (
        "60 train rows by whole positions (48 train, 6 valid, 6 test; 30 positions"
        in (whole.notes[0])
    )
    alone = completed({"train": rows}, split_by="random")
    assert {r.group for split in alone.rows.values() for r in split} == {None}
    assert [len(split) for split in alone.rows.values()] == [48, 6, 6]
    assert "at random" in alone.notes[0]
