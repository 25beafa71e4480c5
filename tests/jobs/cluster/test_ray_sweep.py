"""Trials of a sweep on workers: real trainings, in this process."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import ClusterError, InputError, StoppedError
from sesstore.jobs.cluster import ray_sweep
from sesstore.jobs.cluster.connection import Cluster
from sesstore.jobs.cluster.ray_sweep import Trial, TrialWorker, fit_on_ray
from sesstore.jobs.cluster.work_items import WorkItem
from sesstore.jobs.cluster.work_queue import WorkQueue
from sesstore.jobs.inputs import Inputs
from sesstore.training.fit import Member
from sesstore.training.fit_config import FitConfig
from sesstore.training.runs import STATE, Run

from ..conftest import Seeded

CONFIG = FitConfig(epochs=2, batch_tokens=300, lr=5e-3, device="cpu")


@pytest.fixture
def inputs(seeded: Seeded) -> Inputs:
    store = seeded.store
    return Inputs(seeded.task, store.embeddings(), store.tokens("alphafold2"), ("dssp",))


def trial(out: Path, *seeds: int, **config: Any) -> Trial:
    shape = AdapterConfig(dim=24, n_outputs=2, alphabets=("dssp",), heads=2, width=8, head="paper")
    members = [
        Member(shape, replace(CONFIG, seed=seed, **config), out / f"seed-{seed}") for seed in seeds
    ]
    return Trial(members, out)


def worker(inputs: Inputs) -> TrialWorker:
    made = TrialWorker(ray_sweep._order(inputs))
    made.prepare()
    return made


def records(out: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in out.glob("seed-*/run.json")}


def test_a_trial_is_trained_once_and_again_where_a_worker_died_writing(inputs, tmp_path) -> None:
    work = trial(tmp_path, 3, 4)
    assert not work.is_trained
    outcome = worker(inputs).work(5, work, False)
    assert (outcome.complete, outcome.committed) == (True, [5])
    before = records(tmp_path)
    assert set(before) == {"seed-3", "seed-4"}
    assert {Run.load(tmp_path / name).source for name in before} == {"alphafold2"}
    assert worker(inputs).work(6, work, False).committed == [6]
    assert records(tmp_path) == before
    metrics = Run.load(tmp_path / "seed-4").metrics
    (tmp_path / "seed-4" / "run.json").unlink()
    assert not work.is_trained
    assert worker(inputs).work(7, work, False).committed == [7]
    assert Run.load(tmp_path / "seed-4").metrics == metrics
    assert records(tmp_path)["seed-3"] != before["seed-3"]  # it was trained with it, at its time


def test_a_trial_that_is_stopped_goes_on_elsewhere(inputs, tmp_path) -> None:
    whole, cut = trial(tmp_path / "whole", 3), trial(tmp_path / "cut", 3)
    worker(inputs).work(0, whole, False)
    stopped = worker(inputs)
    stopped.stop()
    outcome = stopped.work(0, cut, False)
    assert (outcome.complete, outcome.committed) == (False, [])
    assert (tmp_path / "cut" / STATE).exists()
    assert worker(inputs).work(0, cut, True).complete
    runs = [Run.load(folder / "seed-3") for folder in (whole.out, cut.out)]
    assert runs[0].metrics == runs[1].metrics
    assert [run.config["fit"]["epochs"] for run in runs] == [2, 2]


def test_workers_find_everything_from_another_folder(inputs, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (member,) = trial(Path("o"), 3).absolute().members
    assert member.out == tmp_path / "o" / "seed-3"
    assert trial(Path("o"), 3).absolute().out == tmp_path / "o"
    order = ray_sweep._order(inputs)
    assert order.embeddings.is_absolute()
    assert order.tokens is not None
    assert order.tokens.is_absolute()
    assert ray_sweep._order(replace(inputs, tokens=None)).tokens is None


@pytest.fixture
def hired(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, float], int]]:
    """What workers were hired with and how many, who are real and work in this process."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3]))
    simulated = importlib.import_module("benchmarks.simulated_pool")
    hires: list[tuple[dict[str, float], int]] = []

    def pool(ray, kind, order, needs, size):
        hires.append((needs, size()))
        return simulated.SimulatedPool([kind(order) for _ in range(size())], 0)

    monkeypatch.setattr(ray_sweep, "WorkerPool", pool)
    return hires


