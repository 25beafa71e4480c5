"""``sesstore evaluate``."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sesstore_cli.evaluate import say_report

from sesstore.jobs.training.evaluate import EvaluateReport
from sesstore.training.perclass import ClassScore

from .conftest import proteins


def test_an_evaluation_says_what_its_counts_are(cli, trained: Path) -> None:
    cli(
        *[
            "train",
            "deeploc_binary",
            "--epochs",
            "1",
            "--heads",
            "2",
            "--seeds",
            "2",
            "--out",
            "two",
        ]
    )
    said = cli("evaluate", "two").out
    assert "Confusion matrix: counts are of proteins, summed over 2 seeds" in said
    assert "summed over" not in cli("evaluate", trained).out
    report = cli("evaluate", "two", "--json").json
    assert sum(sum(row) for row in report["confusion"]) == 2 * report["rows"]


def test_a_folder_of_runs_names_them(cli, trained: Path) -> None:
    shutil.copytree("run", "runs/deeploc_binary/first")
    said = cli("evaluate", "runs")
    assert said.status == 2
    assert "Name one of them, such as 'runs/deeploc_binary/first'" in said.err


def trained_on(cli, task: str):
    """What training on residues of a task in the store comes to."""
    cli("embed", "--plm", "onehot", "--quiet")
    done = cli(
        "train", task, "--structure", "none", "--lr", "0.02", "--epochs", "8", "--out", "run",
        "--batch-tokens", "128", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    return done


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


def evaluated(classes: int, seen: int, problem: str = "single_label") -> EvaluateReport:
    """A report of so many classes, of which some are seen; the later ones more often."""
    scores = [
        ClassScore(f"c{n}", 1000 + n, 8, 2, 0.25) if n < seen else ClassScore(f"c{n}", 0, 0, 0, 0.5)
        for n in range(classes)
    ]
    matrix = [[n] * classes for n in range(classes)]
    return EvaluateReport(
        "r",
        "t",
        "test",
        None,
        3,
        1234,
        problem,
        {"mcc": 0.5},
        {"mcc": (0.25, 0.75)},
        scores,
        matrix,
    )


def test_every_figure_of_an_evaluation_is_in_its_place(shown) -> None:
    lines = shown(say_report, evaluated(2, 2))
    assert lines[:4] == [
        "t, test: 1,234 proteins, mean over 3 seeds",
        "metric value 95 % interval",
        "mcc 0.5000 0.2500 to 0.7500",
        "Intervals: over proteins and 3 seeds.",
    ]
    assert lines[4].startswith("mcc: ")
    assert lines[5:] == [
        "By class, the most frequent first: counts are of proteins, summed over 3 seeds",
        "class true predicted precision recall F1 AUPRC",
        "c1 1,001 8 0.250 0.002 0.004 0.250",
        "c0 1,000 8 0.250 0.002 0.004 0.250",
        "Confusion matrix: counts are of proteins, summed over 3 seeds",
        "true \\ predicted c0 c1",
        "c0 0 0",
        "c1 1 1",
    ]
    residues = replace(evaluated(2, 2, "residue_single_label"), seeds=1)
    assert shown(say_report, residues)[0] == "t, test: 1,234 proteins"
    assert any(
        line.endswith("counts are of labelled residues") for line in shown(say_report, residues)
    )


@pytest.mark.parametrize(
    ("classes", "seen", "unlisted"),
    [(15, 15, None), (16, 16, "1 more class is in --json (0 of them"),
     (18, 16, "3 more classes are in --json (2 of them"),
     (6, 4, "2 more classes are in --json (2 of them")],
)  # fmt: skip
def test_what_is_not_listed_is_counted(
    shown, classes: int, seen: int, unlisted: str | None
) -> None:
    lines = shown(say_report, evaluated(classes, seen))
    more = [line for line in lines if "--json" in line]
    assert [line.startswith(str(unlisted)) for line in more] == ([True] if unlisted else [])
    assert any(line.startswith("Confusion") for line in lines) is (classes <= 15)
    assert sum(line.startswith("c") and "0.250" in line for line in lines) == min(seen, 15)
