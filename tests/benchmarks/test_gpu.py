"""The check of a GPU, on the CPU and at sizes that take no time: every section runs."""

from __future__ import annotations

import importlib
import json
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)


def test_every_section_runs_and_nothing_is_wrong(tmp_path: Path) -> None:
    check = importlib.import_module("benchmarks.gpu.__main__")
    visit = importlib.import_module("benchmarks.gpu.visit")
    deadline = time.perf_counter() + 3600
    problems = check.run(
        visit.Visit(torch.device("cpu"), True, tmp_path, deadline), list(check.SECTIONS)
    )
    results = json.loads((tmp_path / "check.json").read_text("utf-8"))
    assert problems == []
    assert list(results) == list(check.SECTIONS)
    assert not [name for name, result in results.items() if "failed" in result]
    assert len(results["encoders"]["errors"]) > 10
    assert results["training"]["resumed"][0]


def test_what_is_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = importlib.import_module("benchmarks.gpu.__main__")
    visit = importlib.import_module("benchmarks.gpu.visit")
    attention = importlib.import_module("benchmarks.gpu.attention")
    monkeypatch.setitem(attention.TOLERANCE, torch.float32, 0.0)
    monkeypatch.setattr(attention, "_speed", lambda *_: {})
    problems = check.run(
        visit.Visit(torch.device("cpu"), True, tmp_path, time.perf_counter() + 3600), ["attention"]
    )
    assert any("float32" in problem for problem in problems)


def test_no_section_begins_after_the_deadline(tmp_path: Path) -> None:
    check = importlib.import_module("benchmarks.gpu.__main__")
    visit = importlib.import_module("benchmarks.gpu.visit")
    late = visit.Visit(torch.device("cpu"), True, tmp_path, time.perf_counter() - 1)
    assert check.run(late, ["machine"]) == []
    assert late.results["machine"]["skipped"] == "no time left"
