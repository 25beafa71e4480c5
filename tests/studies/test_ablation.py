"""The study of what structure adds."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sesstore.errors import InputError
from sesstore.store import Store
from sesstore.studies import (
    ablation,
)
from sesstore.studies.study_settings import Place
from sesstore.training.runs import Run

from .conftest import check_files


def test_ablation_has_every_kind_of_every_source(store, settings, out) -> None:
    report = ablation.run(store, settings, Place(out))
    shown = {(row["source"], row["structure"]) for row in report.rows}
    controls = ("foldseek+dssp, masked", "foldseek+dssp, shuffled")
    kinds = ("foldseek", "dssp", "foldseek+dssp", *controls)
    assert shown == {
        (None, "none"),
        *((source, kind) for source in settings.sources for kind in kinds),
    }
    # Two against controls, three against none, two against parts, for each source; then sources.
    assert len(report.comparisons) == 15
    pairs = [(found["one"], found["other"]) for found in report.comparisons]
    for place, source in enumerate(settings.sources):
        others = (f"foldseek+dssp, {source}, masked", f"foldseek+dssp, {source}, shuffled", "none")
        for other, said in zip(others, report.findings[3 * place :], strict=False):
            assert said.startswith(f"foldseek+dssp, {source} ")
            assert f"{other} " in said.replace(":", " ")
            assert "95 % interval" in said
            assert (f"foldseek+dssp, {source}", other) in pairs
    for row in report.rows:
        assert row["low"] <= row["score"] <= row["high"]
        assert row["coverage"] == (None if row["structure"] == "none" else 1.0)
    runs = sorted(out.glob("*/*/seed-*/run.json"))
    assert len(runs) == len(report.rows) * 2
    assert {Run.load(file.parent).source for file in runs} == {
        None,
        *(
            f"{source}{view}"
            for source in settings.sources
            for view in ("", ", masked", ", shuffled")
        ),
    }
    check_files(report, out)


def test_a_control_is_not_the_best_arm(store, settings, out) -> None:
    settings = replace(settings, sources=("esmfold",), seeds=1)
    place = Place(out, baselines=True)
    report = ablation.run(store, settings, place, controls=("constant",))
    assert report.rows[-1]["structure"] == "foldseek+dssp, constant"
    (beside,) = report.baselines
    assert "constant" not in beside["arm"]
    with pytest.raises(InputError, match=r"no control is called 'random'.*shuffled"):
        ablation.run(store, settings, Place(out.parent / "b"), controls=("random",))
    assert not (out.parent / "b").exists()


def test_ablation_with_poolings_and_less_tokens(store: Store, settings, out) -> None:
    settings = replace(settings, sources=("esmfold",), seeds=1)
    report = ablation.run(store, settings, Place(out), poolings=("mean", "attention1d"))
    assert len(report.rows) == 12
    assert {row["pooling"] for row in report.rows} == {"mean", "attention1d"}
    assert len(report.comparisons) == 14
    assert report.rows[0]["std"] is None


def test_kinds_alone_can_be_left_out(store: Store, settings, out) -> None:
    settings = replace(settings, sources=("esmfold",), seeds=1)
    report = ablation.run(store, settings, Place(out), controls=("masked",), alone=False)
    kinds = [row["structure"] for row in report.rows]
    assert kinds == ["none", "foldseek+dssp", "foldseek+dssp, masked"]
    pairs = [(pair["one"], pair["other"]) for pair in report.comparisons]
    both, masked = "foldseek+dssp, esmfold", "foldseek+dssp, esmfold, masked"
    assert pairs == [(both, masked), (both, "none")]


def test_which_arms_are_held_against_which() -> None:
    """Tokens against each control and none, parts against none and the whole, sources at last."""
    kinds = {"af": ("foldseek", "dssp"), "esm": ("foldseek", "dssp"), "few": ("dssp",)}
    names = ["none, mean"]
    for source, alphabets in kinds.items():
        whole = "+".join(alphabets)
        names += [f"{part}, {source}, mean" for part in dict.fromkeys((*alphabets, whole))]
        names += [f"{whole}, {source}, masked, mean"]
    arms = {name: [name] for name in names}
    trained = {"af": arms, **{source: {} for source in kinds if source != "af"}}
    pairs: list[tuple[str, str]] = []

    def compare(first, second):
        assert (first[1], second[1]) == ([first[0]], [second[0]])
        pairs.append((first[0], second[0]))
        return pairs[-1]

    told: list[str] = []
    study = SimpleNamespace(
        alphabets=kinds.__getitem__, compare=compare, find=told.append, verdict=lambda pair: pair
    )
    ablation._compare(study, trained, "mean", ("masked",), alone=True)
    expected = []
    for source in ("af", "esm"):
        both, parts = f"foldseek+dssp, {source}", [f"foldseek, {source}", f"dssp, {source}"]
        expected += [
            (both, f"{both}, masked"), *((part, "none") for part in parts), (both, "none"),
            *((both, part) for part in parts),
        ]  # fmt: skip
    expected += [("dssp, few", "dssp, few, masked"), ("dssp, few", "none")]
    expected += [("foldseek+dssp, af", "foldseek+dssp, esm")]  # few has other alphabets
    assert pairs == [(f"{one}, mean", f"{other}, mean") for one, other in expected]
    assert told == [
        (f"{one}, mean", f"{other}, mean")
        for one, other in expected
        if (other.endswith("masked") or other == "none") and one.count("+") + one.count("few")
    ]
