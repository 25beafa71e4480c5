"""Own data, doctor, and residue tasks by commands, from file to trained run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def proteins(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(LETTERS, int(rng.integers(20, 40)))) for _ in range(count)]


def mine(path: Path, count: int = 40) -> Path:
    rows = [f"p{i},{s},{40 + s.count('K')}.5" for i, s in enumerate(proteins(count))]
    path.write_text("\n".join(["Entry,Sequence,Tm", *rows]) + "\n")
    return path


def trained_on(cli, task: str):
    """What training on residues of a task in the store comes to."""
    cli("embed", "--plm", "onehot", "--quiet")
    done = cli(
        "train", task, "--structure", "none", "--lr", "0.02", "--epochs", "8", "--out", "run",
        "--batch-tokens", "128", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    return done


def test_a_table_of_ones_own_in_one_command(cli) -> None:
    mine(Path("mydata.csv"))
    said = cli("add", "mydata.csv", "--task-type", "regression", "--label", "Tm")
    assert said.status == 0, said.err
    assert "columns of mydata.csv: sequence = Sequence, id = Entry, label = Tm" in said.err
    assert "task type regression (as given)" in said.err
    assert "no split was given: made from 40 train rows by whole clusters" in said.err
    assert "task mydata: 40 rows, 40 sequences new to the store" in said.out
    report = cli("add", "mydata.csv", "--json").json
    assert report["splits"] == {"train": 32, "valid": 4, "test": 4}
    assert report["notes"][-1] == "it was here already, the same"
    assert "task type regression (guessed: labels are numbers with fractions" in report["notes"][1]
    cli("embed", "--plm", "onehot", "--quiet")
    done = cli("train", "mydata", "--structure", "none", "--heads", "2", "--epochs", "1", "--json")
    assert done.status == 0, done.err
    assert {"spearman", "rmse"} <= done.json["metrics"]["test"].keys()


def test_wrong_words_about_own_data(cli) -> None:
    mine(Path("mydata.csv"))
    for words, told in (
        ("add mydata.csv --label Tn", "Did you mean 'Tm'?"),
        ("add mydata.csv --data mydata.csv", "--data goes with a published task"),
        ("add ec --label Tm --data mydata.csv", "'ec' is a published task"),
        ("add mydata.csv --name ../x", "cannot name a task"),
        ("add none.csv", "there is no file 'none.csv'"),
        ("doctor none", "there is no store"),
    ):
        said = cli(*words.split())
        assert (said.status, told in said.err) == (2, True), said.err
    assert not Path("store").exists()


def test_residue_classes_from_flip_files_to_a_run(cli) -> None:
    """Helix where the letters say so: even one-hot letters can be learned from."""
    texts = proteins(30)
    Path("sequences.fasta").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(texts)))
    states = ["".join("H" if c in "AEKLMQR" else "C" for c in s) for s in texts]
    sets = ["SET=train VALIDATION=False"] * 20 + ["SET=train VALIDATION=True"] * 5
    sets += ["SET=test VALIDATION=False"] * 5
    heads = [f">s{i} {where}\n{s}\n" for i, (s, where) in enumerate(zip(states, sets, strict=True))]
    Path("sampled.fasta").write_text("".join(heads))
    masks = [f">s{i}\n{'0' + '1' * (len(s) - 1)}\n" for i, s in enumerate(texts)]
    Path("mask.fasta").write_text("".join(masks))
    words = "add sequences.fasta --targets sampled.fasta --mask mask.fasta --name ss"
    report = cli(*words.split(), "--json")
    assert report.status == 0, report.err
    assert report.json["splits"] == {"train": 20, "valid": 5, "test": 5}
    done = trained_on(cli, "ss")
    assert done.json["metrics"]["test"]["accuracy"] > 0.9
    measured = cli("evaluate", "run", "--json").json
    assert measured["metrics"]["accuracy"] == done.json["metrics"]["test"]["accuracy"]


def test_residue_values_from_biotrainer_fasta_to_a_run(cli) -> None:
    entries = []
    for i, text in enumerate(proteins(24)):
        values = ";".join(f"{'ACDEFGHIKLMNPQRSTVWY'.index(c) / 10:.1f}" for c in text)
        where = "train" if i < 16 else "val" if i < 20 else "test"
        mask = "0" + "1" * (len(text) - 1)
        entries.append(f">s{i} TARGET={values} SET={where} MASK={mask}\n{text}\n")
    Path("values.fasta").write_text("".join(entries))
    report = cli("add", "values.fasta")
    assert report.status == 0, report.err
    assert "task type residue_regression (guessed: there is a number for each residue" in report.err
    done = trained_on(cli, "values")
    assert done.json["metrics"]["test"]["spearman"] > 0.8
    assert cli("evaluate", "run", "--json").status == 0


def test_doctor_of_a_store_and_of_files(cli, data: Path, trained: Path) -> None:
    said = cli("doctor", "deeploc_binary")
    assert "nothing was found that would bias a result" in said.out, said.out
    assert said.status == 0
    lines = (data / "train.jsonl").read_text().splitlines()
    changed = {**json.loads(lines[0]), "label": 1 - json.loads(lines[0])["label"]}
    ill = Path("ill")
    ill.mkdir()
    (ill / "train.jsonl").write_text("\n".join([*lines, json.dumps(changed)]) + "\n")
    for split in ("valid", "test"):
        (ill / f"{split}.jsonl").write_text((data / f"{split}.jsonl").read_text())
    said = cli("doctor", "deeploc_binary", "--data", "ill", "--fix", "clean")
    assert said.status == 1
    assert "1. sequences with differing labels: 1" in said.out
    assert "such as:  p0_0: membrane or soluble" in said.out
    assert "dropped: its sequence has differing labels: 2 rows" in said.out
    report = cli("doctor", "deeploc_binary", "--data", "clean", "--json")
    assert report.status == 0, report.out
    assert report.json["healthy"]
    added = cli("add", "deeploc_binary", "--data", "clean", "--source", "alphafold2", "--json").json
    assert (added["proteins"], added["warnings"]) == (39, [])
    again = cli("doctor", "deeploc_binary", "--data", "ill", "--fix", "clean")
    assert again.status == 2
    assert "is there already" in again.err


def test_doctor_knows_names_that_came_with_another_sequence(cli, trained: Path) -> None:
    Path("other.fasta").write_text(">p0_0\nMKVLAAGIVGLLLAQW\n")
    cli("add", "other.fasta")
    found = cli("doctor", "deeploc_binary", "--json")
    assert found.status == 1
    (finding,) = [f for f in found.json["findings"] if f["biases"]]
    assert (finding["what"], finding["count"]) == ("name_known_with_another_sequence", 1)
