from __future__ import annotations

import json
from pathlib import Path

import pytest

from sesstore.datasets.load import load_task
from sesstore.datasets.recipes import recipe
from sesstore.errors import InputError, MissingFileError, RecordError

RECIPE = recipe("deeploc_binary")


def write(folder: Path, **splits: list[dict[str, object]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in splits.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)
    return folder


def row(sequence: str, label: object = 0, **more: object) -> dict[str, object]:
    return {"aa_seq": sequence, "label": label, **more}


@pytest.mark.parametrize(
    ("task", "source", "rows"),
    [
        ("deeploc_binary", "alphafold2", (1728, 505, 504)),
        ("deeploc_binary", "esmfold", None),
        ("ec", "alphafold2", None),
        ("thermostability", "alphafold2", None),
    ],
)
def test_real_tasks(shared_data: Path, task: str, source: str, rows: tuple[int, ...]) -> None:
    loaded = load_task(recipe(task), shared_data / task / source, source)
    lines = tuple(
        sum(1 for _ in (shared_data / task / source / f"{s}.jsonl").open())
        for s in ("train", "valid", "test")
    )
    assert tuple(len(split) for split in loaded.task.splits.values()) == (rows or lines)
    assert lines == (rows or lines)
    known = {protein.digest: protein for protein in loaded.proteins}
    assert len(known) == len(loaded.proteins)
    assert all(len(t) == len(known[t.digest]) for t in loaded.tokens)
    assert all(t.source == source for t in loaded.tokens)


def test_rows_are_kept_as_published_and_oddities_counted(tmp_path: Path) -> None:
    data = write(
        tmp_path / "d",
        train=[row("MK", 0, name="a"), row("MK", 1, name="a"), row("MV", 1, name="b")],
        validation=[row("MV", 1, name="a")],
    )
    loaded = load_task(RECIPE, data)
    assert loaded.task.splits["train"].labels == [0, 1, 1]
    assert len(loaded.proteins) == 2
    assert [finding.line for finding in loaded.findings] == [
        "splits without rows, so that results are on valid, which chose the epoch: 1",
        "sequences with differing labels: 1",
        "sequences in train and valid: 1",
        "rows that repeat a sequence in train: 1",
        "names that stand for several sequences: 1",
        "repeated names with differing labels: 1",
        "rows with fewer than 20 residues: 4",
        "valid has rows of one class only: 1",
        "proteins in valid, fewer than 20: 1",
        "classes with fewer than 5 train rows: 2",
    ]


def test_the_first_id_of_a_repeated_sequence_counts(tmp_path: Path) -> None:
    rows = [row("MK", 0, name="first"), row("MV", 1, name="other"), row("MK", 0, name="last")]
    loaded = load_task(RECIPE, write(tmp_path / "d", train=rows, valid=[row("ML", name="v")]))
    assert {protein.id for protein in loaded.proteins} == {"first", "other", "v"}


def test_a_sequence_in_all_splits_leaks_into_each(tmp_path: Path) -> None:
    rows = [row("MK", 0, name="a")]
    data = write(tmp_path / "d", train=rows, valid=rows, test=rows)
    found = {finding.what: finding.count for finding in load_task(RECIPE, data).findings}
    leaks = {what: count for what, count in found.items() if what.startswith("in_")}
    assert leaks == {"in_train_and_valid": 1, "in_train_and_test": 1, "in_valid_and_test": 1}


@pytest.mark.parametrize("word", ["True", "true", "TRUE", "1", "1.0", "yes", True, 1, 1.0])
def test_rows_for_validation_in_any_spelling(tmp_path: Path, word: object) -> None:
    path = tmp_path / "all.jsonl"
    rows = [
        row(f"M{'ACDEFGH'[n]}", n % 2, set="train", validation=no)
        for n, no in enumerate((False, "False", "0", 0, 0.0, None, ""))
    ]
    rows += [row("MV", 1, set="train", validation=word, name="mine")]
    rows += [row("ML", 1, set="test", validation=False)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    loaded = load_task(RECIPE, path)
    assert loaded.task.splits["valid"].ids == ("mine",)
    assert loaded.notes == []


def test_dna_in_a_table_is_suspected_aloud(tmp_path: Path) -> None:
    rows = [row("ATGAAAGTTCTGGCTGCTGGTATTGTTGG", 0), row("MKVLAAGIVGLCAKAYLERA", 1)]
    data = write(tmp_path / "d", train=rows, valid=[row("MKV")], test=[row("MVL")])
    (warning,) = load_task(RECIPE, data).warnings
    assert "train.jsonl': 1 of 2 sequences look like DNA or RNA" in warning


def test_one_file_with_a_split_column(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    rows = [row("MK", 0, split="train"), row("MV", 1, split="val"), row("ML", 1, split="Test")]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    splits = load_task(RECIPE, path).task.splits
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 1,
        "valid": 1,
        "test": 1,
    }


def test_train_is_never_used_as_another_split(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 row in 1 cluster .* apart from train"):
        load_task(RECIPE, write(tmp_path / "d", train=[row("MK")]))


def test_tokens_need_a_source(tmp_path: Path) -> None:
    both = [row("MK", 0, ss8_seq="LL")]
    with pytest.raises(InputError, match="--source"):
        load_task(RECIPE, write(tmp_path / "d", train=both, valid=both))


def test_tokens_that_differ_for_one_sequence_are_counted(tmp_path: Path) -> None:
    rows = [row("MK", 0, ss8_seq="LL"), row("MK", 0, ss8_seq="LH")]
    loaded = load_task(RECIPE, write(tmp_path / "d", train=rows, valid=rows[:1]), "alphafold2")
    assert len(loaded.tokens) == 1
    assert any("other tokens (the first count): 1" in w for w in loaded.warnings)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (row("MK", 2), "label 2 is out of range: this task has 0 to 1"),
        (row("MK", "x"), "no number"),
        ({"aa_seq": "MK"}, "no label"),
    ],
)
def test_a_bad_label_is_said_with_its_line(
    tmp_path: Path, bad: dict[str, object], said: str
) -> None:
    data = write(tmp_path / "d", train=[row("MV"), bad], valid=[row("MV")])
    with pytest.raises(RecordError, match=said) as caught:
        load_task(RECIPE, data)
    assert (caught.value.path, caught.value.line) == (str(data / "train.jsonl"), 2)


def test_what_files_there_must_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--data"):
        load_task(RECIPE, None)
    with pytest.raises(MissingFileError, match="no file or folder"):
        load_task(RECIPE, tmp_path / "none")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(MissingFileError, match=r"no train file.*Found: notes\.txt"):
        load_task(RECIPE, tmp_path)
    data = write(tmp_path / "d", train=[row("MK")], valid=[row("MV")], val=[row("MV")])
    with pytest.raises(InputError, match=r"both .* are 'valid'"):
        load_task(RECIPE, data)
