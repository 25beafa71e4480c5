"""What a job of training is given arrives at the training, in its place."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.jobs.cluster.connection import Cluster
from sesstore.jobs.cluster.ray_sweep import Trial, TrialOrder, TrialWorker, fit_on_ray, sweep_on_ray
from sesstore.jobs.training.crossvalidation import cross_validate
from sesstore.jobs.training.search import search
from sesstore.jobs.training.sweep import sweep
from sesstore.jobs.training.train import train
from sesstore.training.fit import Member
from sesstore.training.fit_config import FitConfig

from ...calls import record


def named(name: str, **facts: Any) -> Any:
    return SimpleNamespace(name=name, **facts)


TASK = named(
    "task",
    n_outputs=2,
    problem=SimpleNamespace(per_residue=False),
    monitor="mae",
    data_digest="data",
    splits={},
)
PRINT = SimpleNamespace(fingerprint=SimpleNamespace(digest="encoder"))
INPUTS = named(
    "inputs",
    task=TASK,
    embeddings=named("embeddings", dim=8, provenance=PRINT),
    tokens=named("tokens", source="pdb"),
    alphabets=("dssp",),
    compositions=named("compositions"),
)
PROGRESS = named("progress", note=lambda text: None)
ADAPTER: dict[str, Any] = {"heads": 2, "alphabets": ("dssp",)}
SHAPE = {"dim": 8, "n_outputs": 2, "heads": 2, "alphabets": ["dssp"]}
READ = {"embeddings": "embeddings", "tokens": "tokens", "compositions": "compositions"}
STREAM = {"task": "task", **READ, "resume": True, "stop": "function"}
ROOM = "jobs.training"


def members(folder: str, *seeds: int, **config: Any) -> list[dict[str, Any]]:
    return [
        {"adapter": SHAPE, "config": {"seed": seed, **config}, "out": f"{folder}/seed-{seed}"}
        for seed in seeds
    ]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("track", [None, "tensorboard"])
@pytest.mark.parametrize("alphabets", [("dssp",), ()])
def test_train(track: str | None, alphabets: tuple[str, ...], monkeypatch) -> None:
    where = f"{ROOM}.train"
    names = [f"{where}.{name}" for name in ("check_folder", "tracker", "fit_many")]
    calls = record(monkeypatch, names, {names[1]: nullcontext("tracker")})
    adapter, config = {**ADAPTER, "alphabets": alphabets}, FitConfig(seed=3)
    out = Path("o")
    with pytest.raises(SystemExit):
        train(
            INPUTS, adapter, config, seeds=2, out=out, resume=True, track=track, progress=PROGRESS
        )
    folder, followed, fitted = (calls[name][0] for name in names)
    assert folder == {"folder": "o", "resume": True}
    assert list(followed.values()) == [track, "task", "o/tracked"]
    expected = members("o", 3, 4)
    for member in expected:
        member["adapter"] = {**SHAPE, "alphabets": list(alphabets)}
    assert fitted == {
        **STREAM, "members": expected, "out": "o", "progress": "progress", "ranks": {},
        "tracker": "tracker", "tokens": "tokens" if alphabets else None,
    }  # fmt: skip


def test_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{ROOM}.sweep.{name}" for name in ("tracker", "fit_many")]
    calls = record(monkeypatch, names, {names[0]: nullcontext("tracker")})
    grid = {"lr": (0.1, 0.2)}
    with pytest.raises(SystemExit):
        sweep(
            INPUTS, grid, ADAPTER, FitConfig(seed=3), seeds=2, out=Path("o"), resume=True,
            track="tensorboard", progress=PROGRESS,
        )  # fmt: skip
    (followed,), (fitted,) = (calls[name] for name in names)
    assert list(followed.values()) == ["tensorboard", "task", "o/tracked"]
    expected = [*members("o/lr=0.1", 3, 4, lr=0.1), *members("o/lr=0.2", 3, 4, lr=0.2)]
    assert fitted == {
        **STREAM, "members": expected, "out": "o", "progress": "progress", "ranks": {},
        "tracker": "tracker",
    }  # fmt: skip


def test_search(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    calls = record(monkeypatch, [f"{ROOM}.search.fit_many"], {})
    with pytest.raises(SystemExit):
        search(
            INPUTS, {"lr": (0.1,)}, ADAPTER, FitConfig(seed=3), trials=2, seeds=2, out=Path("o"),
            resume=True, progress=PROGRESS,
        )  # fmt: skip
    ((fitted,),) = calls.values()
    expected = [member for n in (0, 1) for member in members(f"o/trial-00{n}", 3, 4, lr=0.1)]
    assert fitted == {**STREAM, "members": expected, "out": "o", "progress": "progress"}


def test_cross_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [named("part", splits={}), named("other", splits={})]
    cut = SimpleNamespace(note="", tasks=parts, rows_task=named("all", splits={}))
    where = f"{ROOM}.crossvalidation"
    check, fold, fit, lengths, last, keep = names = [
        f"{where}.{name}"
        for name in (
            "check_folder", "_folds_of", "fit_unless_done", "train_lengths", "last_epoch",
            "keep_training_set",
        )
    ]  # fmt: skip
    answers = {fold: cut, fit: ["run"], lengths: np.array([5, 6]), last: 4}
    calls = record(monkeypatch, names, answers)
    with pytest.raises(SystemExit):
        cross_validate(
            named("store"), INPUTS, ADAPTER, FitConfig(seed=3), 2, seeds=2, out=Path("o"),
            resume=True, progress=PROGRESS,
        )  # fmt: skip
    assert calls[check] == [{"folder": "o", "resume": True}]
    (begun,) = calls[fold]
    assert (begun["folder"], begun["store"], begun["task"]) == ("o", "store", "task")
    settings = begun["settings"]
    assert (settings["folds"], settings["seeds"], settings["data"]) == (2, 2, "data")
    assert (settings["encoder"], settings["source"]) == ("encoder", "pdb")
    assert (settings["adapter"]["heads"], settings["fit"]["seed"]) == (2, 3)
    how = {**READ, "stop": "function", "progress": "_LineByTraining", "ranks": {}}
    assert calls[fit] == [
        {**how, "task": "part", "members": members("o/fold-1", 3, 4), "out": "o/fold-1"},
        {**how, "task": "other", "members": members("o/fold-2", 3, 4), "out": "o/fold-2"},
        {**how, "task": "all", "members": members("o", 3, 4, stop_after=4), "out": "o"},
    ]
    assert calls[lengths] == [{"task": "all", "embeddings": "embeddings"}]
    assert calls[last][0]["runs"] == ["run", "run"]
    assert calls[keep] == [{"folder": "o", "task": "all", "embeddings": "embeddings"}]


def trial() -> Trial:
    shape = AdapterConfig(dim=8, n_outputs=2, heads=2, alphabets=("dssp",))
    return Trial([Member(shape, FitConfig(seed=3), Path("o/seed-3"))], Path("o"))


def test_a_worker_of_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    where = "jobs.cluster.ray_sweep"
    calls = record(monkeypatch, [f"{where}.fit_many"], {})
    order = TrialOrder(TASK, Path("e"), named("provenance"), Path("t"), INPUTS.compositions)
    worker = TrialWorker(order)
    monkeypatch.setattr(f"sesstore.{where}.Embeddings", lambda *named: INPUTS.embeddings)
    monkeypatch.setattr(f"sesstore.{where}.Tokens", lambda *named: INPUTS.tokens)
    worker.prepare()
    with pytest.raises(SystemExit):
        worker.work(0, trial(), True)
    ((fitted,),) = calls.values()
    expected = {**STREAM, "members": members("o", 3), "out": "o"}
    assert fitted == {**expected, "stop": "method"}


def test_a_sweep_on_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    where = "jobs.cluster.ray_sweep"
    cluster = Cluster("auto", 3)
    plain = {"ray": "ray", "cluster": {"address": "auto", "workers": 3}, "inputs": "inputs"}
    with monkeypatch.context() as patch:
        calls = record(patch, [f"{where}.check_fit", f"{where}._train"], {})
        with pytest.raises(SystemExit):
            fit_on_ray("ray", cluster, INPUTS, [trial()], progress=PROGRESS)
        check, worked = (calls[name][0] for name in calls)
        assert list(check.values()) == ["task", SHAPE, "tokens", "o/seed-3"]
        of_trial = {"members": members("o", 3), "out": "o"}
        assert worked == {**plain, "trials": [of_trial], "resume": False, "progress": "progress"}
    calls = record(monkeypatch, [f"{where}.fit_on_ray"], {})
    with pytest.raises(SystemExit):
        sweep_on_ray(
            "ray", cluster, INPUTS, {"lr": (0.1,)}, ADAPTER, FitConfig(seed=3), seeds=2,
            out=Path("o"), resume=True, progress=PROGRESS,
        )  # fmt: skip
    ((fitted,),) = calls.values()
    of_trial = {"members": members("o/lr=0.1", 3, 4, lr=0.1), "out": "o/lr=0.1"}
    assert fitted == {**plain, "trials": [of_trial], "resume": True, "progress": "progress"}
