from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import InputError, TrainingError
from sesstore.tasks import Problem, Split
from sesstore.training.checkpoint import STATE, load_adapter
from sesstore.training.evaluate import load_predictions
from sesstore.training.fit import Member, check_fit, fit, fit_many, load_runs
from sesstore.training.fit_config import FitConfig
from sesstore.training.runs import Run

SHAPE = AdapterConfig(16, 3, heads=4, modality_dropout=0.2)


QUICK = FitConfig(epochs=4, patience=4, batch_tokens=150, lr=3e-3, schedule="cosine", warmup=0.1)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return dict(load_adapter(run).named_parameters())


def same(one: Run, other: Run) -> bool:
    first, second = weights(one), weights(other)
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("problem", list(Problem))
def test_learns_each_problem(taught, out, problem) -> None:
    task = taught.task(problem)
    pooling = "residue" if problem.per_residue else "attention1d"
    shape = AdapterConfig(16, task.n_outputs, heads=4, pooling=pooling)
    config = replace(QUICK, epochs=12, patience=12, lr=1e-2)
    run = fit(task, taught.embeddings, taught.tokens, shape, config, out)
    assert run.metrics["test"][task.monitor] > 0.8
    assert run.history[-1]["loss"] < run.history[0]["loss"]
    assert set(run.metrics) == {"valid", "test"}
    assert (out / "run.json").is_file()
    assert not (out / STATE).exists()
    if problem.is_regression:
        assert run.scale["mean"] == pytest.approx(59, abs=5)
        assert run.metrics["test"][task.metrics[1]] < 8


def test_same_seed_same_bits_and_other_seed_other(taught, tmp_path) -> None:
    def trained(name: str, seed: int) -> Run:
        config = replace(QUICK, seed=seed)
        args = (taught.task(), taught.embeddings, taught.tokens, SHAPE, config)
        return fit(*args, tmp_path / name)

    first, again, other = trained("a", 1), trained("b", 1), trained("c", 2)
    assert same(first, again)
    assert first.history[-1]["loss"] == again.history[-1]["loss"]
    assert not same(first, other)


def test_threads_do_not_change_a_bit(taught, tmp_path, monkeypatch) -> None:
    """Each batch is cut into several parts, of different cost."""
    monkeypatch.setattr("sesstore.training.learner.PART", 150)
    monkeypatch.setattr("sesstore.training.evaluate.PART", 60)
    before = torch.get_num_threads()
    runs = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            config = replace(QUICK, batch_tokens=100_000, epochs=2)
            task = taught.task()
            runs.append(
                fit(task, taught.embeddings, taught.tokens, SHAPE, config, tmp_path / f"{threads}")
            )
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert same(*runs)
    assert runs[0].metrics == runs[1].metrics
    for one, other in zip(*(load_predictions(run, "test").scores for run in runs), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_one_stream_gives_what_each_alone_gives(taught, tmp_path) -> None:
    shapes = [
        AdapterConfig(16, 3, (), pooling="mean"),
        SHAPE,
        AdapterConfig(16, 3, ("dssp",), heads=4, pooling="light_attention"),
    ]
    configs = [replace(QUICK, lr=1e-3, epochs=2), QUICK, replace(QUICK, clip=0.5)]
    members = [
        Member(shape, config, tmp_path / f"together{i}")
        for i, (shape, config) in enumerate(zip(shapes, configs, strict=True))
    ]
    data = (taught.task(), taught.embeddings, taught.tokens)
    together = fit_many(*data, members, tmp_path)
    for i, member in enumerate(members):
        alone = fit(*data, member.adapter, member.config, tmp_path / f"alone{i}")
        assert same(alone, together[i])
        assert alone.metrics == together[i].metrics
    assert len(together[0].history) == 2
    assert together[0].source is None
    assert together[0].coverage["train"]["unmasked"] == {}
    assert together[1].timings["adapters_on_the_stream"] == 3
    again = load_runs(*data, members)  # as where a search of such arms goes on
    assert [(run.path, run.source) for run in again] == [(r.path, r.source) for r in together]


@pytest.mark.parametrize(
    "differs",
    [{"batch_tokens": 99}, {"min_plddt": 50}, {"device": "cpu"}, {"residency": "disk"},
     {"stop_after": 2}],
)  # fmt: skip
def test_members_share_one_stream(taught, tmp_path, differs) -> None:
    members = [
        Member(SHAPE, QUICK, tmp_path / "a"),
        Member(SHAPE, replace(QUICK, **differs), tmp_path / "b"),
    ]
    with pytest.raises(InputError, match=next(iter(differs))):
        fit_many(taught.task(), taught.embeddings, taught.tokens, members, tmp_path)


def test_residencies_give_the_same_bits(taught, tmp_path) -> None:
    runs = []
    for residency in ("ram", "disk"):
        config = replace(QUICK, residency=residency, epochs=2)
        args = (taught.task(), taught.embeddings, taught.tokens, SHAPE, config)
        runs.append(fit(*args, tmp_path / residency))
    assert same(*runs)


def test_early_stopping_keeps_the_best_epoch(taught, out) -> None:
    config = replace(QUICK, epochs=30, patience=2)
    run = fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, config, out)
    assert len(run.history) < 30
    assert len(run.history) == run.best_epoch + 2
    best = max(entry["valid"]["accuracy"] for entry in run.history)
    assert run.metrics["valid"]["accuracy"] == best


