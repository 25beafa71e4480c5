"""``sesstore train``."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sesstore_cli.train import say_report

from sesstore.jobs.training.plm_cost import PlmCost
from sesstore.jobs.training.train import TrainReport
from sesstore.training.trainer import Trainer

from .conftest import ADAPTER, FIT, check, rows, words, write_jsonl


def test_seeds_give_a_mean_and_an_interval(cli, trained: Path) -> None:
    report = cli(
        "train", "deeploc_binary", "--structure", "none", "--epochs", "2", "--heads", "2",
        "--seeds", "3", "--out", "three", "--json",
    ).json  # fmt: skip
    assert len(report["runs"]) == 3
    assert (report["report"], report["baselines"]) == (None, None)  # switched off for tests
    low, high = report["interval"]
    assert low <= report["metrics"]["test"]["accuracy"] <= high


def test_simple_models_beside_the_result(cli, data: Path, trained: Path, monkeypatch) -> None:
    monkeypatch.setenv("SESSTORE_BASELINES", "1")
    train = ("train", "deeploc_binary", "--structure", "none", "--epochs", "1")
    said = cli(*train, "--out", "beside", "--json")
    baselines = said.json["baselines"]
    assert set(baselines["metrics"]) == {"trivial", "sequence", "neighbours", "linear"}
    assert json.loads(Path("beside/baselines.json").read_text())["best"] == baselines["best"]
    words = cli(*train, "--out", "words")
    assert "on mean embeddings" in words.out
    assert "best simple model" in words.out
    assert cli(*train, "--no-baselines", "--out", "without", "--json").json["baselines"] is None
    measured = cli("evaluate", "beside", "--json").json
    for key in ("metrics", "best", "difference"):
        assert measured["baselines"][key] == baselines[key]
    again = cli("evaluate", "beside", "--split", "valid")
    assert "valid accuracy" in again.out
    assert "best simple model" in again.out
    shutil.rmtree("store/tasks")
    cli("add", "deeploc_binary", "--data", data / "test.jsonl", "--source", "alphafold2")
    other = cli("evaluate", "beside")
    assert other.status == 0, other.err
    assert "no simple models beside it: simple models need the rows" in other.err


def test_cross_validation(cli, trained: Path) -> None:
    words = ("train", "deeploc_binary", "--structure", "none", "--epochs", "1", "--folds", "3")
    wrong = cli(*words, "--track", "tensorboard")
    assert wrong.status == 2
    assert "--folds are several" in wrong.err
    said = cli(*words, "--out", "crossed", "--json")
    assert said.status == 0, said.err
    assert said.json["split"] == "out-of-fold"
    assert "3 folds of 40 rows" in said.err
    assert len(said.json["folds"]["accuracy"]) == 3
    measured = cli("evaluate", "crossed", "--json").json
    assert (measured["split"], measured["rows"]) == ("out-of-fold", 40)
    assert measured["metrics"].items() >= said.json["metrics"]["out-of-fold"].items()
    assert "bootstrap over folds and proteins" in cli("evaluate", "crossed").out
    assert "was not cross-validated" in cli("evaluate", trained, "--split", "out-of-fold").err
    predicted = cli("predict", "crossed", "ACDEFGHIKL")
    assert predicted.status == 0, predicted.err
    again = cli(*words, "--out", "crossed", "--resume")
    assert "holds a run already" in again.err


def test_every_option_of_train_reaches_the_run(cli, trained: Path) -> None:
    every = [*ADAPTER, *FIT]
    said = cli("train", "deeploc_binary", *words(every), "--balanced", "--out", "set", "--json")
    assert said.status == 0, said.err
    config = json.loads(Path("set/run.json").read_text())["config"]
    check(config, every)
    assert config["fit"]["class_weights"] == "balanced"
    plain = json.loads((trained / "run.json").read_text())["config"]["fit"]
    assert plain["class_weights"] is None


def test_train_prints_each_number_in_its_place(cli, trained: Path) -> None:
    line = ["train", "deeploc_binary", "--epochs", "3", "--heads", "2", "--seeds", "3"]
    said = cli(*line, "--structure", "none", "--lr", "0.0003", "--out", "three")
    assert said.status == 0, said.err
    records = [json.loads(p.read_text()) for p in sorted(Path("three").glob("seed-*/run.json"))]
    for split in ("valid", "test"):
        values = [record["metrics"][split]["accuracy"] for record in records]
        mean = sum(values) / 3
        spread = (sum((v - mean) ** 2 for v in values) / 2) ** 0.5
        row = next(r.split() for r in said.out.splitlines() if r.split()[:2] == [split, "accuracy"])
        assert row[2:5] == [f"{mean:.4f}", "±", f"{spread:.4f}"]
        if split == "valid":
            assert len(row) == 5  # the interval is of test
            continue
        low, to, high = row[5:]
        assert to == "to"
        assert float(low) <= mean <= float(high)
    assert "epochs of" in said.out
    assert "(3 seeds together)" in said.out


QUICK = ("--epochs", "1", "--heads", "2")


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_train_takes_the_source_the_task_was_added_with(cli, trained: Path, data: Path) -> None:
    cli("add", "deeploc_binary", "--data", data, "--source", "esmfold")
    said = cli("train", "deeploc_binary", *QUICK, "--out", "second", "--json")
    assert said.status == 0, said.err
    assert json.loads(Path("second/run.json").read_text())["source"] == "esmfold"
    cli("train", "deeploc_binary", *QUICK, "--source", "alphafold2", "--out", "third")
    assert json.loads(Path("third/run.json").read_text())["source"] == "alphafold2"


def test_train_without_any_tokens_trains_without_structure_and_says_so(
    cli, shared_structures: Path
) -> None:
    plain = [{"aa_seq": row["aa_seq"], "label": row["label"]} for row in rows(40, 5)]
    write_jsonl(Path("mine.jsonl"), [{**r, "split": s} for r, s in zip(plain, SPLITS, strict=True)])
    assert cli("add", "mine.jsonl").status == 0
    # Another protein's tokens are no choice for this task.
    cli("tokens", shared_structures / "1l2y.cif", "--source", "pdb")
    said = cli("train", "mine", "--plm", "blosum62", *QUICK, "--out", "run", "--json")
    assert said.status == 0, said.err
    assert "no protein of 'mine' has structure tokens: training without structure" in said.err
    record = json.loads(Path("run/run.json").read_text())
    assert (record["source"], record["config"]["adapter"]["alphabets"]) == (None, [])
    named = cli("train", "mine", "--structure", "foldseek", *QUICK)
    assert named.status == 2
    assert "which structures?" in named.err


SPLITS = ["train"] * 24 + ["valid"] * 8 + ["test"] * 8


def test_an_unfinished_run_is_not_overwritten_and_the_whole_command_is_said(
    trained: Path, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_in_time = Trainer._save_in_time

    def interrupt(self: Trainer, stop: Callable[[], object]) -> None:
        signal.raise_signal(signal.SIGINT)
        save_in_time(self, stop)

    words = ["train", "deeploc_binary", "--epochs", "5", "--heads", "2", "--out", "my run"]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_in_time", interrupt)
        stopped = cli(*words, "--patience", "5", "--quiet")
    assert stopped.status == 1
    whole = "sesstore train deeploc_binary --epochs 5 --heads 2 --out 'my run' --patience 5"
    assert f"Go on with it: `{whole} --quiet --resume`" in stopped.err
    before = content(Path("my run"))
    again = cli(*words, "--patience", "5")
    assert again.status == 2
    assert "holds an interrupted training" in again.err
    assert f"Go on with it: `{whole} --resume`" in again.err
    assert content(Path("my run")) == before
    unread = cli("predict", "my run", "deeploc_binary")
    assert unread.status == 2
    assert "is not finished" in unread.err


TRAINED = TrainReport(
    run="runs/x", task="t", epochs=12, seconds_per_epoch=150.0,
    coverage={
        "train": {"proteins": 2000, "with_tokens": 1500, "residues": 400,
                  "unmasked": {"foldseek": 300, "dssp": 50}},
    },
    metrics={"valid": {"mcc": 0.25}, "test": {"mcc": 0.125}}, monitor="mcc", split="test",
    std={"valid": {"mcc": 0.01}, "test": {"mcc": 0.02}}, intervals={"mcc": (0.1, 0.2)},
    runs=["a", "b"], plm_in_the_loop=PlmCost("X", 1.0, 7200.0, 48.04, 12_345),
)  # fmt: skip


def test_every_figure_of_a_training_is_in_its_place(shown) -> None:
    assert shown(say_report, TRAINED) == [
        "t: the best epoch on valid, mean ± deviation over 2 seeds",
        "split metric value 95 % interval",
        "valid mcc 0.2500 ± 0.0100",
        "test mcc 0.1250 ± 0.0200 0.1000 to 0.2000",
        "Intervals: over proteins and 2 seeds.",
        "structure: 1,500 of 2,000 train proteins have tokens (residues: 75.0% foldseek, "
        "12.5% dssp)",
        "12 epochs of 2 min (2 seeds together); run: runs/x",
        "With X in the loop an epoch of one seed would take 2.0 h, 48.0 times as long (measured "
        "on 12,345 residues)",
    ]
    alone = replace(TRAINED, epochs=0, std={}, runs=["a"], plm_in_the_loop=None)
    lines = shown(say_report, alone)
    assert lines[0] == "t: the best epoch on valid"
    assert lines[3] == "test mcc 0.1250 0.1000 to 0.2000"
    assert lines[-1] == "the linear model alone; run: runs/x"


def test_every_figure_of_a_cross_validation_is_in_its_place(shown) -> None:
    crossed = replace(
        TRAINED, metrics={"out-of-fold": {"mcc": 0.125}}, std={"out-of-fold": {"mcc": 0.02}},
        split="out-of-fold", folds={"mcc": [0.5, None, float("nan"), 0.256]},
    )  # fmt: skip
    lines = shown(say_report, crossed)
    assert lines[:4] == [
        "t: 2,000 proteins, each by a training that had not seen its fold, mean ± deviation over "
        "2 seeds",
        "metric all 4 folds 95 % interval each fold",
        "mcc 0.1250 ± 0.0200 0.1000 to 0.2000 0.50 - - 0.26",
        "Intervals: over folds, proteins and 2 seeds. The run was then trained on all rows; its "
        "scores are those of the folds' trainings, which saw fewer.",
    ]
