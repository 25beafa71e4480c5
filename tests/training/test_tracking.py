from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import InputError, MissingExtraError
from sesstore.training.fit import Member, fit_many
from sesstore.training.fit_config import FitConfig
from sesstore.training.tracking import NO_TRACKER, Tracker, tracker

ENTRY = {
    "epoch": 3, "loss": 0.5, "seconds": 1.0, "tokens_per_second": 9.0, "wait_share": 0.0,
    "valid": {"accuracy": 0.75}, "best": True,
}  # fmt: skip


def test_tensorboard_has_what_was_sent(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with tracker("tensorboard", "toy", tmp_path) as to:
        to.epoch("", ENTRY)
        to.epoch("seed-1", ENTRY)
    found = events.EventAccumulator(str(next(tmp_path.rglob("events*")).parent))
    found.Reload()
    for name, value in {"loss": 0.5, "valid/accuracy": 0.75, "seed-1/loss": 0.5}.items():
        (event,) = found.Scalars(name)
        assert (event.step, event.value) == (3, value)


def test_nothing_is_sent_unless_asked(tmp_path: Path) -> None:
    with tracker(None, "toy", tmp_path) as to:
        assert to is NO_TRACKER
        to.epoch("", ENTRY)
    assert not list(tmp_path.iterdir())


class Noting:
    """A tracker that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[object, ...]] = []

    def settings(self, name: str, values) -> None:
        self.sent.append(("settings", name, values["lr"], values["pooling"]))

    def epoch(self, name: str, entry) -> None:
        self.sent.append(("epoch", name, entry["epoch"], entry["loss"]))

    def scores(self, name: str, run) -> None:
        self.sent.append(("scores", name, run.metrics))


def test_each_member_sends_its_own(taught, tmp_path: Path) -> None:
    shape = AdapterConfig(16, 3, heads=2)
    members = [
        Member(shape, FitConfig(lr=0.0005, epochs=2), tmp_path / "a"),
        Member(replace(shape, pooling="mean"), FitConfig(epochs=1, lr=0.125), tmp_path / "b"),
    ]
    to = Noting()
    data = (taught.task(), taught.embeddings, taught.tokens)
    one, other = fit_many(*data, members, tmp_path, tracker=to)
    assert to.sent[:2] == [("settings", "a", 5e-4, "attention1d"), ("settings", "b", 0.125, "mean")]
    assert sorted(to.sent[2:5]) == sorted(
        ("epoch", name, entry["epoch"], entry["loss"])
        for name, run in (("a", one), ("b", other))
        for entry in run.history
    )
    assert to.sent[5:] == [("scores", "a", one.metrics), ("scores", "b", other.metrics)]


def test_best_scores_stand_at_the_last_epoch_however_few_were_checked() -> None:
    to = SimpleNamespace(sent=[])
    to.log = lambda values, step: to.sent.append((values, step))
    run = SimpleNamespace(
        metrics={"valid": {"mcc": 0.5}, "test": {"mcc": 0.25}},
        history=[{"epoch": 0}, {"epoch": 3}, {"epoch": 6}],
    )
    Tracker(to).scores("a", run)
    assert to.sent == [({"a/best/valid/mcc": 0.5, "a/best/test/mcc": 0.25}, 6)]


def test_unknown_and_missing_trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(InputError, match="tensorboard, wandb, trackio"),
        tracker("x", "t", tmp_path),
    ):
        pass
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    pytest.importorskip("accelerate")
    with (
        pytest.raises(InputError, match="pip install wandb"),
        tracker("wandb", "toy", tmp_path),
    ):
        pass
    monkeypatch.setitem(sys.modules, "accelerate.tracking", None)
    with (
        pytest.raises(MissingExtraError, match=r"sesstore\[track\]"),
        tracker("tensorboard", "toy", tmp_path),
    ):
        pass


def test_a_training_sends_settings_epochs_and_scores(taught, out: Path) -> None:
    pytest.importorskip("accelerate")
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    members = [Member(AdapterConfig(16, 3, heads=2), FitConfig(lr=0.0005, epochs=2), out)]
    data = (taught.task(), taught.embeddings, taught.tokens)
    with tracker("tensorboard", "toy", out / "tracked") as to:
        (run,) = fit_many(*data, members, out, tracker=to)
    (main,) = (out / "tracked" / "toy").glob("events*")
    found = events.EventAccumulator(str(main))
    found.Reload()
    assert [e.step for e in found.Scalars("loss")] == [1, 2]
    (last,) = found.Scalars("best/test/accuracy")
    assert last.value == pytest.approx(run.metrics["test"]["accuracy"])
    assert last.step == len(run.history) == 2
    (settings,) = (out / "tracked").rglob("hparams.yml")
    assert "lr: 0.0005" in settings.read_text()