def test_less_of_an_error_is_better(taught, masked) -> None:
    """The monitor, not the first metric, chooses; and its lowest value is the best."""
    errors = [entry["valid"]["rmse"] for entry in masked.history]
    assert masked.best_epoch == int(np.argmin(errors)) + 1
    assert masked.metrics["valid"]["rmse"] == pytest.approx(min(errors))
    assert max(errors) > 1.01 * min(errors)
    assert masked.metrics["valid"] != masked.metrics["test"]
    assert masked.task["monitor"] == "rmse" != masked.task["metrics"][0]


def test_coverage_counts_what_the_threshold_leaves(taught, masked) -> None:
    for name, split in taught.task().splits.items():
        sure = [taught.tokens.get(row.tobytes()).plddt >= 70 for row in split.digests]
        known = int(sum(row.sum() for row in sure))
        said = masked.coverage[name]
        assert said["unmasked"] == {"foldseek": known, "dssp": known}
        assert said["residues"] == sum(map(len, sure)) > known
        assert said["proteins"] == said["with_tokens"] == len(split)


def test_the_record_tells_everything(taught, out, monkeypatch) -> None:
    judged = []

    def noted(task, predicted, history, config):
        judged.append((list(predicted), len(history), config.pace.epochs))
        return ()

    monkeypatch.setattr("sesstore.training.trainer.run_cautions", noted)
    fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, QUICK, out)
    assert judged == [(["valid", "test"], 4, 4)]  # the last is reported
    run = Run.load(out)
    assert run.config["fit"]["lr"] == 3e-3
    assert run.config["adapter"]["heads"] == 4
    assert run.fingerprint == taught.embeddings.provenance.fingerprint
    assert run.task["data_digest"] == taught.task().data_digest
    assert run.coverage["train"]["with_tokens"] == 36
    assert run.source == "alphafold2"
    seconds = [entry["seconds"] for entry in run.history]
    waited = sum(entry["wait_share"] * entry["seconds"] for entry in run.history)
    assert run.timings["wait_share"] == pytest.approx(waited / sum(seconds))
    assert run.timings["seconds_per_epoch"] == pytest.approx(sum(seconds) / len(seconds))
    assert run.timings["tokens_per_second"] == max(e["tokens_per_second"] for e in run.history)
    assert run.circumstances["versions"]["torch"]


def test_a_loss_that_is_not_finite_is_an_error(taught, out) -> None:
    with pytest.raises(TrainingError, match="--lr"):
        fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, replace(QUICK, lr=1e30), out)


