from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sesstore.reports.error_groups import by_confidence, by_length, by_truth
from sesstore.reports.row_errors import row_errors
from sesstore.tasks import Problem


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
