"""What a study says of its arms: which is better, up to where structure helps, what a row shows."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from statistics import fmean, stdev

import pytest
import torch
from scipy.stats import false_discovery_control

from sesstore.provenance import circumstances
from sesstore.studies import ablation, quality, scaling
from sesstore.studies.quality import Degrading, _Quality
from sesstore.studies.study import Study
from sesstore.studies.study_settings import Place
from sesstore.tasks import Problem
from sesstore.training.evaluate import load_predictions
from sesstore.training.intervals import Predicted, intervals
from sesstore.training.pairs import Comparison
from sesstore.training.runs import Run

from .conftest import FIT


@pytest.fixture
def of_task(store, settings, out):
    """Makes a study of a task: ``toy``, where more is better, or ``heat``, where less is."""

    def make(task: str, **others) -> Study:
        return Study("x", "?", store, replace(settings, task=task, **others), Place(out), {})

    return make


@pytest.mark.parametrize(
    ("task", "low", "high", "said"),
    [
        ("toy", 0.1, 0.2, "a is better than b"),
        ("toy", -0.2, -0.1, "a is worse than b"),
        ("heat", 0.1, 0.2, "a is worse than b"),
        ("heat", -0.2, -0.1, "a is better than b"),
        ("toy", -0.1, 0.2, "a and b are not told apart"),
        ("heat", -0.1, 0.2, "a and b are not told apart"),
        ("toy", 0.0, 0.2, "a and b are not told apart"),
    ],
)
def test_the_verdict_knows_whether_less_is_better(of_task, task, low, high, said) -> None:
    found = Comparison("a", "b", (low + high) / 2, low, high, 0.01, 1, 5)
    assert of_task(task).verdict(found).startswith(said)


def test_one_seed_gives_no_verdict(of_task, store, settings, out) -> None:
    found = Comparison("a", "b", 0.1, nan, nan, nan, 1, 1)
    assert "no verdict" in of_task("toy").verdict(found)
    few = replace(settings, seeds=1, sources=("esmfold",), fit=replace(FIT, epochs=1))
    report = quality.run(store, few, Place(out), degrading=Degrading(rates=(0.5,), plddt=()))
    assert not any(row.get("helps") for row in report.rows)
    assert any("no verdict" in sentence for sentence in report.missing)
    assert not any("for sure" in sentence for sentence in report.findings)
    assert report.to_json()["comparisons"][0]["p"] is None


def predicted(offset: float) -> Predicted:
    """Values that are wrong by so much, more or less."""
    rows = torch.arange(24)
    labels = torch.where(rows % 2 == 0, 40.0, 60.0)
    return Predicted(labels + offset * (1 + 0.01 * rows), labels, rows)


def classes(wrong: int) -> Predicted:
    """Probabilities of two classes, wrong for some proteins."""
    rows = torch.arange(24)
    right = (rows >= wrong).double()
    return Predicted(torch.stack([right, 1 - right], 1), torch.zeros(24, dtype=torch.int64), rows)


@pytest.mark.parametrize(
    ("task", "good", "bad"), [("heat", predicted(1), predicted(9)), ("toy", classes(0), classes(9))]
)
def test_structure_helps_where_it_is_better_for_sure(of_task, task, good, bad) -> None:
    work = _Quality(of_task(task), Degrading())
    rows = work.study.report.rows
    for one, other, helps in ((good, bad, True), (bad, good, False), (good, good, False)):
        # An adapter without tokens lacks layers: it is no measure of what structure adds.
        work.plain, work.masked = [one] * 2, [other] * 2
        rows.append({})
        work._against_controls("structure", [one] * 2)
        assert rows[-1]["helps"] is helps


def test_structure_helps_up_to_the_first_degree_at_which_it_does_not(of_task) -> None:
    work = _Quality(of_task("toy"), Degrading(), names=["alphafold2"])
    study = work.study

    def row(kind: str, when: str | None, degree: float | None, helps: bool) -> dict[str, object]:
        arm = "alphafold2" if degree is None else "x"
        return {"arm": arm, "tokens": kind, "when": when, "degree": degree, "helps": helps}

    study.report.rows += [
        row("alphafold2", None, None, True),
        row("noise", "test", 0.1, True),
        row("noise", "test", 0.5, False),
        row("noise", "test", 0.75, False),
        row("noise", "train", 0.1, True),
        row("noise", "train", 0.75, True),
        row("coordinates", "test", 2.0, False),
    ]
    work.say_where_it_ends()
    noise, still, coordinates = study.report.findings
    assert "no longer helps for sure with noise on tokens of alphafold2 at test" in noise
    assert "from 0.5 on" in noise
    assert still.startswith("Structure helps with noise")
    assert still.endswith("at train time up to the last degree, 0.75")
    assert "with coordinates" in coordinates
    study.report.rows[0]["helps"] = False
    study.report.findings.clear()
    work.say_where_it_ends()
    assert study.report.findings == ["Even as they are, tokens of alphafold2 do not help for sure"]


@pytest.mark.parametrize(("task", "best", "score"), [("heat", "small", 2), ("toy", "large", 4)])
def test_the_best_size_is_that_on_valid(of_task, task: str, best: str, score: float) -> None:
    study = of_task(task)
    study.report.rows += [
        {"arm": "small", "valid": 1.0, "score": 2.0, "seconds_per_epoch": 1.0},
        {"arm": "large", "valid": 3.0, "score": 4.0, "seconds_per_epoch": 2.0},
    ]
    scaling._say_best(study)
    (sentence,) = study.report.findings
    assert sentence.startswith(f"Best on valid: {best} (test {score:.4f}, ")
    assert "fastest: small (2.0000, 1.00 s an epoch)" in sentence


def test_rows_are_means_over_seeds_on_test_by_the_monitor(store, settings, out) -> None:
    settings = replace(settings, task="heat", sources=("esmfold",), seeds=3)
    report = ablation.run(store, settings, Place(out, baselines=True))
    (beside,) = report.baselines
    assert beside["arm"] == min(report.rows, key=lambda row: row["valid"])["arm"]
    for row in report.rows:
        files = sorted(out.glob(f"*/{row['arm'].replace(', ', ',')}/seed-*/run.json"))
        runs = [Run.load(file.parent) for file in files]
        assert len(runs) == row["seeds"] == 3
        assert [run.config["fit"]["seed"] for run in runs] == [0, 1, 2]
        scores = [run.metrics["test"]["rmse"] for run in runs]
        assert row["score"] == pytest.approx(fmean(scores))
        assert row["std"] == pytest.approx(stdev(scores))
        assert row["valid"] == pytest.approx(fmean(run.metrics["valid"]["rmse"] for run in runs))
        assert row["best_epoch"] == fmean(run.best_epoch for run in runs)
        bounds = intervals(
            ["rmse"], Problem.REGRESSION, [load_predictions(run, "test") for run in runs]
        )
        assert (row["low"], row["high"]) == bounds["rmse"]
        assert tuple(runs[0].config["adapter"]["alphabets"]) == tuple(
            name for name in row["structure"].split(",")[0].split("+") if name != "none"
        )
    arms = {row["arm"]: row["score"] for row in report.rows}
    rates = false_discovery_control([found["p"] for found in report.comparisons])
    assert [found["q"] for found in report.comparisons] == pytest.approx(rates)
    for found in report.comparisons:
        assert found["difference"] == pytest.approx(arms[found["one"]] - arms[found["other"]])
        assert found["seeds"] == 3


def test_quality_reads_each_sources_adapters_with_the_others_tokens(store, settings, out) -> None:
    settings = replace(settings, task="heat", seeds=2)
    report = quality.run(store, settings, Place(out), degrading=Degrading(rates=(), plddt=(90,)))
    by_arm = {row["arm"]: row for row in report.rows}
    crossed = by_arm["esmfold, read with alphafold2"]
    assert (crossed["tokens"], crossed["when"], crossed["seeds"]) == ("alphafold2", "test", 2)
    assert crossed["valid"] == by_arm["esmfold"]["valid"]
    assert crossed["score"] != by_arm["esmfold"]["score"]
    masked = [Run.load(f.parent) for f in out.glob("*pLDDT*/*/seed-*/run.json")]
    assert [run.config["fit"]["min_plddt"] for run in masked] == [90, 90]
    share = masked[0].coverage["train"]
    row = by_arm["alphafold2, pLDDT from 90"]
    assert row["coverage"] == max(share["unmasked"].values()) / share["residues"]
    for found in report.comparisons:
        against = by_arm.get(found["one"])
        if against is not None and found["other"] == "masked tokens":
            assert against["helps"] is (found["high"] < 0)  # of RMSE less is better


def test_without_test_rows_valid_is_reported(store, settings, out) -> None:
    task = store.task("toy")
    splits = {name: task.splits[name] for name in ("train", "valid")}
    store.add_task(replace(task, name="short", splits=splits))
    settings = replace(settings, task="short", sources=("esmfold",))
    report = ablation.run(store, settings, Place(out))
    assert report.split == "valid"
    assert all(row["score"] == row["valid"] for row in report.rows)


def test_coverage_is_of_the_rows_of_train_and_of_each_source(store, of_task) -> None:
    study = of_task("toy")
    assert study.covered("alphafold2") == 1.0
    some = list(store.tokens("alphafold2"))[:3]
    digests = {row.tobytes() for row in store.task("toy").splits["train"].digests}
    chosen = [replace(one, source="few") for one in some]
    store.add_tokens(chosen, circumstances())
    share = sum(one.digest in digests for one in some) / 32
    assert study.covered("few") == share < 1
    report = ablation.run(
        store, replace(study.settings, sources=("alphafold2", "few"), seeds=1), Place(study.folder)
    )
    shown = {row["source"]: row["coverage"] for row in report.rows}
    assert shown == {None: None, "alphafold2": 1.0, "few": share}


def test_quality_learns_each_source_under_its_own_name(store, settings, out) -> None:
    """From its own tokens, in its own alphabets, with its own coverage, into its own folder."""
    some = list(store.tokens("esmfold"))[:40]
    codes = [{"dssp": item.codes["dssp"]} for item in some]
    chosen = [
        replace(item, source="dssp-only", codes=kinds)
        for item, kinds in zip(some, codes, strict=True)
    ]
    store.add_tokens(chosen, circumstances())
    names = ("esmfold", "dssp-only")
    settings = replace(settings, sources=names, seeds=1, fit=replace(FIT, epochs=1))
    report = quality.run(store, settings, Place(out), degrading=Degrading(rates=(), plddt=()))
    rows = {row["arm"]: row for row in report.rows}
    train = store.task("toy").splits["train"].digests
    shares = {name: store.tokens(name).coverage(train) for name in names}
    assert shares["esmfold"] == 1 > shares["dssp-only"] > 0
    for name, alphabets in zip(names, (("foldseek", "dssp"), ("dssp",)), strict=True):
        assert rows[name]["coverage"] == shares[name]
        (run,) = (Run.load(f.parent) for f in out.glob(f"{name}/{name}/seed-*/run.json"))
        assert run.source == name
        assert tuple(run.config["adapter"]["alphabets"]) == alphabets
