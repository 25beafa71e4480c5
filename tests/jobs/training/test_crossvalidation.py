"""Cross-validation: every row predicted unseen, then one training on all rows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.errors import InputError, MissingFileError, StoppedError
from sesstore.jobs.inputs import Inputs
from sesstore.jobs.training import baselines
from sesstore.jobs.training.baselines import measure_baselines
from sesstore.jobs.training.crossvalidation import best_share, cross_validate, last_epoch
from sesstore.jobs.training.evaluate import evaluate_run
from sesstore.jobs.training.train import TrainReport, prepare
from sesstore.proteins import Protein
from sesstore.reports.gather import gather
from sesstore.store import Store
from sesstore.tasks import Task, pooled
from sesstore.training.baselines import BaselineScore, Rows
from sesstore.training.evaluate import load_predictions
from sesstore.training.fit_config import FitConfig
from sesstore.training.intervals import intervals
from sesstore.training.predictor import Predictor
from sesstore.training.runs import Run
from sesstore.training.seeds import fold_runs, runs_at

from ..conftest import labelled
from .test_train import StoppingAt

ADAPTER = {"alphabets": ("dssp",), "heads": 2, "width": 8}
CONFIG = FitConfig(lr=5e-3, epochs=3, patience=3, batch_tokens=120)


@dataclass
class Crossed:
    store: Store
    inputs: Inputs
    out: Path
    report: TrainReport


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Crossed:
    """Three folds by two seeds."""
    folder = tmp_path_factory.mktemp("crossed")
    store, rng = Store.create(folder / "store"), np.random.default_rng(3)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    proteins = [
        Protein(f"p{i}", "".join(rng.choice(letters, int(n))))
        for i, n in enumerate(rng.integers(6, 14, 45))
    ]
    labelled(store, proteins, noise=0.2)
    inputs = prepare(store, "toy", plm="blosum62", alphabets=("dssp",), source="alphafold2")
    report = cross_validate(store, inputs, ADAPTER, CONFIG, 3, seeds=2, out=folder / "run")
    return Crossed(store, inputs, folder / "run", report)


def test_every_row_is_predicted_by_the_fold_that_had_not_seen_it(crossed: Crossed) -> None:
    rows = pooled(crossed.inputs.task)
    folds = fold_runs(crossed.out)
    assert [len(runs) for runs in folds] == [2, 2, 2]
    for seed, run in enumerate(runs_at(crossed.out)):
        found = load_predictions(run, "out-of-fold")
        assert found.rows.tolist() == list(range(45))
        assert found.labels.tolist() == rows.labels
        assert found.folds is not None
        for fold in range(3):
            here = found.folds == fold
            alone = load_predictions(folds[fold][seed], "test")
            # A fold's test rows stand in the order of all rows.
            assert torch.equal(found.scores[here], alone.scores)
            assert torch.equal(found.labels[here], alone.labels)
        assert set(run.metrics) == {"out-of-fold"}


def test_the_report_is_of_all_rows(crossed: Crossed) -> None:
    report = crossed.report
    assert report.split == "out-of-fold"
    assert set(report.folds) == {"accuracy", "mcc", "auroc"}
    assert all(len(values) == 3 for values in report.folds.values())
    means = np.mean([run.metrics["out-of-fold"]["accuracy"] for run in runs_at(crossed.out)])
    assert report.metrics["out-of-fold"]["accuracy"] == pytest.approx(means)
    assert np.mean(report.folds["accuracy"]) == pytest.approx(means)  # folds of equal size
    low, high = report.interval
    assert low < report.metrics["out-of-fold"]["mcc"] < high


def test_the_interval_holds_folds_too(crossed: Crossed) -> None:
    """Folds of differing difficulty: drawing folds makes it wider than drawing proteins alone."""
    run = runs_at(crossed.out)[0]
    found = load_predictions(run, "out-of-fold")
    scores = torch.nn.functional.one_hot(found.labels, 2).float()
    scores[found.folds == 0] = 1 - scores[found.folds == 0]
    names = ["accuracy"]
    task = crossed.inputs.task
    both = intervals(names, task.problem, [replace(found, scores=scores)])["accuracy"]
    alone = intervals(names, task.problem, [replace(found, scores=scores, folds=None)])["accuracy"]
    assert both[1] - both[0] > 1.5 * (alone[1] - alone[0])


def test_the_run_was_trained_on_all_rows_and_predicts(crossed: Crossed) -> None:
    for run in runs_at(crossed.out):
        assert run.coverage["train"]["proteins"] == 45
        assert run.task["data_digest"] == crossed.inputs.task.data_digest
        assert run.config["fit"]["stop_after"] == run.history[-1]["epoch"]
    training = Predictor(runs_at(crossed.out)).certainty.training  # tells how far a protein is
    assert training is not None
    assert len(training.means) == 45
    measured = evaluate_run(crossed.store, crossed.out)
    assert (measured.split, measured.rows, measured.seeds) == ("out-of-fold", 45, 2)
    assert measured.metrics["mcc"] == pytest.approx(crossed.report.metrics["out-of-fold"]["mcc"])
    remembered = evaluate_run(crossed.store, crossed.out, split="test")
    cautions = {caution.what: caution.text for caution in remembered.cautions}
    assert cautions["rows_trained_on"].startswith("15 of 15 test proteins were trained on")
    assert "rows_trained_on" not in {caution.what for caution in measured.cautions}
    # What was predicted unseen was so from the source it was trained on.
    with pytest.raises(InputError, match=r"own source, alphafold2\. Name a split of 'toy'"):
        evaluate_run(crossed.store, crossed.out, source="esmfold")
    assert evaluate_run(crossed.store, crossed.out, None, "test", source="esmfold").rows == 15
    assert evaluate_run(crossed.store, crossed.out, source="alphafold2").split == "out-of-fold"


def test_simple_models_go_fold_by_fold(crossed: Crossed) -> None:
    report = measure_baselines(crossed.store, crossed.out)
    assert report.split == "out-of-fold"
    assert set(report.metrics) == {"trivial", "sequence", "neighbours", "linear"}
    assert all(set(of) == {"valid", "out-of-fold"} for of in report.metrics.values())
    # Of each fold the commonest class of its train rows: that of most rows, or near it.
    share = np.mean(pooled(crossed.inputs.task).labels)
    assert report.metrics["trivial"]["out-of-fold"]["accuracy"] <= max(share, 1 - share) + 1e-6
    assert report.low <= report.difference <= report.high


def test_a_page_shows_the_folds_learning(crossed: Crossed) -> None:
    found = gather(crossed.out, crossed.store)
    assert (found.split, found.proteins) == ("out-of-fold", 45)
    assert len(found.learning) == 6
    assert found.rows is not None
    assert len(found.rows.ids) == 45


def test_an_interrupted_one_goes_on_with_the_same(crossed: Crossed, tmp_path: Path) -> None:
    out, args = tmp_path / "cut", (crossed.store, crossed.inputs, ADAPTER, CONFIG, 3)
    with pytest.raises(StoppedError, match="stopped in epoch"):
        cross_validate(*args, seeds=2, out=out, progress=StoppingAt(14))
    assert (out / "fold-1").is_dir()
    with pytest.raises(MissingFileError, match="is not finished"):
        runs_at(out)
    with pytest.raises(InputError, match="holds an interrupted training"):
        cross_validate(*args, seeds=2, out=out)
    other = replace(CONFIG, lr=1e-3)
    with pytest.raises(InputError, match=r"other settings: fit.lr \(0.005 then, 0.001 now\)"):
        cross_validate(*args[:3], other, 3, seeds=2, out=out, resume=True)
    shape = {**args[2], "dropout": 0.3}
    for asked, seeds, told in (
        ((*args[:3], CONFIG, 3), 3, "seeds"),
        ((*args[:3], CONFIG, 4), 2, "folds"),
        ((*args[:2], shape, CONFIG, 3), 2, "adapter.dropout"),
    ):
        with pytest.raises(InputError, match=f"other settings: {told} "):
            cross_validate(*asked, seeds=seeds, out=out, resume=True)
    report = cross_validate(*args, seeds=2, out=out, resume=True)
    assert report.metrics == crossed.report.metrics
    assert report.folds == crossed.report.folds
    with pytest.raises(InputError, match="holds a run already"):
        cross_validate(*args, seeds=2, out=out, resume=True)


def test_folds_are_those_it_began_with(crossed: Crossed, tmp_path: Path) -> None:
    out = tmp_path / "again"
    shutil.copytree(crossed.out, out)
    record = json.loads((out / "folds.json").read_text())
    shuffled = np.random.default_rng(0).permutation(record["of"]).tolist()
    (out / "folds.json").write_text(json.dumps({**record, "metrics": {}, "of": shuffled}))
    shutil.rmtree(out / "fold-2")
    for name in ("run.json", "seed-0", "seed-1"):
        shutil.rmtree(out / name, ignore_errors=True)
    args = (crossed.store, crossed.inputs, ADAPTER, CONFIG, 3)
    cross_validate(*args, seeds=2, out=out, resume=True)
    again = fold_runs(out)[1][0]
    assert again.task["data_digest"] != fold_runs(crossed.out)[1][0].task["data_digest"]


def test_how_long_all_rows_are_trained(crossed: Crossed) -> None:
    run = fold_runs(crossed.out)[0][0]

    def learned(values: list[float], best: int, epochs: int, monitor: str = "mcc") -> Run:
        history = [
            {"epoch": n, "valid": {monitor: value}, "best": n == best}
            for n, value in enumerate(values, 1)
        ]
        task = {**run.task, "monitor": monitor}
        return replace(run, task=task, history=history, config={"fit": {"epochs": epochs}})

    one = learned([0.1, 0.5, 0.2, 0.1], 2, 4)
    other = learned([0.1, float("nan"), 0.2, 0.3, 0.2, 0.1, 0.1, 0.1], 4, 8)
    assert best_share([one, other]) == pytest.approx(0.5, abs=0.04)
    errors = [0.9, 0.5, 0.8, 0.9]  # of which less is better
    assert best_share([learned(errors, 2, 4, "rmse")]) == pytest.approx(0.5, abs=0.04)
    patient = learned([0.1, 0.5], 2, 8)  # ended by patience after a quarter of its epochs
    assert best_share([patient]) == pytest.approx(0.25, abs=0.04)
    assert best_share([patient, learned([0.1, 0.2, 0.3, 0.4], 4, 4)]) == pytest.approx(1.0)
    whole = replace(CONFIG, epochs=12)
    assert last_epoch([one, other], whole) == 6
    left_out = replace(run, history=[{"epoch": 0, "valid": {"mcc": 0.4}, "best": True}])
    assert last_epoch([one, left_out, left_out], whole) == 0


def test_what_cannot_be_folded_is_known_before(crossed: Crossed, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two folds or more"):
        cross_validate(crossed.store, crossed.inputs, ADAPTER, CONFIG, 1, out=tmp_path / "a")
    task = crossed.inputs.task
    one = replace(
        task,
        splits={
            name: replace(
                split, labels=[int(name == "train" and place == 0) for place in range(len(split))]
            )
            for name, split in task.splits.items()
        },
    )
    inputs = replace(crossed.inputs, task=one)
    with pytest.raises(InputError, match=r"fold \d: mcc on valid cannot choose.*fewer --folds"):
        cross_validate(crossed.store, inputs, ADAPTER, CONFIG, 5, out=tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_simple_models_beside_it_have_all_its_rows(
    crossed: Crossed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last training was of train, valid and test together; so are they."""
    fitted: list[int] = []
    splits: set[str] = set()
    score_all = baselines.score_baselines

    def score(task: Task, rows: Mapping[str, Rows]) -> list[BaselineScore]:
        fitted.append(len(rows["train"].digests))
        splits.update(rows)
        return score_all(task, rows)

    monkeypatch.setattr(baselines, "score_baselines", score)
    report = evaluate_run(crossed.store, crossed.out, None, "test", baselines=True)
    assert report.baselines is not None
    assert fitted == [sum(map(len, crossed.inputs.task.splits.values()))]
    assert "valid" not in splits  # it was learned from: the best on folds is compared with
