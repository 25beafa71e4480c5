"""Which proteins a prediction is for, in which order, and where their tokens are."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from sesstore.encoders import registry
from sesstore.errors import InputError
from sesstore.jobs.predicting import loaded_run
from sesstore.jobs.predicting import prediction_inputs as module
from sesstore.jobs.predicting.loaded_run import LoadedRun
from sesstore.jobs.predicting.prediction_inputs import InputSpec, PredictionInputs, read_inputs
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.structures.structure_files import StructureFile

from ...noting import Noting
from ..conftest import labelled


def listed(inputs: PredictionInputs) -> list[tuple[list[str], Store | None]]:
    """Ids of each part, and where its tokens are."""
    return [([p.id for p in part.proteins], part.tokens) for part in inputs.parts()]


@pytest.fixture
def mixed(shared_structures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InputSpec:
    """Files of sequences and of structures between each other, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    for name in ("1aki.pdb", "1l2y.cif"):
        shutil.copyfile(shared_structures / name, tmp_path / name)
    Path("bad.pdb").write_text("nothing\n")
    Path("a.fasta").write_text(">a\nMKVLA\n>b\nMKVLG\n")
    last = StructureFile(Path("1l2y.cif"))
    names = ["1aki.pdb", "bad.pdb", "a.fasta", "MKVLH", "1l2y.cif"]
    return InputSpec(names, [Protein("hand", "MKV")], source="pdb", structures=[last])


@pytest.mark.parametrize("keep", [False, True])
def test_parts_come_as_named_and_tokens_stay_where_that_is_said(
    mixed: InputSpec, store: Store, keep: bool
) -> None:
    with read_inputs(mixed, store, keep=keep) as inputs:
        assert not inputs.counted
        assert (inputs.proteins, inputs.residues) == (4, 18)  # those of structures show later
        files = [file.path.name for file in inputs.structure_files]
        assert files == ["1aki.pdb", "bad.pdb", "1l2y.cif", "1l2y.cif"]
        parts = listed(inputs)
        assert [ids for ids, _ in parts] == [
            ["hand"], ["1aki"], ["a", "b", "seq1"], ["1l2y"], ["1l2y"],
        ]  # fmt: skip
        scratch = parts[1][1]
        assert scratch is not None
        assert [tokens for _, tokens in parts] == [store, scratch, store, scratch, scratch]
        assert scratch.tokens("pdb").has([p.digest for p in scratch.proteins()]).all()
        assert list(inputs.failed) == ["bad.pdb"]
        assert (scratch is store) is keep
    assert store.sources() == (["pdb"] if keep else [])
    assert store.count_proteins() == (2 if keep else 0)
    assert scratch.path.exists() is keep


def test_structures_in_groups_are_as_in_one(
    mixed: InputSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = InputSpec(["1l2y.cif", "bad.pdb", "1aki.pdb"], source="pdb")
    monkeypatch.setattr(module, "_GROUP", 1)
    with read_inputs(spec, None, keep=False) as inputs:
        ((ids, _),) = listed(inputs)
        assert (ids, list(inputs.failed)) == (["1l2y", "1aki"], ["bad.pdb"])


def test_a_folder_of_structures_needs_no_suffix(mixed: InputSpec) -> None:
    Path("models").mkdir()
    shutil.copyfile("1l2y.cif", "models/1l2y.cif")
    with read_inputs(InputSpec(["models"], source="pdb"), None, keep=False) as inputs:
        assert [str(file.path) for file in inputs.structure_files] == ["models/1l2y.cif"]
        assert [ids for ids, _ in listed(inputs)] == [["1l2y"]]


def test_structures_need_a_source(mixed: InputSpec) -> None:
    for spec in (InputSpec(["1aki.pdb"]), InputSpec(structures=mixed.structures)):
        with (
            pytest.raises(InputError, match="--source"),
            read_inputs(spec, None, keep=False),
        ):
            pass


def test_sequences_as_text_are_numbered_each_once(
    store: Store, proteins: list[Protein], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labelled(store, proteins)
    notes = Noting()
    piped = io.BytesIO(b">piped\nMKVL\n")
    spec = InputSpec(["MKVLG", "toy", "MKVLA*", "-", "MKVLG"], stdin=piped)
    with read_inputs(spec, store, keep=False, progress=notes) as inputs:
        ((ids, tokens),) = listed(inputs)
        assert (inputs.counted, inputs.proteins, tokens) == (True, 43, store)
        assert [ids[0], *ids[-3:]] == ["seq1", "seq2", "piped", "seq1"]
        assert inputs.residues == 5 + 5 + 5 + 4 + sum(len(p) for p in proteins[:39])
    with (
        pytest.raises(InputError, match="read once"),
        read_inputs(InputSpec(["-"]), store, keep=False),
    ):
        pass


def test_a_loaded_run_computes_where_it_is_told_and_by_these_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[object, ...]] = []
    runs = [SimpleNamespace(fingerprint="one"), SimpleNamespace(fingerprint="other")]
    monkeypatch.setattr(registry, "load_same", lambda *args, **given: calls.append((*args, given)))
    monkeypatch.setattr(loaded_run, "Predictor", lambda *args: calls.append(args))
    monkeypatch.setattr(loaded_run, "runs_at", {"a run": runs}.get)
    loaded = LoadedRun("a run", Path("w.pt"), "cpu")
    loaded.encoder, loaded.predictor  # noqa: B018 - reads the weights
    assert calls == [("one", {"weights": Path("w.pt"), "device": "cpu"}), (runs, "cpu")]
    assert loaded.run is runs[0]
