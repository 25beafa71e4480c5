"""Simple models on each problem, against scikit-learn or what they are by definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsRegressor

from sesstore.tasks import Problem, Task
from sesstore.training import baselines
from sesstore.training.baselines import BaselineScore, Rows, best_baseline, score_baselines
from sesstore.training.evaluate import split_data

from .conftest import Taught


def rows_of(taught: Taught, task: Task) -> dict[str, Rows]:
    sequences = {p.digest: p.sequence for p in taught.proteins}
    return {
        name: Rows(
            split_data(task, split, taught.embeddings, None, (), 0),
            [sequences[digest.tobytes()] for digest in split.digests],
            split.digests,
            task.problem.per_residue,
        )
        for name, split in task.splits.items()
    }


@pytest.fixture(scope="module")
def scored(taught: Taught) -> dict[Problem, dict[str, BaselineScore]]:
    scored = {}
    for problem in Problem:
        task = taught.task(problem)
        scored[problem] = {s.name: s for s in score_baselines(task, rows_of(taught, task))}
    return scored


@pytest.mark.parametrize("problem", Problem)
def test_every_model_scores_every_row(
    problem: Problem, taught: Taught, scored: dict[Problem, dict[str, BaselineScore]]
) -> None:
    task, per_residue = taught.task(problem), problem.per_residue
    names = ["trivial", "sequence", *([] if per_residue else ["neighbours"]), "linear"]
    assert list(scored[problem]) == names
    for score in scored[problem].values():
        assert set(score.metrics) == set(score.predicted) == {"valid", "test"}
        assert set(score.metrics["test"]) == set(task.metrics)
        predicted = score.predicted["test"]
        lengths = [len(p) - 1 for p in taught.proteins[48:60]]  # a residue of each has no label
        assert (
            len(predicted.scores) == len(predicted.labels) == (sum(lengths) if per_residue else 12)
        )
        assert predicted.rows.unique().tolist() == list(range(12))
        assert predicted.scores.isfinite().all()


def test_trivial_is_the_mean_or_the_shares(
    taught: Taught, scored: dict[Problem, dict[str, BaselineScore]]
) -> None:
    kinds = np.array(taught.kinds[:36])
    values = scored[Problem.REGRESSION]["trivial"].predicted["test"].scores
    assert values.numpy() == pytest.approx(np.full(12, 50.0 + 10 * kinds.mean()), rel=1e-6)
    shares = scored[Problem.SINGLE_LABEL]["trivial"].predicted["test"].scores
    expected = (np.bincount(kinds, minlength=3) + 0.5) / (36 + 1.5)
    np.testing.assert_allclose(shares[0], expected, rtol=1e-6)
    labels = scored[Problem.MULTI_LABEL]["trivial"].predicted["test"].scores
    first = (np.sum(kinds == 0) + 0.5) / 37
    assert float(labels[3, 0]) == pytest.approx(first, rel=1e-6)


def test_the_signal_in_the_embeddings_is_seen(
    scored: dict[Problem, dict[str, BaselineScore]],
) -> None:
    for problem, metric in [
        (Problem.SINGLE_LABEL, "accuracy"),
        (Problem.MULTI_LABEL, "f1max"),
        (Problem.REGRESSION, "spearman"),
        (Problem.RESIDUE_SINGLE_LABEL, "accuracy"),
        (Problem.RESIDUE_REGRESSION, "pearson"),
    ]:
        assert scored[problem]["linear"].metrics["test"][metric] > 0.8
        assert best_baseline(list(scored[problem].values()), metric).name != "trivial"


def test_as_many_neighbours_count_as_do_best_on_train(
    taught: Taught, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = taught.task(Problem.REGRESSION)
    rows = rows_of(taught, task)
    fitting = baselines._Fitting(task, rows["train"], 0)
    truth = rows["test"].labels()
    for counts in ((1, 35), (35, 1)):  # 35 of 36 rows know little more than their mean
        monkeypatch.setattr(baselines, "NEIGHBOURS", counts)
        values = fitting.neighbours()(rows["test"])[:, 0]
        assert np.corrcoef(values, truth)[0, 1] > 0.8
        assert len(values.unique()) <= 3  # as they are of a single neighbour


def test_neighbours_are_scikit_learns(taught: Taught, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "NEIGHBOURS", (4,))
    monkeypatch.setattr(baselines, "QUERIES", 5)
    task = taught.task(Problem.REGRESSION)
    rows = rows_of(taught, task)
    (score,) = [s for s in score_baselines(task, rows) if s.name == "neighbours"]
    means = {name: torch.cat(list(each.embeddings())).numpy() for name, each in rows.items()}
    model = KNeighborsRegressor(4, metric="cosine").fit(means["train"], rows["train"].labels())
    expected = model.predict(means["test"])
    np.testing.assert_allclose(score.predicted["test"].scores, expected, rtol=1e-5)


def test_the_best_is_chosen_on_valid_and_less_may_be_better(taught: Taught) -> None:
    def score(name: str, valid: float, test: float) -> BaselineScore:
        return BaselineScore(name, {"valid": {"rmse": valid}, "test": {"rmse": test}}, {}, 0.0)

    nan = float("nan")
    scores = [score("trivial", nan, 1.0), score("sequence", 3.0, 0.1), score("linear", 2.0, 9.0)]
    assert best_baseline(scores, "rmse").name == "linear"
    assert best_baseline(scores[:1], "rmse").name == "trivial"


def test_many_residues_are_drawn_from(taught: Taught, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "TRAINING_RESIDUES", 150)
    task = taught.task(Problem.RESIDUE_SINGLE_LABEL)
    scores = {s.name: s for s in score_baselines(task, rows_of(taught, task))}
    assert scores["linear"].metrics["test"]["accuracy"] > 0.6


def test_the_store_is_read_once_a_split(taught: Taught, monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[int] = []
    read = baselines.mean_embeddings

    def counted(view, rows):
        readings.append(len(rows))
        return read(view, rows)

    monkeypatch.setattr(baselines, "mean_embeddings", counted)
    task = taught.task(Problem.REGRESSION)
    score_baselines(task, rows_of(taught, task))
    assert sorted(readings) == [12, 12, 36]
