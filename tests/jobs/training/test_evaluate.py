"""A run is evaluated with the task, source and split that are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

import sesstore
from sesstore.encoders import registry
from sesstore.errors import (
    FingerprintMismatchError,
    InputError,
    NotStoredError,
)
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.predicting.predict import PredictOptions, predict_rows, prediction
from sesstore.jobs.predicting.prediction_inputs import InputSpec
from sesstore.jobs.training.evaluate import evaluate_run
from sesstore.jobs.training.train import prepare, train
from sesstore.store import Store
from sesstore.tasks import Problem
from sesstore.training.evaluate import load_predictions
from sesstore.training.intervals import intervals
from sesstore.training.metrics import METRICS, compute

from .conftest import ADAPTER, CONFIG


@pytest.mark.parametrize("split", ["valid", "test"])
def test_evaluating_is_of_the_split_and_the_mean_of_seeds(seeded, split) -> None:
    found = evaluate_run(seeded.store, Path(seeded.report.run), split=split)
    predicted = [load_predictions(run, split) for run in seeded.runs]
    assert list(found.metrics)[:3] == list(seeded.task.metrics)
    assert set(found.metrics) == set(METRICS[Problem.SINGLE_LABEL])
    each = [compute(found.metrics, Problem.SINGLE_LABEL, p.scores, p.labels) for p in predicted]
    for name, value in found.metrics.items():
        assert value == pytest.approx(fmean(one[name] for one in each), abs=1e-6, nan_ok=True)
    for name in seeded.task.metrics:
        assert found.metrics[name] == pytest.approx(seeded.report.metrics[split][name], abs=1e-6)
    assert (found.split, found.source, found.seeds, found.rows) == (split, "alphafold2", 3, 30)
    expected = np.zeros((2, 2), int)
    for one in predicted:
        np.add.at(expected, (one.labels.numpy(), one.scores.argmax(1).numpy()), 1)
    assert found.confusion == expected.tolist()
    assert found.intervals["mcc"] == pytest.approx(
        intervals(["mcc"], Problem.SINGLE_LABEL, predicted)["mcc"], abs=1e-6
    )


def test_another_source_is_read_where_it_is_named(seeded) -> None:
    run = Path(seeded.report.run)
    with pytest.raises(InputError, match="quantum"):
        evaluate_run(seeded.store, run, device="quantum")
    own, other = (evaluate_run(seeded.store, run, source=s) for s in (None, "esmfold"))
    assert (own.source, other.source) == ("alphafold2", "esmfold")
    assert own.baselines is None
    assert own.metrics["auroc"] != other.metrics["auroc"]
    given = InputSpec(["toy"])
    rows = {}
    for source in (None, "alphafold2", "esmfold", "pdb"):
        options = PredictOptions(source=source, keep=False)
        with prediction(run, given, seeded.store, options) as predicted:
            rows[source] = predict_rows(predicted)
        assert predicted.report.proteins == 90
        assert predicted.report.with_structure == (0 if source == "pdb" else 90)
    assert rows[None] == rows["alphafold2"] != rows["esmfold"]
    assert not any(row["structure"] for row in rows["pdb"])


def test_another_task_and_source_are_those_named(seeded, tmp_path) -> None:
    splits = {"test": seeded.task.splits["valid"]}
    seeded.store.add_task(replace(seeded.task, name="again", splits=splits))
    found = evaluate_run(seeded.store, Path(seeded.report.run), "again")
    assert found.task == "again"
    assert found.metrics["mcc"] == pytest.approx(seeded.report.metrics["valid"]["mcc"], abs=1e-6)
    store = sesstore.open(seeded.store.path)
    settings = {"structure": "dssp", "epochs": 1, "heads": 2, "width": 8}
    run = sesstore.train(store, "toy", source="esmfold", out=tmp_path / "run", **settings)
    assert run.runs[0].source == "esmfold"


def test_evaluate_and_predict_agree(filled: Store, tmp_path: Path, real: Path) -> None:
    inputs = prepare(filled, "deeploc_binary", plm="blosum62", alphabets=("foldseek",))
    train(inputs, ADAPTER, CONFIG, out=tmp_path / "run")
    measured = evaluate_run(filled, tmp_path / "run")
    with prediction(tmp_path / "run", InputSpec([str(real / "test.jsonl")]), filled) as predicted:
        rows = predict_rows(predicted)
    test = filled.task("deeploc_binary").splits["test"]
    names = filled.task("deeploc_binary").classes
    said = {row["id"]: names.index(row["label"]) for row in rows}
    right = sum(said[name] == label for name, label in zip(test.ids, test.labels, strict=True))
    assert right / len(test) == pytest.approx(measured.metrics["accuracy"])
    assert predicted.report.with_structure == predicted.report.proteins == 16


def test_a_run_wants_its_own_encoder(filled: Store, tmp_path: Path) -> None:
    inputs = prepare(filled, "deeploc_binary", plm="blosum62")
    train(inputs, {**ADAPTER, "alphabets": ()}, CONFIG, out=tmp_path / "run")
    other = Store.create(tmp_path / "other")
    other.add_task(filled.task("deeploc_binary"))
    other.add_proteins(filled.proteins())
    embed(other, registry.load("onehot"))
    with pytest.raises((NotStoredError, FingerprintMismatchError), match="BLOSUM62"):
        evaluate_run(other, tmp_path / "run")
