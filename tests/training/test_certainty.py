"""What is learned of certainty is learned on valid, of the mean of all seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.errors import MissingFileError
from sesstore.tasks import Problem
from sesstore.training.calibration import expected_calibration_error, fit_temperature, top_class
from sesstore.training.certainty import FEWEST, certainty_of, mean_prediction, score_certainty
from sesstore.training.conformal import fit_conformal
from sesstore.training.evaluate import save_predictions
from sesstore.training.intervals import Predicted
from sesstore.training.runs import FOLDS


def drawn(problem: Problem, count: int, seed: int) -> Predicted:
    """Predictions of one seed; the labels are those of all."""
    truth, chance = np.random.default_rng(count), np.random.default_rng(seed)
    rows = torch.arange(count)
    if problem.is_regression:
        labels = truth.normal(50, 8, count)
        scores = labels + chance.normal(0, 5, count)
    else:
        labels = truth.integers(0, 3, count)
        scores = chance.dirichlet((1, 1, 1), count) * 0.7 + 0.3 * np.eye(3)[labels]
    return Predicted(torch.from_numpy(scores).float(), torch.from_numpy(labels), rows)


def seeds(folder: Path, problem: Problem, **counts: int) -> list[Any]:
    runs = []
    for seed in (1, 2):
        (folder / str(seed)).mkdir()
        runs.append(SimpleNamespace(path=folder / str(seed), task={"problem": str(problem)}))
        for place, (split, count) in enumerate(counts.items()):
            save_predictions(runs[-1], split, drawn(problem, count, 10 * place + seed))
    return runs


def mean(problem: Problem, count: int, place: int) -> Predicted:
    """The mean of both seeds on the split at a place."""
    first, second = (drawn(problem, count, 10 * place + seed) for seed in (1, 2))
    scores = (first.scores.double() + second.scores.double()) / 2
    return Predicted(scores.float(), first.labels, first.rows)


def test_classes_learn_from_valid(tmp_path: Path) -> None:
    problem = Problem.SINGLE_LABEL
    runs = seeds(tmp_path, problem, test=60, valid=40)
    valid, test = mean(problem, 40, 1), mean(problem, 60, 0)
    certainty = certainty_of(runs)
    assert (certainty.problem, certainty.seeds) == (problem, 2)
    temperature = fit_temperature(valid.scores, valid.labels, problem)
    assert certainty.temperature == pytest.approx(temperature, rel=1e-6)
    assert certainty.conformal == fit_conformal(valid.scores, valid.labels, problem)
    assert certainty.temperature != fit_temperature(test.scores, test.labels, problem)
    predicted = mean_prediction(runs, "test")
    torch.testing.assert_close(predicted.scores, test.scores)
    score = score_certainty(certainty, predicted)
    before = expected_calibration_error(*top_class(test.scores, test.labels, problem))
    assert (score.rows, score.ece_before) == (60, pytest.approx(before))
    assert score.ece_after is not None
    assert score.ece_after != pytest.approx(before)
    sets = certainty.conformal.sets(test.scores, problem)
    assert score.size == pytest.approx(float(sets.sum(1).double().mean()))
    holds = sets[torch.arange(60), test.labels]
    assert score.coverage == pytest.approx(float(holds.double().mean()))


def test_values_have_intervals_and_no_temperature(tmp_path: Path) -> None:
    problem = Problem.REGRESSION
    certainty = certainty_of(seeds(tmp_path, problem, valid=40))
    valid = mean(problem, 40, 0)
    assert certainty.temperature is None
    assert certainty.conformal == fit_conformal(valid.scores, valid.labels, problem)
    score = score_certainty(certainty, valid)
    assert score.size == pytest.approx(2 * certainty.conformal.margin)
    near = (valid.scores - valid.labels).abs() <= certainty.conformal.margin
    assert score.coverage == pytest.approx(float(near.double().mean()))
    assert (score.ece_before, score.ece_after) == (None, None)


def test_errors_of_residues_come_in_proteins(tmp_path: Path) -> None:
    certainty = certainty_of(seeds(tmp_path, Problem.RESIDUE_SINGLE_LABEL, valid=40))
    assert certainty.conformal is None
    assert certainty.temperature is not None


@pytest.mark.parametrize(("count", "learns"), [(FEWEST - 1, False), (FEWEST, True)])
def test_few_rows_teach_nothing(count: int, learns: bool, tmp_path: Path) -> None:
    certainty = certainty_of(seeds(tmp_path, Problem.SINGLE_LABEL, valid=count))
    assert (certainty.temperature is not None) is learns
    assert (certainty.conformal is not None) is learns


def test_all_folds_come_before_valid(tmp_path: Path) -> None:
    problem = Problem.SINGLE_LABEL
    runs = seeds(tmp_path, problem, **{"valid": 40, FOLDS: 50})
    folds = mean(problem, 50, 1)
    assert certainty_of(runs).conformal == fit_conformal(folds.scores, folds.labels, problem)


def test_what_is_not_finite_teaches_nothing(tmp_path: Path) -> None:
    runs = seeds(tmp_path, Problem.REGRESSION, valid=40)
    broken = drawn(Problem.REGRESSION, 40, 2)
    broken.scores[3] = float("nan")
    save_predictions(runs[1], "valid", broken)
    assert certainty_of(runs).conformal is None
    with pytest.raises(MissingFileError, match="no predictions on test"):
        mean_prediction(runs, "test")


def test_a_mean_over_seeds_keeps_rows_and_folds(tmp_path: Path) -> None:
    """Intervals draw folds, and proteins of several residues, by them."""
    runs = seeds(tmp_path, Problem.REGRESSION, valid=40)
    rows, folds = torch.arange(40) // 2, torch.arange(40) % 4
    for run, seed in zip(runs, (1, 2), strict=True):
        one = replace(drawn(Problem.REGRESSION, 40, seed), rows=rows, folds=folds)
        save_predictions(run, FOLDS, one)
    together = mean_prediction(runs, FOLDS)
    assert torch.equal(together.rows, rows)
    assert torch.equal(together.folds, folds)
