"""Every argument of a notebook's function arrives at the job it stands for, in its place."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sesstore
from sesstore.api import fitting
from sesstore.datasets.user_data import UserData
from sesstore.store import Store

from ..calls import record

INPUTS = SimpleNamespace(name="inputs", alphabets=("dssp",))
PLAN = SimpleNamespace(
    name="plan", loaded="loaded", plm="near", folds=0, out=Path("o"), source="pdb", commands=()
)
ANSWERS: dict[str, Any] = {
    "jobs.add.load": "loaded",
    "jobs.proteinfiles.checked_proteins": ["protein"],
    "encoders.registry.load": SimpleNamespace(name="encoder"),
    "jobs.training.train.prepare": INPUTS,
    "api.fitting.plan_fit": PLAN,
    "api.fitting.train_plan": SimpleNamespace(run="o"),
}
ADD, EMBED, FIT = "jobs.add.add", "jobs.embed_store.embed_store", "api.fitting.plan_fit"
CHECK, PREPARE = "jobs.inputs.check_training", "jobs.training.train.prepare"
FOLDS, TRAIN = "jobs.training.crossvalidation.cross_validate", "jobs.training.train.train"
STORE: dict[str, Any] = {"store": "store store"}
BOTH = {**STORE, "progress": "progress"}
WANTED = {"plm": "near", "alphabets": ["dssp"], "source": "pdb"}
TASK = {**STORE, "task_name": "task", **WANTED}
HALF = {**TASK, "precision": "bf16"}
HOW = {
    "plm": "near", "precision": "bf16", "structure": "dssp", "source": "pdb", "seeds": 2,
    "out": "o", "resume": True,
}  # fmt: skip
PLACE = {"seeds": 2, "out": "o", "resume": True, "progress": "progress"}
ADAPTER = {"heads": 2, "alphabets": ["dssp"]}
LOAD = {"weights": "w.pt", "device": "cpu", "layers": "6", "precision": "bf16"}
STORED = {"long": "nterm", "dtype": "int8", "source": "pdb", "min_plddt": 61}
OWN, MINE = UserData(name="mine"), {"name": "mine"}
NOTE = type(print).__name__


def planned(folds: int) -> fitting.FitPlan:
    loaded: Any = SimpleNamespace(task=SimpleNamespace(name="task"))
    return fitting.FitPlan(loaded, "near", folds, Path("o"), "pdb", ())


CASES: list[tuple[str, Callable[[sesstore.OpenStore], Any], dict[str, dict[str, Any]]]] = [
    (
        "add a file",
        lambda s: s.add("a.csv", data="d", source="pdb", replacing=True, allow_partial=True),
        {
            "jobs.add.load": {
                "name_or_path": "a.csv", "data": "d", "source": "pdb", "allow_partial": True
            },
            ADD: {**BOTH, "loaded": "loaded", "replacing": True},
        },
    ),
    (
        "add a file plainly",
        lambda s: s.add(Path("a.csv")),
        {
            "jobs.add.load": {"name_or_path": "a.csv", "data": None, "source": None},
            ADD: {**BOTH, "loaded": "loaded", "replacing": False},
        },
    ),
    (
        "add proteins",
        lambda s: s.add({"a": "MKV"}),
        {ADD: {**BOTH, "loaded": [{"id": "a", "sequence": "MKV"}]}},
    ),
    (
        "tokenize",
        lambda s: s.tokenize(["a.pdb", Path("b.pdb")], "pdb", dssp="mkdssp"),
        {
            "jobs.tokenizing.tokenize.tokenize": {
                **BOTH, "paths": ["a.pdb", "b.pdb"], "source": "pdb", "dssp": "mkdssp"
            }
        },
    ),
    (
        "tokenize a file",
        lambda s: s.tokenize("a.pdb", "pdb"),
        {
            "jobs.tokenizing.tokenize.tokenize": {
                **BOTH, "paths": ["a.pdb"], "source": "pdb", "dssp": "mdtraj"
            }
        },
    ),
    (
        "embed means of a file",
        lambda s: s.embed("near", "a.fasta", means=True, **LOAD),
        {
            "jobs.proteinfiles.checked_proteins": {**STORE, "names": ["a.fasta"], "warn": NOTE},
            EMBED: {
                **BOTH, "settings": {"plm": "near", "means": True, **LOAD}, "proteins": ["protein"]
            },
        },
    ),
    (
        "embed sequences",
        lambda s: s.embed("near", ["MKV"], **STORED),
        {
            EMBED: {
                **BOTH, "settings": {"plm": "near", **STORED},
                "proteins": [{"id": "seq1", "sequence": "MKV"}],
            },
        },
    ),
    (
        "search",
        lambda s: s.search(
            ["P69905", Path("a.fasta")], Path("other"), count=3, transfer="task", align=False,
            approximate=True, plm="near", weights="w.pt", device="cpu",
        ),
        {
            "jobs.predicting.neighbour_search.search_neighbours": {
                **BOTH, "names": ["P69905", "a.fasta"], "where": "other",
                "options": {
                    "count": 3, "transfer": "task", "align": False, "approximate": True,
                    "plm": "near", "weights": "w.pt", "device": "cpu",
                },
            }
        },
    ),
    (
        "search by one sequence",
        lambda s: s.search("MKV"),
        {
            "jobs.predicting.neighbour_search.search_neighbours": {
                **BOTH, "names": ["MKV"], "where": None, "options": {}
            }
        },
    ),
    (
        "embedding",
        lambda s: s.embedding("MKV", "near"),
        {"store.Store.embeddings": {"self": "store store", "encoder": "near"}},
    ),
    (
        "train",
        lambda s: sesstore.train(s, "task", lr=0.5, heads=2, **HOW),
        {
            CHECK: {**HALF, "out": "o", "resume": True},
            PREPARE: {**HALF, "progress": "progress"},
            TRAIN: {"inputs": "inputs", "adapter": ADAPTER, "config": {"lr": 0.5}, **PLACE},
        },
    ),
    (
        "train in folds",
        lambda s: sesstore.train(s, "task", folds=3, seed=7, heads=2, **HOW),
        {
            CHECK: {**HALF, "out": "o", "resume": True},
            PREPARE: {**HALF, "progress": "progress"},
            FOLDS: {
                **STORE, "inputs": "inputs", "adapter": ADAPTER, "config": {"seed": 7},
                "folds": 3, **PLACE,
            },
        },
    ),
    (
        "fit",
        lambda s: sesstore.fit(
            "a.csv", s, plm="near", source="pdb", folds=3, out="o", user_data=OWN
        ),
        {
            FIT: {
                "path": "a.csv", **STORE, "plm": "near", "source": "pdb", "folds": 3, "out": "o",
                "user_data": MINE,
            },
            ADD: {**BOTH, "loaded": "loaded"},
            "api.fitting.train_plan": {"plan": "plan", **STORE},
            "api.fitting.simple_models": {"plan": "plan", **STORE},
        },
    ),
    (
        "train a plan",
        lambda s: fitting.train_plan(planned(0), s),
        {
            CHECK: {
                **STORE, "task_name": "task", "plm": "near", "source": "pdb", "out": "o",
                "resume": False,
            },
            PREPARE: {**TASK, "alphabets": None, "progress": "progress"},
            TRAIN: {
                "inputs": "inputs", "adapter": {"alphabets": ["dssp"]}, "config": {}, "out": "o",
                "resume": False, "progress": "progress",
            },
        },
    ),
    (
        "train a plan in folds",
        lambda s: fitting.train_plan(planned(3), s),
        {
            PREPARE: {**TASK, "alphabets": None, "progress": "progress"},
            FOLDS: {
                **STORE, "inputs": "inputs", "adapter": {"alphabets": ["dssp"]}, "config": {},
                "folds": 3, "out": "o", "resume": False, "progress": "progress",
            },
        },
    ),
    (
        "read labels",
        lambda s: fitting.load_labelled(Path("a.csv"), "pdb", OWN),
        {
            "jobs.add.load": {
                "name_or_path": "a.csv", "source": "pdb", "user_data": MINE
            }
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "calls"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_every_argument_arrives(
    call: Callable[..., Any],
    calls: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if CHECK not in calls and PREPARE in calls:
        monkeypatch.setattr("sesstore.jobs.inputs.check_training", lambda *_, **__: None)
    progress: Any = SimpleNamespace(name="progress", note=print)
    store = sesstore.OpenStore(Store.open("store", create=True), progress)
    arguments = record(monkeypatch, list(calls), ANSWERS)
    with pytest.raises(SystemExit):
        call(store)
    assert arguments == {name: [expected] for name, expected in calls.items()}


@pytest.mark.parametrize("keeps", [True, False])
def test_a_run_says_how_it_predicts_and_is_measured(
    keeps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    progress: Any = SimpleNamespace(name="progress", note=print)
    store = sesstore.OpenStore(Store.open("store", create=True), progress) if keeps else None
    seeds = [SimpleNamespace(path=Path(f"run/seed-{seed}")) for seed in (0, 1)]
    # Modules that take the function by name would keep the stand-in if this test imported them.
    for module in ("training.baselines", "training.evaluate", "predicting.predict"):
        import_module(f"sesstore.jobs.{module}")
    monkeypatch.setattr("sesstore.training.seeds.runs_at", lambda path: seeds)
    run = sesstore.load_run("run", store)
    name, measure = (
        "jobs.predicting.predict.prediction",
        "jobs.training.baselines.measure_baselines",
    )
    arguments = record(monkeypatch, [name], {})
    with pytest.raises(SystemExit):
        run.predict("task", source="pdb", weights="w.pt", device="cpu")
    (predicted,) = arguments[name]
    options = {"source": "pdb", "weights": "w.pt", "device": "cpu"}
    assert predicted["options"] == (options if keeps else {**options, "keep": False})
    assert (predicted["run_path"], predicted["spec"]) == ("run", {"names": ["task"]})
    assert predicted["store"] == ("store store" if keeps else None)
    if not keeps:
        return
    assert predicted["progress"] == "progress"
    evaluated: list[Any] = []
    monkeypatch.setattr(
        "sesstore.jobs.training.evaluate.evaluate_run",
        lambda *args, **named: evaluated.append((args[1:], named)),
    )
    run.evaluate("task", "valid", source="pdb", device="cpu")
    named = {"source": "pdb", "device": "cpu", "progress": progress}
    assert evaluated == [((seed.path, "task", "valid"), named) for seed in seeds]
    arguments = record(monkeypatch, [measure], {})
    with pytest.raises(SystemExit):
        run.baselines()
    assert arguments[measure] == [{"store": "store store", "run_path": "run"}]
