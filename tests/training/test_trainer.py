"""Interrupted trainings: they go on to the same bits, with the same data and settings only."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sesstore.adapter.workers import Workers
from sesstore.errors import InputError, StoppedError, TrainingError
from sesstore.store.atomic_files import replace_file
from sesstore.tasks import Problem, Task
from sesstore.training import checkpoint, evaluate, runs
from sesstore.training.fit import Member, fit, fit_many
from sesstore.training.intervals import Predicted
from sesstore.training.metrics import compute
from sesstore.training.ranks import ALONE, Ranks
from sesstore.training.runs import LAST, RECORD, STATE, WEIGHTS, Run
from sesstore.training.trainer import Trainer

from .conftest import stopping_after
from .test_fit import QUICK, SHAPE, same


@pytest.mark.parametrize("after", [1, 2, 3, 5, 6, 7, 9, 11, 13, 16])
def test_interrupted_and_resumed_is_bit_identical(taught, tmp_path, whole_run, after) -> None:
    args = (taught.task(), taught.embeddings, taught.tokens, SHAPE, QUICK, tmp_path / "run")
    with pytest.raises(StoppedError, match="all is saved in"):
        fit(*args, stop=stopping_after(after))
    assert (tmp_path / "run" / STATE).is_file()
    assert not (tmp_path / "run" / "run.json").exists()
    resumed = fit(*args, resume=True)
    assert same(whole_run, resumed)
    assert [e["loss"] for e in resumed.history] == [e["loss"] for e in whole_run.history]
    assert resumed.metrics == whole_run.metrics


def test_an_interruption_saves_the_time_so_far(taught, tmp_path, monkeypatch) -> None:
    """A clock that goes ten seconds a look: what the first part took is in the whole's total."""
    moment = iter(range(0, 10**9, 10))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(moment)))
    args = (taught.task(), taught.embeddings, taught.tokens, SHAPE, QUICK, tmp_path / "run")
    with pytest.raises(StoppedError):
        fit(*args, stop=stopping_after(11))
    looks = next(moment) / 10
    run = fit(*args, resume=True)
    later = next(moment) / 10 - looks
    assert run.timings["total"] > later * 10
    residues = sum(len(p) for p in taught.proteins[:36])
    for checked in run.history:  # also of the epoch that was cut in two
        assert checked["tokens_per_second"] * checked["seconds"] == pytest.approx(residues)


@pytest.fixture(scope="module")
def whole_run(taught, tmp_path_factory) -> Run:
    out = tmp_path_factory.mktemp("whole") / "run"
    return fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, QUICK, out)


def relabelled(task: Task) -> Task:
    """The same proteins, one of them with another label."""
    train = task.splits["train"]
    labels = [(train.labels[0] + 1) % 3, *train.labels[1:]]
    return replace(task, splits={**task.splits, "train": replace(train, labels=labels)})


def test_resuming_with_anything_else_is_refused(taught, out, other_encoder) -> None:
    task, view, tokens = taught.task(), taught.embeddings, taught.tokens
    with pytest.raises(StoppedError):
        fit(task, view, tokens, SHAPE, QUICK, out, stop=stopping_after(2))
    others = {
        "shapes": (task, view, tokens, SHAPE, replace(QUICK, lr=1e-4)),
        "data": (relabelled(task), view, tokens, SHAPE, QUICK),
        "encoder": (task, other_encoder(view), tokens, SHAPE, QUICK),
        "source": (task, view, taught.store.tokens("esmfold"), SHAPE, QUICK),
    }
    for differs, args in others.items():
        with pytest.raises(InputError, match=rf"other settings \({differs}\)"):
            fit(*args, out, resume=True)
    shape = (task, view, tokens, replace(SHAPE, heads=2), QUICK)
    with pytest.raises(InputError, match=r"other settings \(shapes\)"):
        fit(*shape, out, resume=True)
    assert fit(task, view, tokens, SHAPE, QUICK, out, resume=True).best_epoch
    with pytest.raises(InputError, match="holds a run already"):  # nothing is left to go on with
        fit(task, view, tokens, SHAPE, QUICK, out, resume=True)


def test_patience_goes_on_where_it_was(taught, tmp_path) -> None:
    """At this rate nothing is ever better than the first epoch."""
    config = replace(QUICK, lr=1e-9, epochs=9, patience=3, batch_tokens=10_000)
    args = (taught.task(), taught.embeddings, taught.tokens, SHAPE, config)
    whole = fit(*args, tmp_path / "whole")
    assert len(whole.history) == 4
    with pytest.raises(StoppedError):
        fit(*args, tmp_path / "cut", stop=stopping_after(3))
    resumed = fit(*args, tmp_path / "cut", resume=True)
    assert [e["best"] for e in resumed.history] == [e["best"] for e in whole.history]


