from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sesstore.errors import InputError
from sesstore.reports.comparison import (
    _check_same,
    _settings,
    _with_distinct_names,
    _with_interval,
    write_comparison,
)
from sesstore.tasks import Problem
from sesstore.training.metrics import GLOSSARY

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


def test_trainings_side_by_side(findings, compared, parsed) -> None:
    both, (page, *figures) = findings(name="run"), compared
    fetched, text = parsed(page.read_text())
    assert fetched == []
    assert "run (1)" in text
    assert "run (2)" in text
    low, high = both.intervals["accuracy"]
    spread = both.deviation("accuracy")
    assert f"{both.mean('accuracy'):.3f} ± {spread:.3f} ({low:.3f} to {high:.3f})" in text
    assert "structure tokens" in text
    assert GLOSSARY["accuracy"] in text
    assert "weight decay" not in text  # which does not differ
    assert len(figures) == 6


def test_different_tasks_are_not_compared(findings, tmp_path) -> None:
    one, other = findings(), findings(Problem.REGRESSION)
    task = {**other.run.task, "name": "another"}
    other = replace(other, runs=(replace(other.run, task=task),))
    with pytest.raises(InputError, match="different tasks"):
        write_comparison([one, other], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_names_that_repeat_are_numbered(findings) -> None:
    named = [findings(name=name, seeds=1) for name in ("run", "other", "run")]
    assert [m.name for m in _with_distinct_names(named)] == ["run (1)", "other", "run (2)"]
    taken = [replace(named[0], name=name) for name in ("run", "run (1)", "run", "run (3)")]
    names = [m.name for m in _with_distinct_names(taken)]
    assert names == ["run (2)", "run (1)", "run (4)", "run (3)"]


def test_a_score_has_its_deviation_and_interval(findings) -> None:
    found = findings()
    mean, deviation = found.mean("mcc"), found.deviation("mcc")
    low, high = found.intervals["mcc"]
    text = f"{mean:.3f} ± {deviation:.3f} ({low:.3f} to {high:.3f})"
    assert _with_interval(found, "mcc") == text
    single = findings(seeds=1)
    low, high = single.intervals["mcc"]
    assert _with_interval(single, "mcc") == f"{single.mean('mcc'):.3f} ({low:.3f} to {high:.3f})"


def test_other_data_and_other_rows_are_not_compared(findings) -> None:
    found = findings()
    other = replace(found.run, task={**found.run.task, "data_digest": "99" * 32})
    for changed, told in (
        (replace(found, runs=(other,)), "different versions of the task's data"),
        (replace(found, split="valid"), "no predictions on test to compare"),
    ):
        with pytest.raises(InputError, match=told):
            _check_same([found, changed])
    _check_same([found, findings(seeds=1)])


def test_each_training_has_its_row_and_each_difference_its_columns(
    findings, compared, tables, parsed
) -> None:
    both, none = findings(name="run"), findings(name="run", seeds=1, alphabets=())
    shown = tables(compared[0])
    scores = next(table for table in shown if "encoder" in table[0])
    assert scores == [
        {"training": name, "encoder": "enc", "structure": structure, "seeds": str(seeds),
         "accuracy": _with_interval(material, "accuracy")}
        for name, structure, seeds, material in (
            ("run (1)", "foldseek+dssp", 2, both), ("run (2)", "none", 1, none),
        )
    ]  # fmt: skip
    differing = next(table for table in shown if "setting" in table[0])
    assert differing == [
        {"setting": "structures", "run (1)": "alphafold2", "run (2)": "none"},
        {"setting": "structure tokens", "run (1)": "foldseek, dssp", "run (2)": "none"},
    ]
    text = " ".join(parsed(compared[0].read_text())[1].split())
    assert "toy: 2 trainings 40 test proteins; 95 % intervals over them" in text
    assert text.count("Tan et al. 2024") == 1  # cited by both, told once


def test_what_differs_may_be_nothing(findings) -> None:
    told: list[str] = []
    page = SimpleNamespace(section=told.append, text=told.append)
    _settings(page, [findings(), findings(seeds=1)])
    assert told == ["What differs", "Nothing in their settings."]