def test_refusals_come_before_work(taught, out) -> None:
    task = taught.task()
    empty = replace(
        task, splits={**task.splits, "valid": Split((), task.splits["valid"].digests[:0], [])}
    )
    with pytest.raises(InputError, match="valid"):
        check_fit(empty, SHAPE, taught.tokens, out)
    with pytest.raises(InputError, match="structure tokens"):
        check_fit(task, SHAPE, None, out)
    with pytest.raises(InputError, match="residue"):
        check_fit(task, replace(SHAPE, pooling="residue"), taught.tokens, out)
    with pytest.raises(InputError, match="spearman"):
        check_fit(replace(task, monitor="spearman"), SHAPE, taught.tokens, out)
    out.mkdir()
    (out / "run.json").write_text("{}")
    with pytest.raises(InputError, match="--out"):
        check_fit(task, SHAPE, taught.tokens, out)


def test_valid_is_scored_thirty_times_or_after_each_epoch() -> None:
    for epochs in (1, 7, 30, 31, 77, 240):
        config = replace(QUICK, epochs=epochs)
        checks = [epoch for epoch in range(1, epochs + 1) if config.checked(epoch)]
        assert len(checks) == min(epochs, 30)
        assert checks[-1] == epochs
        # A training on all rows is kept as it is after the epoch it ends with.
        for last in (1, epochs // 2 or 1, epochs):
            assert replace(config, stop_after=last).checked(last)


def test_a_training_of_many_epochs_is_checked_now_and_then(taught, tmp_path) -> None:
    """Loss and timings of a check are of all epochs since the one before."""
    config = replace(QUICK, epochs=90, patience=30, batch_tokens=10_000, lr=1e-9)
    run = fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, config, tmp_path / "run")
    assert [entry["epoch"] for entry in run.history] == list(range(3, 91, 3))
    residues = 3 * sum(len(p) for p in taught.proteins[:36])
    for entry in run.history:
        assert entry["tokens_per_second"] * entry["seconds"] == pytest.approx(residues)
    seconds = sum(entry["seconds"] for entry in run.history)
    assert run.timings["seconds_per_epoch"] == pytest.approx(seconds / 90)


def test_unknown_device_and_residency(taught, out) -> None:
    args = (taught.task(), taught.embeddings, taught.tokens, SHAPE)
    with pytest.raises(InputError, match="cannot be used"):
        fit(*args, replace(QUICK, device="tpu9"), out)
    with pytest.raises(InputError, match="residency"):
        fit(*args, replace(QUICK, residency="tape"), out)


def test_cosine_rises_then_falls_to_zero() -> None:
    config = replace(QUICK, lr=1.0, schedule="cosine", warmup=0.2)
    assert config.rate(0.1) == pytest.approx(0.5)
    assert config.rate(0.2) == pytest.approx(1.0)
    assert config.rate(0.6) == pytest.approx(0.5)
    assert config.rate(1.0) == pytest.approx(0.0)
    assert replace(QUICK, lr=0.3, schedule="constant").rate(0.99) == 0.3


def test_the_rate_is_what_the_optimiser_gets() -> None:
    config = replace(QUICK, lr=0.5, schedule="constant", warmup=0.5)
    assert [config.rate(share) for share in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.25, 0.5, 0.5]
    assert replace(QUICK, lr=0.5, warmup=0.0).rate(0.0) == 0.5


def test_a_training_that_is_told_where_to_end_asks_valid_nothing(taught, out) -> None:
    config = replace(QUICK, stop_after=2, lr=0.05)
    run = fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, config, out)
    assert [(e["epoch"], e["valid"], e["best"]) for e in run.history] == [
        (1, {}, True), (2, {}, True)
    ]  # fmt: skip
    assert run.best_epoch == 2
    assert set(run.metrics) == {"valid", "test"}


def test_a_monitor_need_not_be_among_the_metrics(taught, out) -> None:
    task = replace(taught.task(monitor="mcc"), metrics=("accuracy",))
    run = fit(task, taught.embeddings, taught.tokens, SHAPE, replace(QUICK, epochs=1), out)
    assert set(run.metrics["test"]) == {"accuracy", "mcc"}
