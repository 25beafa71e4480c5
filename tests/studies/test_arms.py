"""Trials: what is done is not done again, and what was interrupted goes on to the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sesstore.errors import InputError, StoppedError
from sesstore.jobs.inputs import Inputs
from sesstore.progress import SILENT
from sesstore.store import Store
from sesstore.studies import arms
from sesstore.studies.arms import Arm, Trial, file_name, train_trial
from sesstore.training.runs import RECORD, Run

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


def test_what_a_trial_gives_its_training(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens where any arm reads them, compositions, a member each arm and seed in its folder."""
    calls = []
    monkeypatch.setattr(arms, "fit_unless_done", lambda *args, **kw: calls.append((args, kw)))
    monkeypatch.setattr(Run, "load", lambda path: path)
    notes: list[str] = []
    progress = SimpleNamespace(note=notes.append)
    inputs = replace(trial.inputs, compositions=object())
    trial = replace(trial, name="a, b", inputs=inputs, fit=replace(FIT, seed=5), seeds=3)
    runs = train_trial(trial, tmp_path, progress=progress)
    ((task, embeddings, tokens, members, out), options) = calls[0]
    assert (task, embeddings, tokens) == (inputs.task, inputs.embeddings, inputs.tokens)
    assert options["compositions"] is inputs.compositions
    assert options["progress"] is progress
    assert out == tmp_path / "a,b"
    folders = {
        name: [out / file_name(name) / f"seed-{seed}" for seed in (5, 6, 7)] for name in KINDS
    }
    assert runs == folders
    assert [member.out for member in members] == [f for group in folders.values() for f in group]
    assert [member.config.seed for member in members] == [5, 6, 7] * 2
    assert [member.adapter.alphabets for member in members] == [()] * 3 + [("dssp",)] * 3
    assert notes == ["a, b: 6 adapters on one stream"]
    for group in folders.values():
        for folder in group:
            folder.mkdir(parents=True)
            (folder / RECORD).write_text("{}")
    train_trial(replace(trial, arms=trial.arms[:1]), tmp_path, progress=progress)
    assert calls[1][0][2] is None  # no arm reads tokens
    assert len(notes) == 1  # all is done: there is no stream


def test_the_parameters_of_an_arm_are_those_of_its_adapter(trial: Trial) -> None:
    plain, tokens = (arms.parameter_count(trial.inputs, arm) for arm in trial.arms)
    assert 0 < plain < tokens
    wide = replace(trial.arms[0], adapter={**ADAPTER, "alphabets": (), "width": 16})
    dim = trial.inputs.embeddings.dim
    assert arms.parameter_count(trial.inputs, wide) - plain > 8 * dim