def test_the_record_is_the_last_to_be_written(taught, out, monkeypatch) -> None:
    """So a run that has a record is whole; and until then the training can go on."""
    written: list[tuple[str, bool]] = []

    def noting(path: Path, data: bytes) -> None:
        written.append((path.name, (out / STATE).exists()))
        replace_file(path, data)

    for module in (checkpoint, evaluate, runs):
        monkeypatch.setattr(module, "replace_file", noting)
    fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, QUICK, out)
    names = [name for name, _ in written if name != STATE]
    assert sorted(names[:-1]) == sorted((WEIGHTS, LAST, "valid.safetensors", "test.safetensors"))
    assert names[-1] == RECORD
    assert all(there for name, there in written if name != STATE)
    assert written[0][0] == STATE


def test_a_training_cut_off_while_runs_are_written_writes_them_again(
    taught, tmp_path, monkeypatch
) -> None:
    args = (taught.task(), taught.embeddings, taught.tokens)
    members = [Member(SHAPE, replace(QUICK, seed=n), tmp_path / f"seed-{n}") for n in (0, 1)]
    alone = fit(*args, SHAPE, QUICK, tmp_path / "alone")

    def cut(path: Path, data: bytes) -> None:
        if path.parent.name == "seed-1":
            raise KeyboardInterrupt
        replace_file(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "replace_file", cut)
        with pytest.raises(KeyboardInterrupt):
            fit_many(*args, members, tmp_path)
    again = fit_many(*args, members, tmp_path, resume=True)
    assert not (tmp_path / STATE).exists()
    assert [Run.load(m.out).metrics for m in members] == [run.metrics for run in again]
    assert same(alone, again[0])
    assert not same(*again)


def test_the_best_and_the_last_weights_are_told_apart(taught, masked) -> None:
    assert masked.best_epoch < len(masked.history)
    task = taught.task(Problem.REGRESSION, monitor="rmse")
    for name, epoch in ((WEIGHTS, masked.best_epoch), (LAST, len(masked.history))):
        adapter = checkpoint.load_adapter(masked, name=name)
        data = evaluate.split_data(
            task, task.splits["valid"], taught.embeddings, taught.tokens,
            adapter.config.alphabets, 70,
        )  # fmt: skip
        scores = evaluate.predict_scores(adapter, data, task.problem, masked.scale, Workers(None))
        error = compute(["rmse"], task.problem, torch.stack(scores), data.all_labels())["rmse"]
        assert error == pytest.approx(masked.history[epoch - 1]["valid"]["rmse"], rel=1e-5)


class Row:
    """What a stage is told."""

    def row(self, **figures: str) -> None:
        self.figures = figures


def stopped_clock(epoch: int = 3) -> Trainer:
    """A trainer that has been at it for a while; nothing is trained."""
    trainer = Trainer.__new__(Trainer)
    trainer.epoch, trainer.epochs = epoch, 9
    trainer.clock = {"seconds": 60.0, "residues": 50_000.0, "waited": 8.0}
    mark = {"seconds": 20.0, "residues": 10_000.0, "waited": 3.0}
    trainer.marks = [mark, mark, mark]
    trainer.stream = SimpleNamespace(valid=True, task=SimpleNamespace(monitor="mcc"))
    return trainer


def entry(loss: float, valid: float, best: bool) -> SimpleNamespace:
    return SimpleNamespace(history=[{"loss": loss, "valid": {"mcc": valid}, "best": best}])


@pytest.mark.parametrize(
    ("learners", "value"),
    [
        ([entry(0.5, 0.25, True)], "0.2500 best"),
        ([entry(0.5, 0.25, False)], "0.2500"),
        ([entry(0.25, 0.5, True), entry(0.75, 0.25, True)], "0.3750 (0.2500 to 0.5000)"),
    ],
)
def test_a_check_says_each_figure_since_the_last(learners, value: str) -> None:
    trainer, row = stopped_clock(), Row()
    trainer.learners = learners
    trainer._say_check(row, range(len(learners)))
    assert row.figures == {
        "epoch": "3/9", "seconds": "40.0", "residues/s": "1,000", "wait": "12.5%",
        "loss": "0.5000", "valid mcc": value,
    }  # fmt: skip
    trainer.stream.valid = False
    trainer._say_check(row, range(len(learners)))
    assert "valid mcc" not in row.figures


def test_a_check_is_recorded_with_rates_since_the_last() -> None:
    trainer, entries = stopped_clock(), []
    trainer.learners = [SimpleNamespace(check=entries.append)]
    trainer.on_check = lambda place, checked: entries.append((place, checked))
    trainer.stream.valid = False
    trainer._check(0, 3, 0.5, trainer._since(trainer.marks[0]))
    expected = {"epoch": 3, "loss": 0.5, "seconds": 40.0, "tokens_per_second": 1000.0,
                "wait_share": 0.125, "valid": {}}  # fmt: skip
    assert entries == [expected, (0, expected)]
    trainer._check(0, 0, 0.5, {"seconds": 0.0, "residues": 0.0, "waited": 0.0})
    assert (entries[2]["tokens_per_second"], entries[2]["wait_share"]) == (0.0, 0.0)


