"""Simple models on each problem, against scikit-learn or what they are by definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsRegressor

from sesstore.alphabets import AMINO_ACIDS
from sesstore.streaming.composition import composition
from sesstore.tasks import Problem, Task
from sesstore.training import baselines
from sesstore.training.baselines import BaselineScore, Rows, best_baseline, score_baselines
from sesstore.training.evaluate import split_data
from sesstore.training.linear import fit_linear

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


def test_a_row_is_no_neighbour_of_itself(taught: Taught, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of labels without a sense many are better than one, unless a row is told its own."""
    monkeypatch.setattr(baselines, "NEIGHBOURS", (1, 25))
    monkeypatch.setattr(baselines, "QUERIES", 5)
    task = taught.task(Problem.REGRESSION)
    values = np.random.default_rng(1).normal(50, 9, 36).tolist()
    train = replace(task.splits["train"], labels=values)
    rows = rows_of(taught, replace(task, splits={**task.splits, "train": train}))
    fitting = baselines._Fitting(replace(task, splits={"train": train}), rows["train"], 0)
    outputs = fitting.neighbours()(rows["test"])[:, 0]
    assert float(outputs.std()) < 0.5 * float(fitting.labels.std())


@pytest.mark.parametrize("problem", [Problem.SINGLE_LABEL, Problem.MULTI_LABEL])
def test_neighbours_vote_for_classes(problem: Problem, taught: Taught, monkeypatch) -> None:
    monkeypatch.setattr(baselines, "NEIGHBOURS", (4,))
    task = taught.task(problem)
    rows = rows_of(taught, task)
    (score,) = score_baselines(task, rows, models=("neighbours",))
    means = {name: torch.cat(list(each.embeddings())).numpy() for name, each in rows.items()}
    marks = np.zeros((36, 3))
    for row, label in enumerate(task.splits["train"].labels):
        marks[row, [label] if problem is Problem.SINGLE_LABEL else list(label)] = 1
    votes = (
        KNeighborsRegressor(4, metric="cosine").fit(means["train"], marks).predict(means["test"])
    )
    shares = votes.clip(1e-4, 1 - 1e-4)
    if problem is Problem.SINGLE_LABEL:
        shares /= shares.sum(1, keepdims=True)
    np.testing.assert_allclose(score.predicted["test"].scores, shares, rtol=1e-4)


def test_a_sequence_is_its_letters_and_its_length(taught: Taught) -> None:
    rows = rows_of(taught, taught.task())["valid"]
    features = torch.cat(list(rows.letters()))
    proteins = taught.proteins[36:48]
    torch.testing.assert_close(
        features[:, -1].exp(), torch.tensor([float(len(p)) for p in proteins])
    )
    shares = torch.stack([composition(p.sequence) for p in proteins])
    assert torch.equal(features[:, :-1], shares)
    residues = rows_of(taught, taught.task(Problem.RESIDUE_SINGLE_LABEL))["valid"]
    text = "".join(p.sequence[1:] for p in proteins)  # the first residue of each has no label
    letters = torch.cat(list(residues.letters()))
    assert letters.argmax(1).tolist() == AMINO_ACIDS.encode(text).tolist()
    assert letters.sum() == len(text)


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
    scores.append(score("last", 2.5, 0.2))
    assert best_baseline(scores, "rmse").name == "linear"
    assert best_baseline(scores[:1], "rmse").name == "trivial"


def test_many_residues_are_drawn_from(taught: Taught, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "TRAINING_RESIDUES", 150)
    task = taught.task(Problem.RESIDUE_SINGLE_LABEL)
    scores = {s.name: s for s in score_baselines(task, rows_of(taught, task))}
    assert scores["linear"].metrics["test"]["accuracy"] > 0.6
    rows, given = rows_of(taught, task)["train"], []
    fitting = baselines._Fitting(task, rows, 3)

    def noted(inputs, labels, problem, n_outputs, folds):
        given.append((inputs, labels, folds))
        return fit_linear(inputs, labels, problem, n_outputs, folds)

    monkeypatch.setattr(baselines, "fit_linear", noted)
    fitting.linear()
    ((inputs, labels, folds),) = given
    assert len(fitting.chosen.unique()) == 150
    assert torch.equal(labels, rows.labels()[fitting.chosen])
    assert torch.equal(inputs, torch.cat(list(rows.embeddings()))[fitting.chosen])
    proteins = rows.proteins()[fitting.chosen].tolist()
    assert len(set(zip(proteins, folds.tolist(), strict=True))) == len(set(proteins))
    other = baselines._Fitting(task, rows, 4)
    assert not torch.equal(other.chosen, fitting.chosen)


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
