"""The whole way by commands: add, embed, train, evaluate, predict, and what is listed after."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np


def test_the_whole_way(cli, data: Path, trained: Path) -> None:
    record = json.loads((trained / "run.json").read_text())
    assert record["task"]["name"] == "deeploc_binary"
    assert record["metrics"]["test"]["accuracy"] > 0.7

    measured = cli("evaluate", trained, "--json").json
    assert measured["metrics"].items() >= record["metrics"]["test"].items()
    assert measured["rows"] == 8
    assert set(measured["intervals"]) == set(measured["metrics"])
    assert [c["name"] for c in measured["per_class"]] == ["membrane", "soluble"]
    assert np.sum(measured["confusion"]) == 8
    said = cli("evaluate", trained).out
    assert "95 % interval" in said
    assert "Confusion matrix" in said

    predicted = cli("predict", trained, data / "test.jsonl", "--out", "new.csv")
    assert predicted.status == 0
    with Path("new.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["id"] for row in table] == [f"p2_{i}" for i in range(8)]
    assert {row["label"] for row in table} <= {"membrane", "soluble"}
    assert all(abs(float(r["p_membrane"]) + float(r["p_soluble"]) - 1) < 1e-3 for r in table)


def test_structures_to_predictions(cli, trained: Path, shared_structures: Path) -> None:
    said = cli("predict", trained, shared_structures / "1aki.pdb", "--source", "alphafold2")
    assert said.status == 0, said.err
    assert "1aki,129,True," in said.out
    done = cli("tokens", shared_structures / "1l2y.cif", "--source", "pdb", "--json").json
    assert (done["chains"], done["residues"]) == (1, 20)
