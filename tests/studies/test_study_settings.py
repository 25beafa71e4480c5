"""Settings of a study reach its adapters."""

from __future__ import annotations

from dataclasses import replace

from sesstore.studies import ablation
from sesstore.studies.study_settings import Place
from sesstore.training.runs import Run

from .conftest import ADAPTER, FIT


def test_settings_of_the_study_reach_every_adapter(store, settings, out) -> None:
    adapter = {**ADAPTER, "dropout": 0.25, "head": "linear"}
    fit = replace(FIT, lr=0.01, seed=3, epochs=1)
    settings = replace(settings, adapter=adapter, fit=fit, sources=("esmfold",), seeds=1)
    report = ablation.run(store, settings, Place(out), poolings=("mean",))
    assert report.split == "test"
    runs = [Run.load(file.parent) for file in out.rglob("run.json")]
    assert len(runs) == 6
    for run in runs:
        shape, config = run.config["adapter"], run.config["fit"]
        assert (shape["heads"], shape["width"], shape["dropout"]) == (2, 8, 0.25)
        assert (shape["pooling"], config["lr"], config["seed"]) == ("mean", 0.01, 3)
        assert run.linear["rows"] == 32  # compositions reach it, too
