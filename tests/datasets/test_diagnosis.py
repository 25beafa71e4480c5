"""What the doctor finds in the published sets, and in sets made ill on purpose."""

from __future__ import annotations

from pathlib import Path

from sesstore.datasets.diagnosis import data_set, examine
from sesstore.datasets.load import load_own
from sesstore.datasets.user_data import UserData

from .conftest import FEW, counts, healthy_rows, write


def test_a_healthy_set(tmp_path: Path) -> None:
    found = examine([data_set("d", load_own(write(tmp_path / "d", healthy_rows()), UserData()))])
    assert found.healthy
    assert counts(found) == FEW
    assert [facts["rows"] for facts in found.splits] == [12, 4, 4]
