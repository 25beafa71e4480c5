"""What is off with a result is said, and only then."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import InputError
from sesstore.tasks import Problem, Split, Task
from sesstore.training.cautions import (
    check_monitor,
    common_cautions,
    data_cautions,
    learning_cautions,
    prediction_cautions,
    run_cautions,
)
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig
from sesstore.training.intervals import Predicted
from sesstore.training.runs import FOLDS, Caution, Run

from .conftest import Taught

RNG = np.random.default_rng(3)
NONE: tuple[str, ...] = ()


def split_of(labels: list) -> Split:
    return Split(
        tuple(f"p{i}" for i in range(len(labels))), np.zeros((len(labels), 32), np.uint8), labels
    )


def task_of(problem: Problem, monitor: str, **splits: list) -> Task:
    classes = ("Tm",) if problem.is_regression else ("a", "b", "c")
    made = {name: split_of(labels) for name, labels in splits.items()}
    return Task("toy", problem, classes, made, (monitor,), monitor)


def kinds(cautions: tuple[Caution, ...]) -> tuple[str, ...]:
    return tuple(caution.what for caution in cautions)


def predicted(scores, labels) -> Predicted:
    return Predicted(torch.as_tensor(scores), torch.as_tensor(labels), torch.arange(len(labels)))


VALUES = RNG.normal(50, 8, 40)
REGRESSION = task_of(Problem.REGRESSION, "spearman", train=VALUES.tolist())
KINDS = RNG.integers(0, 2, 40)
SINGLE = task_of(Problem.SINGLE_LABEL, "mcc", train=KINDS.tolist())
MARKS = (RNG.random((40, 3)) < 0.4).astype(np.float32)
SETS = task_of(
    Problem.MULTI_LABEL, "f1max", train=[tuple(np.flatnonzero(row).tolist()) for row in MARKS]
)


@pytest.mark.parametrize(
    ("task", "scores", "labels", "expected"),
    [
        (REGRESSION, VALUES + RNG.normal(0, 4, 40), VALUES, NONE),
        (REGRESSION, 0.05 * VALUES, VALUES, ("constant_predictions",)),
        (REGRESSION, RNG.normal(50, 8, 40), VALUES, ("no_better_than_trivial",)),
        (REGRESSION, np.full(40, 50.0), VALUES, ("constant_predictions", "no_better_than_trivial")),
        (SINGLE, np.eye(3)[KINDS], KINDS, NONE),
        (SINGLE, np.eye(3)[1 - KINDS], KINDS, ("no_better_than_trivial",)),
        (SINGLE, np.eye(3)[0 * KINDS], KINDS, ("one_class", "no_better_than_trivial")),
        (SETS, 0.9 * MARKS, MARKS, NONE),
        (SETS, 0.04 * MARKS, MARKS, ("constant_predictions",)),
        (SETS, 0.9 - 0.9 * MARKS, MARKS, ("no_better_than_trivial",)),
    ],
)
def test_predictions_that_say_nothing(task: Task, scores, labels, expected) -> None:
    found = prediction_cautions(task, "test", [predicted(scores, labels)])
    assert kinds(found) == expected
    for caution in found:
        assert "test" in caution.text
        assert caution.todo


def test_a_run_is_judged_by_the_split_that_is_reported() -> None:
    good, bad = predicted(np.eye(3)[KINDS], KINDS), predicted(np.eye(3)[1 - KINDS], KINDS)
    settings = ([], FitConfig(epochs=2))
    (caution,) = run_cautions(SINGLE, {"valid": good, "test": bad}, *settings)
    assert caution.what == "no_better_than_trivial"
    assert caution.text.startswith("test mcc -1.000")
    assert run_cautions(SINGLE, {"valid": bad, "test": good}, *settings) == NONE
    assert kinds(run_cautions(SINGLE, {"valid": bad}, *settings)) == (caution.what,)
    assert run_cautions(SINGLE, {}, *settings) == NONE


def test_less_may_be_better() -> None:
    task = replace(REGRESSION, monitor="rmse", metrics=("spearman", "rmse"))
    good = prediction_cautions(task, "test", [predicted(VALUES + 1.0, VALUES)])
    bad = prediction_cautions(task, "test", [predicted(VALUES + 19.0, VALUES)])  # in good order
    assert kinds(good) == NONE
    assert kinds(bad) == ("no_better_than_trivial",)
    assert "is no better than" in bad[0].text


def test_folds_are_drawn_alike_for_the_trivial_predictor() -> None:
    """In folds of unlike classes its score moves by far more than the difference does."""
    labels = np.repeat([0, 0, 1, 1, 1], 8)
    answers = np.zeros(40, int)
    answers[np.flatnonzero(labels)[::4]] = 1  # two rows of each fold of the other class are right
    task = task_of(Problem.SINGLE_LABEL, "accuracy", train=[0] * 30 + [1] * 10)
    folds = torch.from_numpy(np.repeat(np.arange(5), 8))
    run = replace(predicted(np.eye(3)[answers], labels), folds=folds)
    assert kinds(prediction_cautions(task, "test", [run])) == NONE


def test_who_has_measured_on_all_rows_is_not_told_to() -> None:
    wrong = predicted(np.eye(3)[1 - KINDS], KINDS)
    for split, told in (("test", True), (FOLDS, False)):
        (caution,) = prediction_cautions(SINGLE, split, [wrong])
        assert ("--folds 5" in caution.todo) is told


def test_of_a_handful_of_proteins_nothing_is_judged() -> None:
    found = prediction_cautions(SINGLE, "test", [predicted(np.eye(3)[[1, 0, 1, 0]], [0, 1, 0, 1])])
    assert kinds(found) == NONE


@pytest.mark.parametrize(
    ("losses", "epochs", "expected"),
    [
        ([1.0, 0.9, 0.8, 0.7], 4, True),
        ([1.0, 0.3, 0.1, 0.05, 0.04, 0.04], 6, False),
        ([1.0, 0.9, 0.8, 0.7], 9, False),  # its patience was over: more epochs would not come
        ([1.0, 1.1, 1.2, 1.3], 4, False),
        ([1.0], 1, False),
    ],
)
def test_a_loss_that_was_still_falling(losses, epochs: int, expected: bool) -> None:
    history = [{"epoch": n, "loss": loss} for n, loss in enumerate(losses, 1)]
    found = learning_cautions(
        history, FitConfig(lr=1e-3, epochs=epochs, patience=5, batch_tokens=256)
    )
    assert kinds(found) == (("still_learning",) if expected else NONE)
    if expected:
        assert f"--epochs {2 * epochs}" in found[0].todo


@pytest.mark.parametrize(("best", "expected"), [(1, False), (2, False), (3, True), (4, True)])
def test_a_loss_that_falls_alone_is_no_sign(best: int, expected: bool) -> None:
    losses = [1.0, 0.9, 0.8, 0.7]
    history = [{"epoch": n, "loss": v, "best": n <= best} for n, v in enumerate(losses, 1)]
    config = FitConfig(lr=1e-3, epochs=4, patience=5, batch_tokens=256)
    cautions = learning_cautions(history, config)
    assert kinds(cautions) == (("still_learning",) if expected else NONE)


def test_a_linear_model_that_predicts_alone() -> None:
    history = [{"epoch": n, "loss": 1.0 - n / 9, "best": n == 0} for n in range(4)]
    config = FitConfig(lr=1e-3, epochs=3, patience=5, batch_tokens=256)
    assert kinds(learning_cautions(history, config)) == ("linear_alone",)


def test_too_few_rows_are_named_once() -> None:
    labels = [0] * 6 + [1] * 4
    task = task_of(Problem.SINGLE_LABEL, "mcc", train=labels, valid=labels, test=[0] * 12)
    found = {caution.what: caution for caution in data_cautions(task)}
    assert set(found) == {"rare_classes", "one_class_in_test", "small_splits"}
    assert found["rare_classes"].text.endswith(": 1 (b (4))")
    assert found["small_splits"].text.endswith("10 in valid, 12 in test")
    assert "--folds 5" in found["small_splits"].line


@pytest.mark.parametrize(
    ("problem", "monitor", "valid", "why"),
    [
        (Problem.SINGLE_LABEL, "auroc", [1, 1, 1], "all 3 valid rows are labelled 'b'"),
        (Problem.SINGLE_LABEL, "mcc", [1, 1, 1], "all 3 valid rows are labelled 'b'"),
        (Problem.REGRESSION, "spearman", [2.5, 2.5], "all 2 valid rows are labelled 2.5"),
        (Problem.REGRESSION, "rmse", [2.5], "all 1 valid rows are labelled 2.5"),
        (Problem.MULTI_LABEL, "f1max", [(), ()], "no valid row has a label"),
        (Problem.MULTI_LABEL, "auroc", [(0, 1, 2)], "all valid rows have all labels"),
        (Problem.RESIDUE_REGRESSION, "pearson", [np.full(3, np.nan)], "no valid row has a label"),
        (Problem.SINGLE_LABEL, "accuracy", [1, 1, 1], None),
        (Problem.SINGLE_LABEL, "auroc", [1, 0], None),
        (Problem.REGRESSION, "rmse", [2.5, 2.5], None),
    ],
)
def test_a_monitor_that_cannot_choose(problem: Problem, monitor: str, valid, why) -> None:
    task = task_of(problem, monitor, valid=valid)
    if why is None:
        check_monitor(task)
        return
    with pytest.raises(InputError, match=r"cannot choose an epoch of 'toy'.*--split-by") as told:
        check_monitor(task)
    assert why in str(told.value)


def test_it_is_said_before_training(taught: Taught, out) -> None:
    task = taught.task(monitor="auroc")
    valid = task.splits["valid"]
    one = replace(task, splits={**task.splits, "valid": replace(valid, labels=[1] * len(valid))})
    shape = AdapterConfig(16, 3, (), heads=4)
    with pytest.raises(InputError, match="auroc on valid cannot choose"):
        fit(one, taught.embeddings, None, shape, FitConfig(), out)
    assert not out.exists()


def test_runs_remember_and_seeds_are_counted(taught: Taught, out, tmp_path) -> None:
    config = FitConfig(epochs=2, lr=1e-9, batch_tokens=400)
    task, shape = taught.task(monitor="mcc"), AdapterConfig(16, 3, (), heads=4)
    run = fit(task, taught.embeddings, None, shape, config, out)
    assert "no_better_than_trivial" in kinds(run.cautions)
    assert "small_splits" in kinds(run.cautions)
    again = Run.load(out)
    assert again.cautions == run.cautions
    record = json.loads((out / "run.json").read_text())
    del record["cautions"]  # as earlier versions wrote it
    (out / "run.json").write_text(json.dumps(record))
    assert Run.load(out).cautions == ()
    merged = common_cautions([run, replace(run, cautions=run.cautions[-1:])])
    assert [c.text.startswith("1 of 2 runs: ") for c in merged] == [True] * (
        len(run.cautions) - 1
    ) + [False]


@pytest.mark.parametrize(("share", "constant"), [(0.101, False), (0.099, True)])
def test_the_bound_of_predictions_that_hardly_differ(share: float, constant: bool) -> None:
    labels = torch.as_tensor(VALUES)
    scores = share * (labels - labels.mean()) + labels.mean()
    found = prediction_cautions(REGRESSION, "test", [predicted(scores, labels)])
    assert kinds(found) == (("constant_predictions",) if constant else NONE)
    if constant:
        assert "deviate by 10% of what the true values do" in found[0].text


@pytest.mark.parametrize(("step", "constant"), [(0.0625, False), (0.03125, True)])
def test_one_label_that_differs_is_enough(step: float, constant: bool) -> None:
    scores = np.full((40, 3), 0.5)
    scores[:, 1] += step * MARKS[:, 1]
    found = prediction_cautions(SETS, "test", [predicted(scores, MARKS)])
    assert ("constant_predictions" in kinds(found)) is constant


def test_labels_that_do_not_differ_ask_for_no_spread() -> None:
    task = task_of(Problem.SINGLE_LABEL, "accuracy", train=[0, 1])
    assert "one_class" not in kinds(
        prediction_cautions(task, "test", [predicted(np.eye(3)[[0] * 8], [0] * 8)])
    )
    said = prediction_cautions(SINGLE, "test", [predicted(np.eye(3)[[2] * 40], KINDS)])[0]
    assert said.text == "all predictions on test are of one class, 'c'"


@pytest.mark.parametrize(("count", "judged"), [(4, False), (5, True)])
def test_five_proteins_are_judged(count: int, judged: bool) -> None:
    labels = [0, 1] * count
    half = Predicted(
        torch.eye(3)[[1, 0] * count], torch.tensor(labels), torch.arange(2 * count) // 2
    )
    assert ("no_better_than_trivial" in kinds(prediction_cautions(SINGLE, "x", [half]))) is judged


def test_the_mean_of_seeds_is_told_from_the_trivial_score() -> None:
    task = task_of(Problem.SINGLE_LABEL, "accuracy", train=[0] * 6 + [1] * 4)
    labels = np.repeat([0, 1], [24, 16])
    first, second = labels.copy(), labels.copy()
    first[:12], second[:16] = 1, 1  # 28 and 24 of 40 are right
    (caution,) = prediction_cautions(
        task, "test", [predicted(np.eye(3)[answer], labels) for answer in (first, second)]
    )
    assert caution.text == (
        "test accuracy 0.650 is not surely better than the trivial predictor's 0.600 (how often "
        "each class occurs in train)"
    )


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([2.0, 1.25, 1.0], True), ([1.0, 0.1875, 0.125, 0.0], True), ([1.0, 0.09, 0.05, 0.0], False)],
)
def test_the_second_half_of_the_fall(losses: list[float], expected: bool) -> None:
    history = [{"epoch": n, "loss": loss} for n, loss in enumerate(losses, 1)]
    config = FitConfig(lr=1e-3, epochs=len(losses), patience=5, batch_tokens=256)
    found = learning_cautions(history, config)
    assert kinds(found) == (("still_learning",) if expected else NONE)
    if expected:
        middle = losses[len(losses) // 2 - 1]
        assert f"({middle:.3g} to {losses[-1]:.3g} in" in found[0].text
    assert learning_cautions(history, replace(config, stop_after=len(losses))) == ()
    assert learning_cautions([], config) == ()


def test_cautions_of_all_runs_are_said_once_or_with_their_count() -> None:
    def run(*texts: str) -> Run:
        return SimpleNamespace(cautions=[Caution(text[0], text, "do") for text in texts])

    merged = common_cautions([run("a", "b1", "c"), run("a", "b2"), run("a", "c")])
    assert [c.text for c in merged] == ["a", "2 of 3 runs: b1", "2 of 3 runs: c"]
    assert [c.text for c in common_cautions([run("b1"), run("b2")])] == ["2 of 2 runs: b1"]
