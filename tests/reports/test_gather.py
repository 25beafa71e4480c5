"""What a report shows is gathered from the run's folder and the store, for labels and values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.load import LoadedTask
from sesstore.errors import InputError, UnknownNameError
from sesstore.jobs.add import add, load
from sesstore.jobs.training.train import prepare, train
from sesstore.reports.gather import _mean_plddt, _typical_rows, gather
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.training.evaluate import load_predictions
from sesstore.training.fit_config import FitConfig

ADAPTER = {"alphabets": ("foldseek", "dssp"), "heads": 2, "width": 8, "head": "paper"}
CONFIG = FitConfig(epochs=1, batch_tokens=4096, lr=5e-3)
LABELS = {"ec": lambda rng: [3, int(rng.integers(0, 9))], "thermostability": lambda rng: 40.5}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def trained(name: str, store: Store, folder: Path) -> Path:
    """A run on a task with one file a split."""
    rng = np.random.default_rng(7)
    for split, count in (("train", 12), ("valid", 6), ("test", 6)):
        rows = []
        for i in range(count):
            length = int(rng.integers(9, 30))
            label = LABELS[name](rng)
            rows.append(
                {
                    "name": f"{split}{i}",
                    "aa_seq": "".join(rng.choice(list("ACDEFGHIKL"), length)),
                    "foldseek_seq": "D" * (length - 1) + "#",
                    "ss8_seq": "H" * length,
                    "label": label + i if name == "thermostability" else label,
                }
            )
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    loaded = load(name, data=folder, source="alphafold2")
    assert isinstance(loaded, LoadedTask)
    add(store, loaded)
    inputs = prepare(store, name, plm="blosum62", alphabets=("foldseek", "dssp"))
    return Path(train(inputs, ADAPTER, CONFIG, out=folder / "run").run)


@pytest.mark.parametrize("name", list(LABELS))
def test_proteins_with_attention_and_tokens(name: str, store: Store, tmp_path: Path) -> None:
    found = gather(trained(name, store, tmp_path), store, ["test2"])
    (one,) = found.tracks
    assert (one.id, one.reason, found.track_title) == ("test2", "chosen", "attention")
    assert one.values.sum() == pytest.approx(1)
    assert len(one.values) == len(one.sequence) == len(one.tokens["foldseek"])
    assert one.tokens["foldseek"].endswith("D#")
    assert one.label.startswith("3" if name == "ec" else "42.5")
    assert found.rows is not None
    assert np.isnan(found.rows.plddt).all()
    assert set(found.intervals) == set(found.values["test"]) == set(found.values["valid"])
    assert any("BLOSUM" in text or "Henikoff" in text for text in found.citations)
    without_store = gather(found.runs[0].path, None)  # as a comparison of runs is made
    assert without_store.citations == found.citations
    assert found.confusion is None
    assert bool(found.classes) == (name == "ec")


def test_a_task_that_has_changed_is_said(store: Store, tmp_path: Path) -> None:
    run = trained("thermostability", store, tmp_path)
    whys = [one.reason for one in gather(run, store).tracks]
    assert whys == ["smallest loss", "median loss", "largest loss"]
    with pytest.raises(UnknownNameError, match="test3"):
        gather(run, store, ["test33"])
    record = json.loads((run / "run.json").read_text())
    record["task"]["data_digest"] = "0" * 64
    (run / "run.json").write_text(json.dumps(record))
    found = gather(run, store)
    assert found.tracks == ()
    assert "not the version" in found.notes[0]
    with pytest.raises(InputError, match="not the version"):
        gather(run, store, ["test3"])


def test_the_typical_rows_are_those_of_the_losses() -> None:
    losses = np.array([0.3, 0.1, 0.9, np.nan, 0.5, 2.0])
    lengths = np.array([10, 10, 10, 10, 10, 1001])  # the last is too long to draw
    assert _typical_rows(losses, lengths) == {
        1: "smallest loss",
        4: "median loss",
        2: "largest loss",
    }
    assert _typical_rows(np.array([0.5]), np.array([10])) == {0: "largest loss"}
    assert _typical_rows(np.array([np.nan]), np.array([10])) == {}


def test_the_worst_protein_is_drawn_as_the_worst(store: Store, tmp_path: Path) -> None:
    found = gather(trained("thermostability", store, tmp_path), store)
    said, true = found.predicted[0].scores.numpy(), found.predicted[0].labels.numpy()
    errors = dict(zip(found.rows.ids, (said - true) ** 2, strict=True))
    drawn = {one.reason: one.id for one in found.tracks}
    assert errors[drawn["largest loss"]] == max(errors.values())
    assert errors[drawn["smallest loss"]] == min(errors.values())


def test_scores_of_valid_and_test_are_their_own(store: Store, tmp_path: Path) -> None:
    found = gather(trained("thermostability", store, tmp_path), store)
    for split in ("valid", "test"):
        saved = load_predictions(found.run, split)
        error = float((saved.scores - saved.labels).abs().mean())
        assert found.values[split]["mae"][0] == pytest.approx(error)
    assert found.values["valid"]["mae"] != found.values["test"]["mae"]
    low, high = found.intervals["mae"]
    assert low <= found.values["test"]["mae"][0] <= high


def test_confidence_of_a_protein_is_the_mean_over_its_residues() -> None:
    codes, plddt = {"dssp": np.zeros(3, np.uint8)}, np.array([10, 20, 90], np.uint8)
    tokens = StructureTokens(bytes(32), "alphafold2", codes, plddt)
    assert _mean_plddt(tokens) == 40
    assert np.isnan(_mean_plddt(replace(tokens, plddt=None)))
    assert np.isnan(_mean_plddt(None))
