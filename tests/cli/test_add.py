"""Adding what people bring: missing labels, other encodings, DNA, tasks of one name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sesstore_cli.add import say_added

from sesstore.jobs.add import AddReport

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def table(path: Path, labels: list[str], encoding: str = "utf-8") -> Path:
    """Rows in three splits, delimited by semicolons; each sequence is of one letter."""
    splits = ["train"] * 3 + ["valid", "test"]
    rows = [f"p{n};{LETTERS[n] * 30};{y};{splits[n % 5]}" for n, y in enumerate(labels)]
    path.write_bytes("\r\n".join(["id;seq;y;split", *rows, ";;;"]).encode(encoding))
    return path


def test_missing_labels_are_refused_and_left_out_on_request(cli) -> None:
    table(Path("a.csv"), ["1,5", "2,25", "n.d.", "0,5", "3,5", "1,5", ">100", "2,0", "1,0", "4,5"])
    said = cli("add", "a.csv")
    assert said.status == 2
    assert "a.csv, column y, lines 4, 8: 2 of 10 rows have no label (n.d.: 1, >100: 1)" in said.err
    assert "--drop-unlabelled" in said.err
    assert not Path("store").exists()
    assert cli("doctor", "a.csv").err == said.err
    added = cli("add", "a.csv", "--drop-unlabelled", "--json").json
    assert (added["proteins"], added["splits"]) == (8, {"train": 4, "valid": 2, "test": 2})
    (note,) = [note for note in added["notes"] if "no label" in note]
    examined = cli("doctor", "a")
    assert note in examined.err
    assert note in cli("doctor", "a.csv", "--drop-unlabelled").err


def test_a_file_of_excel_in_another_encoding(cli) -> None:
    table(Path("a.csv"), ["B\u00e4r", "Caf\u00e9"] * 5, "cp1252")
    said = cli("add", "a.csv")
    assert said.status == 0, said.err
    assert "is not UTF-8 (from line 2 on): read as Windows-1252" in said.err
    assert "'a.csv' has 1 row without any value: left out" in said.err
    task = json.loads(Path("store/tasks/a.jsonl").read_text().splitlines()[0])
    assert task["classes"] == ["B\u00e4r", "Caf\u00e9"]
    for warning in [line for line in said.err.splitlines() if line.startswith("warning: 'a.csv'")]:
        assert warning in cli("doctor", "a.csv").err


def test_what_add_warns_of_the_doctor_finds(cli) -> None:
    table(Path("a.csv"), ["x", "y"] * 5)
    with Path("a.csv").open("a") as file:
        file.write(f"\r\nq;{LETTERS[0] * 30};y;test\r\nq;{LETTERS[0] * 30};y;train\r\n")
    warnings = cli("add", "a.csv", "--json").json["warnings"]
    assert any("sequences in train and test: 1" in warning for warning in warnings)
    for what in ("a", "a.csv"):
        found = cli("doctor", what, "--json")
        assert found.status == 1
        lines = {f"{f['title']}: {f['count']:,}" for f in found.json["findings"]}
        assert {warning for warning in warnings if "a.csv" not in warning} <= lines


def test_classes_that_differ_in_case_are_warned_of(cli) -> None:
    table(Path("a.csv"), ["Yes", "no", "YES ", "No", "no"] * 3)
    said = cli("add", "a.csv")
    assert "classes whose names differ in case or blanks alone: 4" in said.err
    assert "`sesstore doctor a` says which" in said.err
    for what in ("a", "a.csv"):
        found = cli("doctor", what).out
        assert "1. classes whose names differ in case or blanks alone: 4" in found
        assert "'No', 'no'" in found


def test_a_task_of_the_store_counts_before_a_folder_of_its_name(cli) -> None:
    table(Path("a.csv"), ["x", "y"] * 5)
    cli("add", "a.csv")
    Path("a").mkdir()
    assert cli("doctor", "a", "--json").json["rows"] == 10


@pytest.mark.parametrize("words", [("add",), ("embed", "--plm", "onehot")])
def test_dna_is_suspected_aloud(cli, words: tuple[str, ...]) -> None:
    dna = "ATGAAAGTTCTGGCTGCTGGTATTGTTGGTCTG"
    Path("a.fasta").write_text(f">g\n{dna}\n")
    Path("a.csv").write_text(f"id,seq,y\ng,{dna},1\n")
    for name in ("a.fasta", "a.csv") if words[0] == "embed" else ("a.fasta",):
        said = cli(*words, name)
        assert said.status == 0, said.err
        assert f"warning: '{name}': 1 of 1 sequence look like DNA or RNA" in said.err


def test_a_wrong_record_at_the_end_leaves_no_protein_behind(cli) -> None:
    Path("a.fasta").write_text(">a\nMKV\n>b\nMKL\n>c\nMK-V\n")
    for words in (("add",), ("embed", "--plm", "onehot")):
        said = cli(*words, "a.fasta")
        assert said.status == 2
        assert "a.fasta, line 6 (c): letter '-' at position 3" in said.err
    assert not Path("store").exists()


def test_another_kind_of_task_needs_a_word(cli) -> None:
    table(Path("a.csv"), ["x", "y"] * 5)
    assert cli("add", "a.csv", "--source", "pdb").status == 0
    table(Path("a.csv"), [f"{n},5" for n in range(10)])
    said = cli("add", "a.csv")
    assert said.status == 2
    assert "single_label of x, y; this is regression of y" in said.err
    assert "--replace" in said.err
    assert cli("add", "a.csv", "--replace").status == 0
    assert json.loads(Path("store/tasks/a.jsonl").read_text().splitlines()[0])["source"] == "pdb"


def test_sequences_without_labels_become_no_task(cli) -> None:
    Path("a.fasta").write_text(">a\nMKV\n")
    assert "says which" not in cli("add", "a.fasta").err
    for words in (("--name", "x"), ("--task-type", "regression"), ("--label", "y")):
        said = cli("add", "a.fasta", *words)
        assert said.status == 2
        assert "holds sequences without labels" in said.err


def variants(path: Path, *, families: bool = False) -> Path:
    """Substitutions in one protein, three a position; or proteins of 20 families."""
    rng, lines = np.random.default_rng(4), ["id,seq,y,family"]
    parent = "".join(rng.choice(list(LETTERS), 80))
    for n in range(60):
        place = n // 3
        letters = list(rng.choice(list(LETTERS), 80)) if families else list(parent)
        letters[place] = [c for c in LETTERS if c != parent[place]][n % 3]
        lines.append(f"v{n},{''.join(letters)},{n / 7:.2f},f{n // 3}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("split_by", ["position", "family"])
def test_whole_groups_go_to_one_side_and_the_task_knows_them(cli, split_by: str) -> None:
    variants(Path("v.csv"), families=split_by == "family")
    words = ["--label", "y", "--split-by", split_by]
    said = cli("add", "v.csv", *words)
    assert said.status == 0, said.err
    assert "(48 train, 6 valid, 6 test; 20 " in said.err
    rows = [json.loads(line) for line in Path("store/tasks/v.jsonl").read_text().splitlines()]
    assert rows[0]["split_by"] == split_by
    homes: dict[int, set[str]] = {}
    for row in rows[1:-1]:
        third = int(row["id"][1:]) // 3
        homes.setdefault(third, set()).add(row["split"])
        assert split_by == "position" or row["group"] == f"f{third}"
    assert all(len(splits) == 1 for splits in homes.values())
    assert len({row["group"] for row in rows[1:-1]}) == 20
    near = [line for line in said.err.splitlines() if "nearly equal" in line]
    assert all(line.startswith("good to know: ") for line in near)
    assert bool(near) is (split_by == "position")
    assert cli("doctor", "v").status == 0
    for line in near:
        assert line.removeprefix("good to know: ") in cli("doctor", "v.csv", *words).out


def test_random_splits_of_variants_are_counted_by_add_and_doctor(cli) -> None:
    variants(Path("v.csv"))
    said = cli("add", "v.csv", "--label", "y", "--split-by", "random", "--json").json
    (near, *_) = [line for line in said["warnings"] if "nearly equal" in line]
    examined = cli("doctor", "v")
    assert examined.status == 1
    assert near in examined.out
    assert "variants of one protein: position" in examined.out


def test_wrong_words_about_splits(cli) -> None:
    variants(Path("v.csv"))
    table(Path("a.csv"), ["1.5", "2.5"] * 5)
    for words, told in (
        ("v.csv --label y --split-by famly", "Did you mean 'family'?"),
        ("v.csv --label y --split-by cluster", "--split-by position"),
        ("a.csv --split-by random", "the rows say their splits"),
        ("ec --data . --split-by random", "'ec' is a published task"),
    ):
        said = cli("add", *words.split())
        assert (said.status, told in said.err) == (2, True), said.err
    lines = Path("v.csv").read_text().splitlines()
    Path("v.csv").write_text("\n".join([*lines[:5], lines[5].removesuffix("f1"), *lines[6:]]))
    said = cli("add", "v.csv", "--label", "y", "--split-by", "family")
    assert "line 6 (v4): has nothing in column family" in said.err
    Path("a.fasta").write_text(">a TARGET=1.5\nMKV\n>b TARGET=2.5\nMKL\n")
    assert "FASTA has no column 'family'" in cli("add", "a.fasta", "--split-by", "family").err
    assert not Path("store").exists()


def test_every_figure_of_what_was_added_is_in_its_place(shown) -> None:
    report = AddReport("ec", 1111, 2222, 3333, ["odd"], {"train": 4444, "test": 5}, ["so"])
    assert shown(say_added, report, True) == [
        "task ec: 1,111 rows, 2,222 sequences new to the store, 3,333 proteins' tokens added",
        "split rows",
        "train 4,444",
        "test 5",
        "so",
        "warning: odd",
        "`sesstore doctor ec` says which, why it matters and what to do",
    ]
    plain = AddReport(None, 1111, 2222, 0)
    assert shown(say_added, plain, False) == [
        "1,111 rows, 2,222 sequences new to the store, 0 proteins' tokens added"
    ]