def test_times_of_a_run_are_over_all_its_checks() -> None:
    trainer = stopped_clock()
    trainer.learners = [1, 2, 3]
    trainer._elapsed = lambda: 99.0
    history = [
        {"epoch": 2, "seconds": 10.0, "tokens_per_second": 500.0, "wait_share": 0.5},
        {"epoch": 5, "seconds": 30.0, "tokens_per_second": 900.0, "wait_share": 0.1},
    ]
    assert trainer._timings(SimpleNamespace(history=history)) == {
        "total": 99.0, "seconds_per_epoch": 8.0, "tokens_per_second": 900.0,
        "wait_share": pytest.approx(0.2), "adapters_on_the_stream": 3.0,
    }  # fmt: skip


def test_the_time_before_an_interruption_counts() -> None:
    trainer = stopped_clock()
    trainer.start_time = time.perf_counter() - 10.0
    trainer.clock["before"] = 500.0
    assert 510.0 <= trainer._elapsed() < 570.0


def test_the_loss_is_a_mean_over_rows_and_must_be_finite(monkeypatch) -> None:
    trainer = stopped_clock()
    trainer.began = 0.0
    sums = np.array([[6.0, 4.0], [0.0, 0.0], [np.nan, 1.0]])
    trainer.losses = SimpleNamespace(fetch=lambda: sums)
    trainer.learners = [SimpleNamespace(pace=SimpleNamespace(lr=0.002))] * 3
    assert trainer._losses([0, 1]) == {0: 1.5, 1: 0.0}
    assert trainer._losses([]) == {}
    with pytest.raises(TrainingError, match=r"loss of epoch 3 .*--lr 0\.0002"):
        trainer._losses([0, 2])


@pytest.mark.parametrize(("seconds", "saves"), [(59.0, 0), (61.0, 1)])
def test_a_training_is_saved_every_minute(
    monkeypatch, tmp_path, seconds: float, saves: int
) -> None:
    trainer, places = stopped_clock(), []
    trainer.ranks, trainer.saved, trainer.learners = ALONE, 100.0, []
    trainer.losses = SimpleNamespace(fetch=lambda: np.zeros((0, 2)), clear=lambda places: None)
    trainer.save = lambda: places.append((trainer.epoch, trainer.next_batch))
    monkeypatch.setattr(time, "perf_counter", lambda: 100.0 + seconds)
    trainer.next_batch = 5
    trainer._save_in_time(lambda: False)
    trainer._end_epoch(Row())
    assert places == [(3, 5), (4, 0)] * saves  # in an epoch, and where the next begins
    second = stopped_clock()
    second.ranks, second.saved, second.out = Ranks(1, 2), 100.0, tmp_path / "run"
    second.save()
    assert second.saved == 100.0 + seconds
    assert not second.out.exists()  # rank 0 writes


def test_learners_that_are_due_are_scored_and_begin_anew(monkeypatch) -> None:
    def learner(due: bool, finished: bool) -> SimpleNamespace:
        config = SimpleNamespace(checked=lambda epoch: due and epoch == 3)
        history = [{"loss": 0.5, "valid": {"mcc": 0.5}, "best": True}]
        pace = SimpleNamespace(lr=0.1)
        return SimpleNamespace(config=config, is_finished=finished, history=history, pace=pace)

    trainer, checks, cleared = stopped_clock(), [], []
    monkeypatch.setattr(time, "perf_counter", lambda: 1000.0)
    trainer.saved, trainer.began, trainer.next_batch = 1000.0, 940.0, 5
    trainer.learners = [learner(False, False), learner(True, False), learner(True, True)]
    sums = np.array([[1.0, 1.0], [6.0, 4.0], [1.0, 1.0]])
    trainer.losses = SimpleNamespace(fetch=lambda: sums, clear=lambda due: cleared.append(due))
    trainer._check = lambda *entry: checks.append(entry)
    mark, now = trainer.marks[0], dict(trainer.clock)
    trainer._end_epoch(Row())
    assert checks == [(1, 3, 1.5, {"seconds": 40.0, "residues": 40_000.0, "waited": 5.0})]
    assert cleared == [[1]]
    assert trainer.marks == [mark, now, mark]
    assert (trainer.epoch, trainer.next_batch) == (4, 0)


@pytest.mark.parametrize(("best", "alone", "wins"), [
    (0.1, 5.0, True), (5.0, 3.0, False), (0.1, 0.1, False),
])  # fmt: skip
def test_the_adapter_and_its_linear_term_are_compared_by_the_monitor(best, alone, wins) -> None:
    """By RMSE, which is not the first metric: the better order of one is no better value."""
    labels, noise = torch.arange(40.0), torch.randn(40, generator=torch.Generator().manual_seed(1))
    task = SimpleNamespace(monitor="rmse", metrics=("spearman", "rmse"), problem=Problem.REGRESSION)
    trainer = Trainer.__new__(Trainer)
    data = SimpleNamespace(offset=(labels + alone * noise - 10)[:, None] / 2)
    trainer.stream = SimpleNamespace(task=task, data={"valid": data})
    learner = SimpleNamespace(loss=SimpleNamespace(scale={"mean": 10.0, "std": 2.0}))
    # The second is in perfect order and far off.
    predicted = Predicted(labels + best * (noise if best < 1 else 1.0), labels, torch.arange(40))
    assert trainer._beats_term(learner, SimpleNamespace(predicted=predicted)) is wins