def package(**resources: float) -> Any:
    return SimpleNamespace(cluster_resources=lambda: resources)


def test_runs_come_in_the_order_of_trials_and_what_is_done_stays(inputs, tmp_path, hired) -> None:
    trials = [trial(tmp_path / name, *seeds) for name, seeds in (("b", (5, 3)), ("a", (4,)))]
    ray = package(CPU=9.0, GPU=1.0)
    runs = fit_on_ray(ray, Cluster(threads=2), inputs, trials)
    names = [str(run.path.relative_to(tmp_path)) for run in runs]
    assert names == ["b/seed-5", "b/seed-3", "a/seed-4"]
    assert [run.config["fit"]["seed"] for run in runs] == [5, 3, 4]
    assert hired == [({"num_cpus": 2}, 2)]  # no more workers than trials; none takes a GPU
    before = records(tmp_path / "b")
    again = [*trials, trial(tmp_path / "c", 6)]
    with pytest.raises(InputError, match="holds a run already"):
        fit_on_ray(ray, Cluster(), inputs, again)
    assert not (tmp_path / "c").exists()
    runs = fit_on_ray(ray, Cluster(), inputs, again, resume=True)
    assert [run.config["fit"]["seed"] for run in runs] == [5, 3, 4, 6]
    assert hired[1:] == [({"num_cpus": 1}, 1)]
    assert records(tmp_path / "b") == before


def test_a_sweep_goes_on_with_the_settings_it_began_with(inputs, tmp_path, hired) -> None:
    fit_on_ray(package(CPU=1.0), Cluster(), inputs, [trial(tmp_path, 3)])
    begun = trial(tmp_path, 3, lr=0.1)
    with pytest.raises(InputError, match=r"other settings: fit\.lr \(0\.005 then, 0\.1 now\)"):
        fit_on_ray(package(CPU=1.0), Cluster(), inputs, [begun], resume=True)
    other = replace(inputs, tokens=SimpleNamespace(source="esmfold"))
    with pytest.raises(InputError, match=r'source \("alphafold2" then, "esmfold" now\)'):
        fit_on_ray(package(CPU=1.0), Cluster(), other, [trial(tmp_path, 3)], resume=True)


@pytest.mark.parametrize(
    ("device", "needs"),
    [(None, {"num_gpus": 1}), ("cuda", {"num_gpus": 1}), ("cpu", {"num_cpus": 1})],
)
def test_trials_take_gpus_where_there_are_any(
    inputs, tmp_path, monkeypatch: pytest.MonkeyPatch, device, needs
) -> None:
    def pool(ray, kind, order, hired_with, size):
        assert (hired_with, size()) == (needs, 1)
        raise SystemExit

    monkeypatch.setattr(ray_sweep, "WorkerPool", pool)
    work = [trial(tmp_path, 3, device=device)]
    with pytest.raises(SystemExit):
        fit_on_ray(package(CPU=1.0, GPU=4.0), Cluster(), inputs, work)


def test_what_is_not_trained_is_said(tmp_path: Path) -> None:
    queue = WorkQueue([WorkItem([trial(tmp_path / name, 3)], 1, 1.0) for name in ("a", "b")])
    queue.take(1, 0.0)
    queue.mark_done(1, 1.0)
    with pytest.raises(StoppedError, match="stopped by SIGTERM: 1 settings are trained"):
        ray_sweep._check_done(queue, "SIGTERM")
    queue.settle([0])
    while queue.take(2, 0.0):
        queue.lose(2)
    with pytest.raises(ClusterError, match="whenever they trained 'b'"):
        ray_sweep._check_done(queue, None)
