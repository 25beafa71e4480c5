from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.adapter.model import AdapterConfig
from sesstore.errors import InputError, StoppedError, TrainingError
from sesstore.tasks import Problem, Split
from sesstore.training.checkpoint import STATE, load_adapter
from sesstore.training.fit import FitConfig, Member, check_fit, fit, fit_many
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
    config = replace(QUICK, epochs=12, patience=12)
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


def test_threads_do_not_change_a_bit(taught, tmp_path) -> None:
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


def stopping_after(batches: int):
    asked = iter(range(batches + 1))

    def stop() -> bool:
        return next(asked, None) == batches - 1

    return stop


@pytest.mark.parametrize("after", [1, 2, 3, 5, 6, 7, 9, 11, 13, 16])
def test_interrupted_and_resumed_is_bit_identical(taught, tmp_path, whole_run, after) -> None:
    args = (taught.task(), taught.embeddings, taught.tokens, SHAPE, QUICK, tmp_path / "run")
    with pytest.raises(StoppedError, match="--resume"):
        fit(*args, stop=stopping_after(after))
    assert (tmp_path / "run" / STATE).is_file()
    assert not (tmp_path / "run" / "run.json").exists()
    resumed = fit(*args, resume=True)
    assert same(whole_run, resumed)
    assert [e["loss"] for e in resumed.history] == [e["loss"] for e in whole_run.history]
    assert resumed.metrics == whole_run.metrics


@pytest.fixture(scope="module")
def whole_run(taught, tmp_path_factory) -> Run:
    out = tmp_path_factory.mktemp("whole") / "run"
    return fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, QUICK, out)


def test_resuming_with_other_settings_is_refused(taught, out) -> None:
    args = (taught.task(), taught.embeddings, taught.tokens, SHAPE)
    with pytest.raises(StoppedError):
        fit(*args, QUICK, out, stop=stopping_after(2))
    with pytest.raises(InputError, match="other settings"):
        fit(*args, replace(QUICK, lr=1e-4), out, resume=True)


def test_one_stream_gives_what_each_alone_gives(taught, tmp_path) -> None:
    shapes = [
        SHAPE,
        AdapterConfig(16, 3, (), pooling="mean"),
        AdapterConfig(16, 3, ("dssp",), heads=4, pooling="light_attention"),
    ]
    configs = [QUICK, replace(QUICK, lr=1e-3, epochs=2), replace(QUICK, clip=0.5)]
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
    assert len(together[1].history) == 2
    assert together[1].source is None
    assert together[1].coverage["train"]["unmasked"] == {}


def test_members_share_one_stream(taught, tmp_path) -> None:
    members = [
        Member(SHAPE, QUICK, tmp_path / "a"),
        Member(SHAPE, replace(QUICK, batch_tokens=99), tmp_path / "b"),
    ]
    with pytest.raises(InputError, match="batch_tokens"):
        fit_many(taught.task(), taught.embeddings, taught.tokens, members, tmp_path)


def test_residencies_give_the_same_bits(taught, tmp_path) -> None:
    runs = []
    for residency in ("ram", "disk"):
        config = replace(QUICK, residency=residency, epochs=2)
        args = (taught.task(), taught.embeddings, taught.tokens, SHAPE, config)
        runs.append(fit(*args, tmp_path / residency))
    assert same(*runs)


def test_early_stopping_keeps_the_best_epoch(taught, out) -> None:
    config = replace(QUICK, epochs=40, patience=2)
    run = fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, config, out)
    assert len(run.history) < 40
    assert len(run.history) == run.best_epoch + 2
    best = max(entry["valid"]["accuracy"] for entry in run.history)
    assert run.metrics["valid"]["accuracy"] == best


def test_the_record_tells_everything(taught, out) -> None:
    fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, QUICK, out)
    run = Run.load(out)
    assert run.config["fit"]["lr"] == 3e-3
    assert run.config["adapter"]["heads"] == 4
    assert run.fingerprint == taught.embeddings.provenance.fingerprint
    assert run.task["data_digest"] == taught.task().data_digest
    assert run.coverage["train"]["with_tokens"] == 36
    assert run.source == "alphafold2"
    assert 0 <= run.timings["wait_share"] <= 1
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


@pytest.mark.parametrize(
    "wrong", [{"lr": 0}, {"schedule": "linear"}, {"warmup": 1.0}, {"clip": -1}, {"epochs": 0}]
)
def test_refuses_impossible_settings(wrong) -> None:
    with pytest.raises(InputError):
        FitConfig(**wrong)


def test_unknown_device_and_residency(taught, out) -> None:
    args = (taught.task(), taught.embeddings, taught.tokens, SHAPE)
    with pytest.raises(InputError, match="not at hand"):
        fit(*args, replace(QUICK, device="tpu9"), out)
    with pytest.raises(InputError, match="residency"):
        fit(*args, replace(QUICK, residency="tape"), out)


def test_cosine_rises_then_falls_to_zero() -> None:
    config = FitConfig(lr=1.0, schedule="cosine", warmup=0.2)
    assert config.rate(0.1) == pytest.approx(0.5)
    assert config.rate(0.2) == pytest.approx(1.0)
    assert config.rate(0.6) == pytest.approx(0.5)
    assert config.rate(1.0) == pytest.approx(0.0)
    assert FitConfig(lr=0.3, schedule="constant").rate(0.99) == 0.3


def test_data_beyond_memory_are_shuffled_by_blocks(taught, out, monkeypatch) -> None:
    from sesstore.training import trainer

    monkeypatch.setattr(trainer, "free_memory", lambda device: {"ram": 10})
    stream = trainer.Stream(
        taught.task(), taught.embeddings, taught.tokens, FitConfig(), (), torch.device("cpu")
    )
    assert (stream.residency, stream.blockwise) == ("disk", True)
    segments, starts, _ = taught.embeddings.locate(stream.data["train"].rows)
    by_place = np.argsort(stream.data["train"].places)
    pairs = list(zip(segments[by_place].tolist(), starts[by_place].tolist(), strict=True))
    assert pairs == sorted(pairs)
    run = fit(
        taught.task(), taught.embeddings, taught.tokens, AdapterConfig(16, 3, heads=2),
        FitConfig(epochs=2), out,
    )  # fmt: skip
    assert len(run.history) == 2
