"""Settings of a study reach its adapters."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest

from sesstore.errors import InputError
from sesstore.provenance import circumstances
from sesstore.studies import ablation, cost, layers, scaling
from sesstore.studies.layers import LayerOptions
from sesstore.studies.study import Study
from sesstore.studies.study_record import SETTINGS
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


def test_a_study_begins_with_what_it_was_told(store, settings, out) -> None:
    with pytest.raises(InputError, match=r"which study shall go on\? Name its folder with --out"):
        Study("x", "?", store, settings, Place(resume=True), {})
    study = Study("x", "What?", store, settings, Place(out), {"more": 1})
    report = study.report
    assert (report.study, report.task, report.question) == ("x", "toy", "What?")
    assert (report.run, report.monitor, report.split) == (str(out), "accuracy", "test")
    assert (report.settings["study"], report.settings["more"]) == ("x", 1)
    assert report.settings["seeds"] == settings.seeds
    for sentence in ("a", "b", "a"):
        study.miss(sentence)
    assert report.missing == ["a", "b"]
    assert study.sources() == ["alphafold2", "esmfold"]
    begun = json.loads(study.folder.joinpath(SETTINGS).read_text()) if out.exists() else None
    assert begun is None  # nothing is written before something is trained
    study.begin()
    assert json.loads((out / SETTINGS).read_text())["data"] == store.task("toy").data_digest


def test_sources_are_those_with_tokens_of_the_task(store, settings, out) -> None:
    study = Study("x", "?", store, replace(settings, sources=()), Place(out), {})
    assert {"alphafold2", "esmfold", "md"} <= set(study.sources())
    other = [replace(item, source="dssp-alone", codes={"dssp": item.codes["dssp"]})
             for item in list(store.tokens("esmfold"))[:1]]  # fmt: skip
    store.add_tokens(other, circumstances())
    assert study.alphabets("dssp-alone") == ("dssp",)
    assert study.alphabets("esmfold") == ("foldseek", "dssp")
    (sentence,) = study.report.missing
    assert sentence.startswith("dssp-alone has no foldseek tokens, so there is no arm with them")
    assert "--source dssp-alone" in sentence
    arm = study.arm("a", ("foldseek", "dssp"), width=4)
    assert arm.factors == {"structure": "foldseek+dssp", "width": 4}
    assert (arm.adapter["alphabets"], arm.adapter["width"], arm.adapter["heads"]) == (
        ("foldseek", "dssp"), 4, ADAPTER["heads"],
    )  # fmt: skip
    assert study.arm("b", ()).factors == {"structure": "none"}


def test_a_source_that_is_named_must_be_there(store, settings, out) -> None:
    """Also where a study can do without: it would say that the task has no tokens."""
    typo = replace(settings, sources=("alphafold",))
    for run in (scaling.run, cost.run, partial(layers.run, options=LayerOptions(adapter=True))):
        with pytest.raises(InputError, match="no tokens of source 'alphafold', only: alphafold2"):
            run(store, typo, Place(out))
    assert not out.exists()
    train = {row.tobytes() for row in store.task("toy").splits["train"].digests}
    others = [item for item in store.tokens("esmfold") if item.digest not in train]
    some = [replace(item, source="absent") for item in others[:1]]
    store.add_tokens(some, circumstances())
    study = Study("x", "?", store, replace(settings, sources=("absent", "md")), Place(out), {})
    assert study.source() == "md"
