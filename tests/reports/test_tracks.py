"""What is drawn along proteins of a residue task, some of whose residues have no label."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.errors import InputError
from sesstore.jobs.demo import demo_files
from sesstore.jobs.training.train import prepare, train
from sesstore.proteins import Protein
from sesstore.reports import tracks
from sesstore.reports.gather import gather
from sesstore.reports.material import ERROR, SURENESS, Material
from sesstore.reports.residues import line_chart, track_view
from sesstore.reports.structure_search import search_structures
from sesstore.reports.structure_view import view_data
from sesstore.reports.tracks import StoredRows, _predicted, plddt_of
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.structures.chains import read_structure
from sesstore.tasks import IGNORED, Problem, Split, Task
from sesstore.training.fit_config import FitConfig
from sesstore.training.intervals import Predicted
from sesstore.training.metrics import METRICS

UNLABELLED = 3
CHAINS = list(demo_files())[:6]


def labels_of(problem: Problem, sequence: str) -> np.ndarray:
    """Labels of residues, by their letters; the first three have none."""
    letters = np.frombuffer(sequence.encode(), np.uint8)
    if problem.is_regression:
        labels = letters.astype(np.float32)
        labels[:UNLABELLED] = np.nan
        return labels
    labels = letters.astype(np.int64) % 3
    labels[:UNLABELLED] = IGNORED
    return labels


def trained(problem: Problem, folder: Path) -> tuple[Path, Store]:
    """A run on two chains a split, without structure tokens."""
    store = Store.create(folder / "store")
    proteins = [
        Protein(name, read_structure(demo_files()[name][0]).chains[0].residues) for name in CHAINS
    ]
    store.add_proteins(proteins)
    splits = {}
    for k, name in enumerate(("train", "valid", "test")):
        rows = proteins[2 * k : 2 * k + 2]
        digests = np.frombuffer(b"".join(p.digest for p in rows), np.uint8).reshape(-1, 32)
        labels = [labels_of(problem, p.sequence) for p in rows]
        splits[name] = Split(tuple(p.id for p in rows), digests, labels)
    metric = next(iter(METRICS[problem]))
    classes = ("shift",) if problem.is_regression else ("H", "E", "C")
    store.add_task(Task("toy", problem, classes, splits, (metric,), metric))
    inputs = prepare(store, "toy", plm="blosum62", alphabets=())
    shape = {"heads": 2, "width": 8, "alphabets": ()}
    config = FitConfig(epochs=2, batch_tokens=200, lr=5e-3)
    return Path(train(inputs, shape, config, out=folder / "run").run), store


@pytest.fixture(scope="module", params=[Problem.RESIDUE_SINGLE_LABEL, Problem.RESIDUE_REGRESSION])
def material(request, tmp_path_factory: pytest.TempPathFactory) -> Material:
    run, store = trained(request.param, tmp_path_factory.mktemp("run"))
    return gather(run, store, structures=[demo_files()[CHAINS[4]][0]])


def test_values_are_at_the_places_of_their_residues(material: Material) -> None:
    predicted = material.predicted[0]
    regression = material.problem.is_regression
    assert material.track_title == (ERROR if regression else SURENESS)
    assert {track.id for track in material.tracks} == set(CHAINS[4:])
    for track in material.tracks:
        row = CHAINS[4:].index(track.id)
        assert len(track.values) == len(track.sequence)
        assert np.isnan(track.values[:UNLABELLED]).all()
        own = predicted.scores[predicted.rows == row].double().numpy()
        truth = labels_of(material.problem, track.sequence)[UNLABELLED:]
        prediction, true = (colouring.values for colouring in track.further)
        np.testing.assert_allclose(true[UNLABELLED:], truth, rtol=1e-6)
        if regression:
            np.testing.assert_allclose(track.values[UNLABELLED:], abs(own - truth), rtol=1e-5)
            np.testing.assert_allclose(prediction[UNLABELLED:], own)
        else:
            sureness = own[np.arange(len(own)), truth]
            np.testing.assert_allclose(track.values[UNLABELLED:], sureness)
            np.testing.assert_array_equal(prediction[UNLABELLED:], own.argmax(1))
        rows = line_chart(track, "x", False).to_dict()["data"]["values"]
        assert [r["value"] is None for r in rows[: UNLABELLED + 1]] == [True] * 3 + [False]


def test_each_protein_has_its_structure_or_the_reason_why_not(material: Material) -> None:
    first, second = sorted(material.tracks, key=lambda track: CHAINS.index(track.id))
    assert first.structure is not None
    assert first.absence == ""
    view = view_data(track_view(first, material.track_title, False))
    assert view["structure"]["name"] == demo_files()[CHAINS[4]][0].name
    assert view["structure"]["chains"][0]["places"] == list(range(len(first.sequence)))
    assert second.structure is None
    assert "of 1 files none has a chain of this sequence" in second.absence
    notes = view_data(track_view(second, material.track_title, False))["notes"]
    assert notes == [second.absence]


def test_structures_need_the_proteins_and_without_them_it_is_said(tmp_path: Path) -> None:
    run, store = trained(Problem.RESIDUE_SINGLE_LABEL, tmp_path)
    path = demo_files()[CHAINS[4]][0]
    with pytest.raises(InputError, match="no store was given"):
        gather(run, None, structures=[path])
    for track in gather(run, store).tracks:
        assert "--structures" in track.absence


def test_confidence_is_the_stored_one_or_that_of_the_file(shared_cases: Path) -> None:
    tokens = StructureTokens(bytes(32), "alphafold2", {}, np.array([0, 71, 99], np.uint8))
    np.testing.assert_array_equal(plddt_of(tokens, None, ""), [np.nan, 71, 99])
    assert plddt_of(None, None, "") is None
    path = shared_cases / "21-afdb-names" / "AF-P00698-F1-model_v6.cif"
    (chain,) = read_structure(path).chains
    tagged = Protein("P00698", f"GS{chain.residues}")
    viewed = search_structures([path], [tagged]).structures[tagged.digest]
    values = plddt_of(None, viewed, "")
    assert values is not None
    assert np.isnan(values[:2]).all()
    np.testing.assert_allclose(values[2:], np.rint(100 * chain.bfactors))
    experiment = shared_cases.parent / "structures" / "1aki.cif"
    (chain,) = read_structure(experiment).chains
    protein = Protein("1aki_A", chain.residues)
    viewed = search_structures([experiment], [protein]).structures[protein.digest]
    assert plddt_of(None, viewed, "alphafold2") is None


def test_predicted_and_true_values_have_one_scale(material: Material) -> None:
    for track in material.tracks:
        predicted, true = track.further
        if material.problem.is_regression:
            reach = [
                float(f([f(predicted.values), f(true.values)])) for f in (np.nanmin, np.nanmax)
            ]
            for colouring in (predicted, true):
                assert [colouring.stops[0][0], colouring.stops[-1][0]] == pytest.approx(reach)
            assert (predicted.name, true.name) == ("predicted shift", "true shift")
        else:
            assert (predicted.name, true.name) == ("predicted class", "true class")
            assert [name for name, _ in true.classes] == ["H", "E", "C"]


def test_of_two_classes_the_probability_of_the_second_is_drawn(material: Material) -> None:
    labels = [np.array([0, IGNORED, 1]), np.array([1, 0])]
    split = Split(("a", "b"), np.zeros((2, 32), np.uint8), labels)
    names = ("off", "on")
    task = Task("two", Problem.RESIDUE_SINGLE_LABEL, names, {"test": split}, ("mcc",), "mcc")
    scores = torch.tensor([[0.9, 0.1], [0.25, 0.75], [0.4, 0.6], [0.8, 0.2]])
    predicted = Predicted(scores, torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 1]))
    record = {**material.run.task, "classes": list(names), "problem": "residue_single_label"}
    two = replace(
        material, runs=(replace(material.run, task=record),), predicted=(predicted,), split="test"
    )
    rows = StoredRows(None, task, None, None)
    for row, (share, truth) in enumerate((([0.1, np.nan, 0.75], [0, np.nan, 1]),
                                          ([0.6, 0.2], [1, 0]))):  # fmt: skip
        probability, true = _predicted(two, rows, row)
        assert (probability.name, true.name) == ("probability of on", "true class")
        np.testing.assert_allclose(probability.values, share, rtol=1e-6)
        np.testing.assert_array_equal(true.values, truth)
        assert [probability.stops[0][0], probability.stops[-1][0]] == [0, 1]


def test_a_run_that_pools_nothing_says_so(material: Material, monkeypatch) -> None:
    split = Split(("a",), np.zeros((1, 32), np.uint8), [0])
    task = Task("x", Problem.SINGLE_LABEL, ("a", "b"), {"test": split}, ("mcc",), "mcc")
    monkeypatch.setattr(tracks, "pooling_weights", lambda *_: None)
    record = {**material.run.task, "problem": "single_label"}
    whole = replace(material, runs=(replace(material.run, task=record),), split="test")
    drawn, title, (note,) = tracks.tracks_of(whole, StoredRows(None, task, None, None), {0: "x"})
    assert (drawn, title) == ((), "")
    assert note.startswith("No attention over residues: the run ")


@pytest.mark.filterwarnings("error")
def test_a_protein_without_any_label_is_drawn_without_values(material: Material) -> None:
    """As one that was named, for its structure's sake."""
    problem, regression = material.problem, material.problem.is_regression
    unlabelled = np.full(3, np.nan if regression else IGNORED, np.float32 if regression else int)
    split = Split(("a",), np.zeros((1, 32), np.uint8), [unlabelled])
    names = tuple(material.run.task["classes"])
    task = Task("x", problem, names, {"test": split}, (material.monitor,), material.monitor)
    scores = torch.zeros(0) if regression else torch.zeros(0, 3)
    empty = Predicted(scores, torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    bare = replace(material, predicted=(empty,), split="test")
    track = replace(
        material.tracks[0], sequence="MKV", values=np.full(3, np.nan), structure=None, tokens={},
        further=_predicted(bare, StoredRows(None, task, None, None), 0), plddt=None,
    )  # fmt: skip
    data = view_data(track_view(track, material.track_title, False))
    json.dumps(data, allow_nan=False)
    assert [colouring["values"] for colouring in data["colourings"]] == [[None] * 3] * 3
