"""Trials: what is done is not done again, and what was interrupted goes on to the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.errors import InputError, StoppedError
from sesstore.jobs.inputs import Inputs
from sesstore.progress import SILENT
from sesstore.store import Store
from sesstore.studies import arms
from sesstore.studies.arms import Arm, Trial, file_name, train_trial
from sesstore.training.runs import RECORD

from .conftest import ADAPTER, FIT


class StopsAt:
    """A request to stop, after some questions."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __enter__(self) -> StopsAt:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture
def trial(store: Store) -> Trial:
    inputs = Inputs(store.task("toy"), store.embeddings("blosum62"), store.tokens("alphafold2"))
    made = [Arm(name, {}, {**ADAPTER, "alphabets": kinds}) for name, kinds in KINDS.items()]
    return Trial("one stream", inputs, made, FIT, 2)


KINDS = {"none": (), "with dssp": ("dssp",)}


def test_an_interrupted_trial_ends_as_if_it_had_not_been(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_trial(trial, tmp_path / "whole", progress=SILENT)
    with monkeypatch.context() as patch:
        patch.setattr(arms, "stop_requests", lambda: StopsAt(1))
        with pytest.raises(StoppedError, match="all is saved in"):
            train_trial(trial, tmp_path / "cut")
    assert not list((tmp_path / "cut").rglob(RECORD))
    again = train_trial(trial, tmp_path / "cut")
    for name, runs in whole.items():
        assert [run.metrics for run in runs] == [run.metrics for run in again[name]]
        for one, other in zip(runs, again[name], strict=True):
            weights = "best.safetensors"
            assert (one.path / weights).read_bytes() == (other.path / weights).read_bytes()


def test_runs_cut_off_while_they_were_written_are_written_again(
    trial: Trial, tmp_path: Path
) -> None:
    first = train_trial(trial, tmp_path)
    lost = first["with dssp"][1].path
    (lost / RECORD).unlink()
    again = train_trial(trial, tmp_path)
    assert (lost / RECORD).is_file()
    assert [r.metrics for r in again["with dssp"]] == [r.metrics for r in first["with dssp"]]


def test_names(trial: Trial, tmp_path: Path) -> None:
    assert file_name("alphafold2, noise 0.5 at test") == "alphafold2,noise-0.5-at-test"
    twice = Trial("x", trial.inputs, [trial.arms[0]] * 2, FIT, 1)
    with pytest.raises(InputError, match="one name"):
        train_trial(twice, tmp_path)
