from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.reports.error_groups import Group, by_confidence, by_length, by_truth, error_chart
from sesstore.reports.row_errors import row_errors
from sesstore.tasks import Problem
from sesstore.training.intervals import Predicted

from .conftest import rows_of


def test_groups_hold_every_protein_once(findings) -> None:
    found = findings()
    for groups in (by_length(found), by_confidence(found), by_truth(found)):
        assert sum(g.count for g in groups) == 40
        total = sum(g.count * g.error for g in groups)
        assert total == pytest.approx(found.rows.errors.sum())
        assert all(g.low <= g.error <= g.high for g in groups)


def test_the_interval_of_a_group_holds_95_in_100_means(findings) -> None:
    """The mean plus and minus 1.96 standard errors, for many rows."""
    found = findings()
    errors = np.random.default_rng(4).standard_normal(2000)
    rows = replace(found.rows, lengths=np.arange(2000), errors=errors, plddt=np.full(2000, 95.0))
    (group,) = by_confidence(replace(found, rows=rows))
    width = 2 * 1.96 * errors.std() / np.sqrt(2000)
    assert group.high - group.low == pytest.approx(width, rel=0.09)  # of 90 in 100: 16 % less


def test_the_group_that_errs_shows(findings) -> None:
    found = findings()
    long = found.rows.lengths > np.median(found.rows.lengths)
    found = replace(found, rows=replace(found.rows, errors=long.astype(float)))
    assert [g.error for g in by_length(found)][::4] == [0, 1]


def test_no_confidence_no_groups(findings) -> None:
    found = findings()
    unknown = np.full(40, np.nan)
    assert by_confidence(replace(found, rows=replace(found.rows, plddt=unknown))) == []


def test_missed_labels_need_no_threshold(findings) -> None:
    found = findings(Problem.MULTI_LABEL, seeds=1)
    (one,) = found.predicted
    errors = row_errors(Problem.MULTI_LABEL, found.predicted, 40)
    for row in range(40):
        true = set(np.flatnonzero(one.labels[row].numpy()))
        if not true:
            assert np.isnan(errors[row])
            continue
        top = set(np.argsort(-one.scores[row].numpy())[: len(true)])
        assert errors[row] == pytest.approx(1 - len(true & top) / len(true))


def test_classes_of_confidence_begin_at_their_bound(findings) -> None:
    found = findings()
    plddt = np.array([0.0, 49.9, 50.0, 69.9, 70.0, 89.9, 90.0, 100.0, np.nan])
    rows = replace(found.rows, plddt=plddt, errors=np.arange(9.0), lengths=np.arange(9))
    groups = by_confidence(replace(found, rows=rows))
    assert [(g.name, g.count, g.error) for g in groups] == [
        ("below 50", 2, 0.5), ("50 to 70", 2, 2.5), ("70 to 90", 2, 4.5), ("90 up", 2, 6.5),
    ]  # fmt: skip
    few = replace(rows, plddt=np.full(9, 95.0))
    assert [g.name for g in by_confidence(replace(found, rows=few))] == ["90 up"]


def test_groups_by_length_are_named_for_their_ends(findings) -> None:
    found = findings()
    lengths, errors = np.array([50, 10, 40, 20, 30, 60]), np.arange(6.0)
    errors[0] = np.nan  # no label: in no group
    rows = replace(found.rows, lengths=lengths, errors=errors, plddt=np.full(6, 95.0))
    groups = by_length(replace(found, rows=rows))
    assert [(g.name, g.count, g.error) for g in groups] == [
        ("10 to 10", 1, 1.0), ("20 to 20", 1, 3.0), ("30 to 30", 1, 4.0), ("40 to 40", 1, 2.0),
        ("60 to 60", 1, 5.0),
    ]  # fmt: skip
    (group,) = by_confidence(replace(found, rows=rows))
    assert (group.count, group.error) == (5, 3.0)


def test_groups_by_truth_are_of_the_classes_or_values_each_row_has(findings) -> None:
    found = findings()
    labels, errors = found.predicted[0].labels.numpy(), found.rows.errors
    groups = by_truth(found)
    counts = [g.count for g in groups]
    assert counts == sorted(counts, reverse=True)
    for group in groups:
        k = found.run.task["classes"].index(group.name)
        assert group.count == (labels == k).sum()
        assert group.error == pytest.approx(errors[labels == k].mean())
    values = by_truth(findings(Problem.REGRESSION))
    truth = np.sort(findings(Problem.REGRESSION).predicted[0].labels.numpy())
    assert values[0].name == f"{truth[0]:.4g} to {truth[7]:.4g}"
    assert [g.count for g in values] == [8] * 5
    several = findings(Problem.MULTI_LABEL)
    marks = several.predicted[0].labels.numpy() > 0
    assert [g.count for g in by_truth(several)] == sorted(
        (int((marks[:, k] & ~np.isnan(several.rows.errors)).sum()) for k in range(6)), reverse=True
    )
    assert by_truth(findings(Problem.RESIDUE_SINGLE_LABEL)) == []


def test_a_chart_of_errors_says_how_many_rows_each_group_has(findings) -> None:
    pytest.importorskip("altair")
    groups = [Group("short", 1234, 0.5, 0.25, 0.75), Group("long", 8, 0.1, 0.0, 0.2)]
    spec = error_chart(findings(), groups).to_dict()
    rows = rows_of(spec)
    assert [row["name"] for row in rows] == ["short (n = 1,234)", "long (n = 8)"]
    assert [(row["error"], row["low"], row["high"]) for row in rows] == [
        (0.5, 0.25, 0.75), (0.1, 0.0, 0.2),
    ]  # fmt: skip
    assert spec["height"] == 56


def test_labels_are_those_of_the_rows_they_were_predicted_for(findings) -> None:
    """Predictions come in any order, and of some rows there are none."""
    found = findings()
    (one, two), order = found.predicted, torch.randperm(40, generator=torch.manual_seed(3))[:30]
    moved = tuple(Predicted(p.scores[order], p.labels[order], p.rows[order]) for p in (one, two))
    errors = np.full(40, np.nan)
    errors[order.numpy()] = np.arange(30.0)
    rows = replace(found.rows, errors=errors)
    groups = {g.name: g for g in by_truth(replace(found, predicted=moved, rows=rows))}
    for k, name in enumerate(found.run.task["classes"]):
        own = np.arange(30.0)[moved[0].labels.numpy() == k]
        assert (groups[name].count, groups[name].error) == (len(own), own.mean())


def test_fifteen_classes_have_room(findings) -> None:
    found = findings()
    labels = torch.from_numpy(np.repeat(np.arange(20), np.arange(1, 21)))
    count = len(labels)
    scores = torch.zeros(count, 20, dtype=torch.float64)
    task = {**found.run.task, "classes": [f"c{k}" for k in range(20)]}
    many = replace(
        found,
        predicted=(Predicted(scores, labels, torch.arange(count)),),
        rows=replace(found.rows, errors=np.zeros(count)),
        runs=(replace(found.run, task=task),),
    )
    assert [(g.name, g.count) for g in by_truth(many)] == [
        (f"c{k}", k + 1) for k in range(19, 4, -1)
    ]
