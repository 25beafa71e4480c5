"""A training by several seeds: which seed, split and metric each number is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest
import torch

import sesstore
from sesstore.jobs.inputs import Inputs
from sesstore.jobs.predicting.predict import predict_rows, prediction
from sesstore.jobs.predicting.prediction_inputs import InputSpec
from sesstore.jobs.training.train import adapter_shape, interval, summary, train
from sesstore.tasks import Problem
from sesstore.training.evaluate import load_predictions
from sesstore.training.fit_config import FitConfig
from sesstore.training.intervals import intervals


def test_the_fixture_tells_seeds_splits_and_metrics_apart(seeded) -> None:
    """Or the tests below would notice nothing."""
    values = [
        value
        for run in seeded.runs
        for split in ("valid", "test")
        for value in run.metrics[split].values()
    ]
    assert len({round(value, 6) for value in values}) > 12
    assert seeded.task.monitor != seeded.task.metrics[0]
    assert len({run.best_epoch for run in seeded.runs}) > 1


def test_each_seed_has_a_run_with_the_settings_asked_for(seeded) -> None:
    assert [Path(path).name for path in seeded.report.runs] == ["seed-4", "seed-5", "seed-6"]
    for seed, run in zip((4, 5, 6), seeded.runs, strict=True):
        fit, adapter = run.config["fit"], run.config["adapter"]
        assert (fit["seed"], fit["min_plddt"], fit["batch_tokens"]) == (seed, 60, 60)
        assert (adapter["heads"], adapter["width"], adapter["dim"]) == (2, 8, 24)
        assert run.source == "alphafold2"


def test_the_summary_is_mean_and_deviation_over_seeds(seeded) -> None:
    report, runs = seeded.report, seeded.runs
    for split in ("valid", "test"):
        for name in seeded.task.metrics:
            values = [run.metrics[split][name] for run in runs]
            assert report.metrics[split][name] == pytest.approx(fmean(values))
            assert report.std[split][name] == pytest.approx(stdev(values))
    assert report.monitor == "mcc"
    assert report.coverage == runs[0].coverage
    seconds = [run.timings["seconds_per_epoch"] for run in runs]
    assert report.seconds_per_epoch == pytest.approx(fmean(seconds))
    shorter = replace(runs[0], history=runs[0].history[:1])
    assert summary(Path("x"), [shorter, *runs[1:]]).epochs == 3


def test_intervals_are_of_the_mean_on_test(seeded) -> None:
    names, problem = seeded.task.metrics, Problem.SINGLE_LABEL
    by_split = {
        split: intervals(names, problem, [load_predictions(run, split) for run in seeded.runs])
        for split in ("valid", "test")
    }
    assert seeded.report.intervals == by_split["test"]
    assert tuple(seeded.report.interval) == by_split["test"]["mcc"] == interval(seeded.runs)
    assert by_split["test"]["mcc"] not in (by_split["valid"]["mcc"], by_split["test"]["accuracy"])
    no_test = [replace(run, metrics={"valid": run.metrics["valid"]}) for run in seeded.runs]
    assert summary(Path("x"), no_test).intervals == by_split["valid"]
    assert interval(no_test) == by_split["valid"]["mcc"]


def test_predictions_are_the_mean_of_all_seeds(seeded) -> None:
    with prediction(seeded.report.run, InputSpec(["toy"]), seeded.store) as predicted:
        rows = predict_rows(predicted)
    assert predicted.report.adapters == 3
    assert [row["id"] for row in rows] == [f"p{i}" for i in range(90)]
    kept = [load_predictions(run, "test").scores for run in seeded.runs]
    mean = torch.stack(kept).mean(0)
    for row, scores in zip(rows[60:], mean.tolist(), strict=True):
        assert [row["p_out"], row["p_in"]] == pytest.approx(scores, abs=1e-4)
        assert row["label"] == ("in" if scores[1] > scores[0] else "out")
    sure = [seeded.store.tokens("alphafold2").get(d.tobytes()).plddt >= 60 for d in
            seeded.task.splits["test"].digests]  # fmt: skip
    assert [row["unmasked"] for row in rows[60:]] == [round(float(s.mean()), 4) for s in sure]


def test_the_notebook_says_the_same(seeded) -> None:
    run = sesstore.load_run(seeded.report.run, sesstore.open(seeded.store.path))
    for split, values in seeded.report.metrics.items():
        assert run.metrics[split] == pytest.approx(values)
    for split in ("valid", "test"):
        each = run.evaluate(split=split)
        for one, kept in zip(each, seeded.runs, strict=True):
            assert one.metrics["mcc"] == pytest.approx(kept.metrics[split]["mcc"], abs=1e-6)
    (other, *_) = run.evaluate(source="esmfold")
    assert other.source == "esmfold"


def test_a_task_without_test_has_intervals_on_valid(seeded, tmp_path) -> None:
    task = seeded.task
    splits = {name: task.splits[name] for name in ("train", "valid")}
    inputs = Inputs(replace(task, splits=splits), seeded.store.embeddings(), None)
    report = train(inputs, {"alphabets": ()}, FitConfig(epochs=1, seed=2), out=tmp_path / "run")
    assert (report.runs, report.std) == ([str(tmp_path / "run")], {})
    assert set(report.metrics) == {"valid"}
    low, high = report.interval
    assert low <= report.metrics["valid"]["mcc"] <= high


def test_what_the_data_decide_of_an_adapter(seeded) -> None:
    inputs = Inputs(seeded.task, seeded.store.embeddings(), None)
    shape = adapter_shape(inputs, {"alphabets": ("dssp",), "heads": 2, "dropout": 0.25})
    assert (shape.dim, shape.n_outputs, shape.pooling) == (24, 2, "attention1d")
    assert (shape.alphabets, shape.heads, shape.dropout) == (("dssp",), 2, 0.25)
    assert adapter_shape(inputs, {"pooling": "mean", "alphabets": ()}).pooling == "mean"
    residues = replace(inputs, task=replace(seeded.task, problem=Problem.RESIDUE_SINGLE_LABEL))
    assert adapter_shape(residues, {"alphabets": (), "pooling": None}).pooling == "residue"
