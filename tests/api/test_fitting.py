"""Training from Python: settings, folds, what was interrupted."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sesstore
from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.api import fitting
from sesstore.api.runs import alphabet_names
from sesstore.datasets.columns import Columns
from sesstore.datasets.user_data import UserData
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


def table(path: Path, count: int, *, split: bool = False) -> Path:
    rng = np.random.default_rng(1)
    lines = ["id,sequence,y,z" + ",split" * split]
    for n in range(count):
        letters = "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 12))
        part = ("train", "train", "valid", "test")[n % 4]
        lines.append(f"p{n},{letters},{n}.5,{n}.25" + f",{part}" * split)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_what_nobody_said_of_a_fit_is_chosen(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fitting, "SMALL", 40)
    store, own = sesstore.open(tmp_path / "store"), UserData(columns=Columns(label="y"))

    def plan(name: str, count: int, split: bool = False, **given: Any) -> fitting.FitPlan:
        return fitting.plan_fit(
            table(Path(name), count, split=split), store, **{"user_data": own, **given}
        )

    few = plan("few.csv", 39)
    digest = few.loaded.task.data_digest[:8]
    assert (few.plm, few.folds, few.out) == (
        "near", 5, Path(f"runs/few/fit-near-5folds-{digest}"),
    )  # fmt: skip
    assert few.commands == (
        "sesstore add few.csv --label y",
        "sesstore embed few --plm near",
        f"sesstore train few --plm near --folds 5 --out {few.out}",
    )
    many, split = plan("many.csv", 40), plan("split.csv", 39, split=True)
    assert (many.folds, split.folds) == (0, 0)
    assert many.out.name == f"fit-near-{many.loaded.task.data_digest[:8]}"
    assert "--folds" not in many.commands[2]
    assert [plan("few.csv", 39, folds=folds).folds for folds in (0, 3)] == [0, 3]
    store.embed("onehot", ["MKV"])
    said = UserData(
        "mine", "regression", Columns("sequence", "id", "z"), seed=3, drop_unlabelled=True,
        split_by="random",
    )  # fmt: skip
    named = plan("few.csv", 39, user_data=said, source="pdb", out="o")
    assert (named.plm, named.out, named.source) == ("onehot", Path("o"), "pdb")
    assert named.commands == (
        "sesstore add few.csv --name mine --task-type regression --sequence sequence --id id "
        "--label z --split-by random --seed 3 --drop-unlabelled --source pdb",
        "sesstore embed mine --plm onehot",
        "sesstore train mine --plm onehot --folds 5 --source pdb --out o",
    )
    store.embed("blosum62", ["MKV"])
    with pytest.raises(InputError, match=r"stored here: .*BLOSUM62"):
        plan("few.csv", 39)
    assert plan("few.csv", 39, plm="blosum62").plm == "blosum62"


def test_alphabets_are_named_by_a_text_or_a_list() -> None:
    for structure, names in (
        (None, None), ("none", ()), ((), ()), ("dssp", ("dssp",)),
        ("foldseek, dssp", ("foldseek", "dssp")), (["dssp", "foldseek"], ("dssp", "foldseek")),
    ):  # fmt: skip
        assert alphabet_names(structure) == names
