"""Layers from the command line: embedded, listed, trained on, predicted with, exported."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesstore.encoders.randomweights import write_random_esm2

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


@pytest.fixture
def layered(cli: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store with a task, embedded by layers 2, 4 and the last."""
    weights = Path("weights/esm2_t6_8M_UR50D.pt").absolute()
    weights.parent.mkdir()
    write_random_esm2(weights, layers=6, dim=320)
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(weights))
    rng = np.random.default_rng(0)
    with open("toy.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "sequence", "label", "stage"])
        for n in range(24):
            sequence = "".join(rng.choice(LETTERS, 20 + n))
            rows.writerow([f"p{n}", sequence, n % 2, ("train", "valid", "test")[n % 3]])
    added = cli("add", "toy.csv", "--name", "toy", "--json")
    assert added.status == 0, added.err
    assert cli("embed", "toy", "--plm", "esm2_t6", "--layer", "2,4,last").status == 0
    return cli


def test_a_training_takes_the_named_layer_and_predicts_by_it(layered: Any) -> None:
    listed = layered("ls").out
    assert all(name in listed for name in ("UR50D@2", "UR50D@4"))
    assert "layer 4" in layered("status", "--plm", "esm2_t6", "--layer", "4").out
    common = ("train", "toy", "--plm", "esm2_t6", "--structure", "none", "--epochs", "1")
    common += ("--no-baselines", "--no-report", "--json")
    run = layered(*common, "--layer", "-3", "--out", "four").json["run"]
    assert "UR50D" in layered(*common).json["run"]
    Path("new.fasta").write_text(">new\nMKVLAAGGHW\n")
    told = layered("predict", run, "new.fasta", "--json").json
    assert told["encoder"] == "esm2_t6_8M_UR50D@4"
    assert told["embedded"] == 1
    (done,) = layered("status", "--plm", "esm2_t6@4", "--json").json["encoders"]
    assert (done["layer"], done["done"]) == (4, 25)


def test_a_layer_that_is_not_stored_is_embedded_first(layered: Any) -> None:
    said = layered(
        "train", "toy", "--plm", "esm2_t6", "--layer", "1", "--structure", "none", "--epochs", "1",
        "--no-baselines", "--no-report", "--out", "one",
    )  # fmt: skip
    assert said.status == 0, said.err
    assert "UR50D@1" in layered("ls").out


def test_exports_are_of_one_layer(layered: Any) -> None:
    told = layered("export", "fairesm", "out", "--plm", "esm2_t6", "--layer", "2", "--json").json
    assert (told["layer"], told["written"]) == (2, 24)
    import torch

    content = torch.load(next(Path("out").glob("*.pt")), weights_only=True)
    assert list(content["representations"]) == [2]


def test_wrong_layers_are_known_at_once(cli: Any) -> None:
    for words in (
        ("embed", "--plm", "esm2_t6", "--layer", "7"),
        ("embed", "--plm", "esm2_t6@2", "--layer", "3"),
        ("plan", "--plm", "esm2_t6", "--layer", "first", "--proteins", "human"),
    ):
        said = cli(*words)
        assert said.status == 2
        assert "layer" in said.err
    assert "1 to 6" in cli("plms", "esm2_t6").out
