"""The study of how small an adapter may be."""

from __future__ import annotations

from sesstore.studies import (
    size,
)
from sesstore.studies.study_settings import Place

from .conftest import check_files


def test_size_finds_the_smallest_that_is_good_enough(store, settings, out) -> None:
    report = size.run(store, settings, Place(out), heads=(1, 3), widths=(4, 12))
    assert [row["parameters"] for row in report.rows] == sorted(
        row["parameters"] for row in report.rows
    )
    assert any("3 heads do not divide width 4" in said for said in report.missing)
    assert report.findings[0].startswith("The smallest adapter within 0.5%")
    check_files(report, out)


def test_the_choice_of_a_size() -> None:
    rows = [
        {"arm": "small", "valid": 0.9945, "parameters": 10},
        {"arm": "middle", "valid": 0.996, "parameters": 20},
        {"arm": "large", "valid": 1.0, "parameters": 30},
    ]
    assert [row["arm"] for row in size.choose(rows, "accuracy")] == ["large", "middle"]
    assert [row["arm"] for row in size.choose(rows, "rmse")] == ["small", "small"]
    # Half a per cent of the score, not half a point; of an error, more of it.
    errors = [{**row, "valid": 50 * row["valid"]} for row in reversed(rows)]
    assert [row["arm"] for row in size.choose(errors, "rmse")] == ["small", "small"]
    for error, choice in ((50.2, "small"), (50.3, "middle")):  # a quarter of a point may lack
        errors = [
            {"arm": "small", "valid": error, "parameters": 10},
            {"arm": "middle", "valid": 50.1, "parameters": 20},
            {"arm": "large", "valid": 50.0, "parameters": 30},
        ]
        assert [row["arm"] for row in size.choose(errors, "rmse")] == ["large", choice]


def test_a_size_may_lack_just_half_a_percent() -> None:
    rows = [
        {"arm": "small", "valid": 0.995, "parameters": 10},
        {"arm": "twin", "valid": 0.9975, "parameters": 10},
        {"arm": "large", "valid": 1.0, "parameters": 30},
    ]
    assert size.choose(rows[::2], "accuracy")[1]["arm"] == "small"
    assert size.choose(rows, "accuracy")[1]["arm"] == "twin"  # of two as small the better
    below = [
        {"arm": "small", "valid": -1.005, "parameters": 1},
        {"arm": "l", "valid": -1.0, "parameters": 2},
    ]
    assert size.choose(below, "mcc")[1]["arm"] == "small"
