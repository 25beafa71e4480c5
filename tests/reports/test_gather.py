"""What a report shows is gathered from the run's folder and the store, for labels and values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.load import LoadedTask
from sesstore.encoders import registry
from sesstore.errors import InputError, UnknownNameError
from sesstore.jobs.add import add, load
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.training.train import prepare, train
from sesstore.proteins import Protein
from sesstore.provenance import circumstances
from sesstore.reports.gather import METHOD, TOKENS, _mean_plddt, _typical_rows, gather
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.training.evaluate import load_predictions
from sesstore.training.fit_config import FitConfig

ADAPTER = {"alphabets": ("foldseek", "dssp"), "heads": 2, "width": 8, "head": "paper"}
CONFIG = FitConfig(epochs=1, batch_tokens=4096, lr=5e-3)
LABELS = {"ec": lambda rng: [3, int(rng.integers(0, 9))], "thermostability": lambda rng: 40.5}


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


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Store]]:
    """The run on a task, and its store: made once, and not to be changed."""

    @cache
    def made(name: str) -> tuple[Path, Store]:
        folder = tmp_path_factory.mktemp(name)
        store = Store.create(folder / "store")
        return trained(name, store, folder), store

    return made


@pytest.mark.parametrize("name", list(LABELS))
def test_proteins_with_attention_and_tokens(name: str, runs) -> None:
    run, store = runs(name)
    found = gather(run, store, ["test2"])
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


def test_a_task_that_has_changed_is_said(runs, tmp_path: Path) -> None:
    path, store = runs("thermostability")
    run = Path(shutil.copytree(path, tmp_path / "run"))
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


def test_the_worst_protein_is_drawn_as_the_worst(runs) -> None:
    found = gather(*runs("thermostability"))
    said, true = found.predicted[0].scores.numpy(), found.predicted[0].labels.numpy()
    errors = dict(zip(found.rows.ids, (said - true) ** 2, strict=True))
    drawn = {one.reason: one.id for one in found.tracks}
    assert errors[drawn["largest loss"]] == max(errors.values())
    assert errors[drawn["smallest loss"]] == min(errors.values())


def test_scores_of_valid_and_test_are_their_own(runs) -> None:
    found = gather(*runs("thermostability"))
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


def test_each_row_has_its_own_length_confidence_and_error(runs, tmp_path: Path) -> None:
    run, store = runs("thermostability")
    own = Store.open(Path(shutil.copytree(store.path, tmp_path / "own")))
    split = own.task("thermostability").split("test")
    digests = [row.tobytes() for row in split.digests]
    lengths = [len(own.protein(digest)) for digest in digests]
    tokens = [
        replace(item, plddt=np.full(len(item), 10 + 9 * row, np.uint8))
        for row, item in enumerate(own.tokens("alphafold2").get_all(digests))
        if item is not None and row != 4
    ]
    own.add_tokens(tokens, circumstances())
    rows = gather(run, own).rows
    assert rows is not None
    assert rows.ids == split.ids
    assert rows.lengths.tolist() == lengths
    np.testing.assert_array_equal(rows.plddt, [10, 19, 28, 37, np.nan, 55])
    predicted = load_predictions(gather(run, None).run, "test")
    errors = (predicted.scores - predicted.labels).abs().double()
    np.testing.assert_allclose(rows.errors[predicted.rows.numpy()], errors)


def test_proteins_that_are_not_embedded_any_more_are_counted(runs, tmp_path: Path) -> None:
    run, store = runs("thermostability")
    other = Store.create(tmp_path / "other")
    task = store.task("thermostability")
    digests = [row.tobytes() for row in task.split("test").digests]
    everything = {protein.digest: protein for protein in store.proteins()}
    other.add_proteins(list(everything.values()))
    other.add_task(task)
    embed(other, registry.load("blosum62"), [everything[digest] for digest in digests[:2]])
    found = gather(run, other)
    assert (found.rows, found.tracks) == (None, ())
    (note,) = found.notes
    assert "4 proteins have no embedding any more" in note
    with pytest.raises(InputError, match=r"'test3' cannot be drawn: 4 proteins.*--store"):
        gather(run, other, ["test3"])


def test_without_rows_or_a_store_there_are_scores_alone(runs) -> None:
    run, store = runs("thermostability")
    scores, bare = gather(run, store, rows=False), gather(run, None)
    assert (scores.rows, scores.tracks, scores.notes) == (None, (), ())
    assert bare.notes == (
        "Not shown: proteins one by one, and where errors concentrate (no store was given).",
    )
    whole = gather(run, store)
    assert whole.notes == ()
    for found in (scores, bare):
        assert (found.name, found.split, found.values) == ("run", "test", whole.values)
        assert found.citations == whole.citations
    assert whole.citations[0] == METHOD
    assert whole.citations[-2:] == (TOKENS["foldseek"], TOKENS["dssp"])
    assert len(set(whole.citations)) == len(whole.citations)


def test_named_proteins_are_drawn_each_and_structures_looked_for(runs, tmp_path: Path) -> None:
    run, store = runs("thermostability")
    found = gather(run, store, ["test3", "test1"])
    assert [(track.id, track.reason) for track in found.tracks] == [
        ("test1", "chosen"), ("test3", "chosen"),
    ]  # fmt: skip
    split = store.task("thermostability").split("test")
    for track in found.tracks:
        digest = split.digests[split.ids.index(track.id)].tobytes()
        assert Protein("x", track.sequence).digest == digest
        assert "--structures" in track.absence
    for name in ("a.pdb", "b.pdb"):
        (tmp_path / name).write_text("ATOM  nothing\n")
    searched = gather(run, store, ["test3"], structures=[tmp_path])
    (track,) = searched.tracks
    assert track.absence.startswith("No structure is drawn: of 2 files none has a chain")
    assert searched.notes[-1].startswith("2 structures could not be used")
