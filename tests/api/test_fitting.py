"""Training from Python: settings, folds, what was interrupted."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

import sesstore
from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import (
    InputError,
    StoppedError,
    UnknownNameError,
)
from sesstore.studies.study_settings import StudySettings

from .conftest import COUNT


def test_cross_validation_and_simple_models(taught, tmp_path: Path) -> None:
    store, out = taught[0], tmp_path / "run"
    settings = {"structure": (), "epochs": 1, "heads": 2, "width": 8}
    run = sesstore.train(store, "helix", folds=3, out=out, **settings)
    assert set(run.metrics) == {"out-of-fold"}
    report = run.baselines()
    assert report.split == "out-of-fold"
    assert set(report.metrics) == {"trivial", "sequence", "linear"}
    # The record stays beside the run.
    assert sesstore.load_run(out).baselines().sentence == report.sentence
    (measured,) = run.evaluate()
    assert measured.rows == COUNT
    assert measured.metrics["auroc"] == run.metrics["out-of-fold"]["auroc"]
    # Two of three test proteins or so decide nothing, and that is said.
    assert "small_splits" in {caution.what for caution in taught[1].cautions}
    with pytest.raises(InputError, match="which store"):
        sesstore.load_run(taught[1].path).baselines()


def test_one_alphabet_may_be_a_text(taught, tmp_path: Path) -> None:
    store, _ = taught
    settings = {"epochs": 1, "heads": 2, "width": 8}
    one = sesstore.train(store, "helix", structure="foldseek", out=tmp_path / "one", **settings)
    assert one.runs[0].config["adapter"]["alphabets"] == ["foldseek"]
    none = sesstore.train(store, "helix", structure="none", out=tmp_path / "none", **settings)
    assert none.runs[0].config["adapter"]["alphabets"] == []
    with pytest.raises(UnknownNameError, match="Did you mean 'foldseek'"):
        sesstore.train(store, "helix", structure="foldsek")
    assert AdapterConfig(dim=8, n_outputs=2, alphabets="dssp", heads=2).alphabets == ("dssp",)
    assert StudySettings("helix", sources="pdb").sources == ("pdb",)


class Stopping:
    """Progress that sends this process SIGTERM after its first batch."""

    def note(self, *text: str, **figures: str) -> None:
        """Nothing is said."""

    show = row = note

    def stage(self, name: str, total: int | None, unit: str) -> nullcontext[Stopping]:
        return nullcontext(self)

    def advance(self, amount: int = 1) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("folds", [None, 3])
def test_a_stopped_training_goes_on_if_asked(taught, tmp_path: Path, folds: int | None) -> None:
    store = taught[0]
    stopping = sesstore.OpenStore(store.store, Stopping())
    settings = {"structure": (), "heads": 2, "width": 8, "epochs": 2, "folds": folds}
    with pytest.raises(StoppedError):
        sesstore.train(stopping, "helix", out=tmp_path, **settings)
    with pytest.raises(InputError, match="interrupted"):
        sesstore.train(store, "helix", out=tmp_path, **settings)
    run = sesstore.train(store, "helix", out=tmp_path, resume=True, **settings)
    assert run.runs[0].history[-1]["epoch"] > 0
