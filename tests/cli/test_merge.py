"""``sesstore merge``."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.sharing.pull_context import PullReport
from sesstore.store import Store


def test_a_task_that_differs_stays_and_is_named(cli, trained: Path, data: Path) -> None:
    cli("pull", "store", "--plm", "none", "--store", "other")
    rows = Path("other/tasks/deeploc_binary.jsonl")
    rows.unlink()
    Path("changed").mkdir()
    for file in data.iterdir():
        text = file.read_text()
        flipped = text.replace('"label": 0', '"label": 9').replace('"label": 1', '"label": 0')
        (Path("changed") / file.name).write_text(flipped.replace('"label": 9', '"label": 1'))
    words = ("add", "deeploc_binary", "--data", "changed", "--source", "alphafold2")
    assert cli(*words, "--store", "other").status == 0
    said = cli("merge", "other")
    assert said.status == 1
    assert "task deeploc_binary is different here" in said.out


@pytest.mark.parametrize(("different", "status"), [("first", 1), ("second", 1), ("", 0)])
def test_one_store_that_differs_is_enough(cli, monkeypatch, different: str, status: int) -> None:
    def merge(_: Path, other: Store, **__: object) -> PullReport:
        return PullReport("there", conflicts=["task t"] if other.path.name == different else [])

    for name in ("first", "second"):
        Store.create(Path(name))
    monkeypatch.setattr("sesstore.sharing.pull.merge", merge)
    assert cli("merge", "first", "second", "--store", "third").status == status
