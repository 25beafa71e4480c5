"""Where two structure sources of one data set disagree."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.datasets.diagnosis import data_set, examine
from sesstore.datasets.load import load_own, load_task
from sesstore.datasets.recipes import recipe
from sesstore.datasets.user_data import UserData

from .conftest import FEW, counts, healthy_rows, lines, write


def test_sequences_that_differ_between_sources(shared_data: Path) -> None:
    folders = {
        source: shared_data / "deeploc_binary" / source for source in ("alphafold2", "esmfold")
    }
    data = [
        data_set(source, load_task(recipe("deeploc_binary"), folder, source))
        for source, folder in folders.items()
    ]
    found = examine(data)
    one, other = ({r["name"]: r["aa_seq"] for r in lines(folder)} for folder in folders.values())
    differing = [name for name in one if one[name] != other[name]]
    assert counts(found)["sequence_differs_between_sources"] == len(differing) == 32
    (finding,) = (f for f in found.findings if f.what == "sequence_differs_between_sources")
    assert set(finding.examples) <= set(differing)
    assert not found.healthy
    assert found.splits[0]["tokens"] == {
        "alphafold2": {"proteins": 1.0, "residues": pytest.approx(1.0, abs=0.01)}
    }


def test_tokens_that_follow_the_class(tmp_path: Path) -> None:
    rows = healthy_rows()
    for row in rows:
        if row["label"] == "yes":
            row["ss8_seq"] = "H" * 80
    loaded = load_own(write(tmp_path / "d", rows), UserData(), "pdb")
    found = examine([data_set("d", loaded)])
    assert counts(found) == {"uneven_tokens_by_class": 100, "without_tokens": 10, **FEW}
    assert found.findings[0].examples == ("no: 0%", "yes: 100%")
