"""The table of coverage that a tokenising run ends with."""

from __future__ import annotations

from sesstore.jobs.tokenizing.token_report import coverage_table


def test_the_coverage_table_sorts_chains_by_what_is_resolved() -> None:
    table = coverage_table([(10, 10), (95, 100), (50, 100), (1, 100), (100, 100)])
    assert [tuple(row.values())[1:] for row in table] == [
        (2, 110, 0),
        (1, 100, 5),
        (1, 100, 50),
        (1, 100, 99),
    ]
