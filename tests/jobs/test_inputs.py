"""Which task, encoder, structures and folder are meant, and what is refused before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.errors import (
    FingerprintMismatchError,
    InputError,
    MissingFileError,
    UnknownNameError,
    UnwritableError,
)
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.inputs import (
    check_folder,
    check_inputs,
    check_study,
    check_training,
    chosen_encoder,
    chosen_source,
    chosen_structure,
    covering_sources,
    is_sequence,
    names_settings,
    task_proteins,
)
from sesstore.proteins import Protein
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task
from sesstore.training.foldruns import FoldsRecord
from sesstore.training.runs import RECORD, STATE

PROTEINS = [Protein(f"p{n}", "MKVLA" + "ACDEFG"[n]) for n in range(6)]


def tokens(protein: Protein, source: str, *alphabets: str) -> StructureTokens:
    codes = {name: np.ones((1, len(protein)), np.uint8) for name in alphabets}
    return StructureTokens(protein.digest, source, codes, None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Sources of both alphabets, of 3Di alone, and of a protein that no task has."""
    store = Store.create(tmp_path_factory.mktemp("inputs") / "store")
    store.add_proteins(PROTEINS)
    splits = {}
    for name, rows in {
        "train": PROTEINS[:3],
        "valid": PROTEINS[2:4],
        "test": PROTEINS[4:5],
    }.items():
        digests = np.frombuffer(b"".join(p.digest for p in rows), np.uint8).reshape(-1, 32)
        splits[name] = Split(tuple(p.id for p in rows), digests, [0] * len(rows))
    whole = Task("toy", Problem.SINGLE_LABEL, ("a", "b"), splits, ("accuracy",), "accuracy")
    store.add_task(whole)
    store.add_tokens([tokens(PROTEINS[4], "pdb", "foldseek", "dssp")], circumstances())
    store.add_tokens([tokens(PROTEINS[0], "md", "foldseek")], circumstances())
    store.add_tokens([tokens(PROTEINS[5], "other", "foldseek", "dssp")], circumstances())
    embed(store, registry.load("onehot"))
    return store


def test_a_source_covers_a_task_by_any_of_its_proteins(store: Store) -> None:
    task = store.task("toy")
    assert sorted(covering_sources(store, task)) == ["md", "pdb"]
    with pytest.raises(InputError, match="which structures"):
        chosen_source(store, None, task)
    assert chosen_source(store, None, replace(task, source="pdb")) == "pdb"
    assert chosen_source(store, "other", replace(task, source="pdb")) == "other"
    only = replace(task, splits={"test": task.splits["test"]})
    assert chosen_source(store, None, only) == "pdb"
    # What the task remembers is no use where it has nothing of the task.
    assert chosen_source(store, None, replace(only, source="other")) == "pdb"
    with pytest.raises(InputError, match="no tokens of source 'esmfold'"):
        chosen_source(store, "esmfold", task)
    with pytest.raises(InputError, match="which structures"):
        chosen_source(store, None)
    assert sorted(p.id for p in task_proteins(store, task)) == ["p0", "p1", "p2", "p3", "p4"]


def test_structure_is_what_is_named_or_what_there_is(store: Store) -> None:
    task = store.task("toy")
    choice = chosen_structure(store, task, ("dssp",), "pdb")
    assert (choice.source, choice.alphabets) == ("pdb", ("dssp",))
    choice = chosen_structure(store, task, (), "pdb")
    assert (choice.source, choice.alphabets) == (None, ())
    lines: list[str] = []
    progress = SimpleNamespace(note=lines.append)
    assert chosen_structure(store, task, None, "md", progress).alphabets == ("foldseek",)
    assert lines == ["'md' has no dssp tokens: training without these"]
    choice = chosen_structure(store, task, None, "pdb", progress)
    assert (choice.source, choice.alphabets) == ("pdb", ("foldseek", "dssp"))
    assert len(lines) == 1
    bare = replace(task, splits={"valid": task.splits["valid"]})
    choice = chosen_structure(store, bare)
    assert (choice.source, choice.alphabets) == (None, ())
    with pytest.raises(UnknownNameError, match="dsp"):
        chosen_structure(store, task, ("dsp",), "pdb")


def test_an_encoder_is_the_only_one_or_the_one_named(store: Store) -> None:
    fingerprint = store.embeddings().provenance.fingerprint
    for name in (None, "onehot", "ONEHOT", fingerprint.digest[:6]):
        provenance = chosen_encoder(store, name)
        assert provenance is not None
        assert provenance.fingerprint == fingerprint
    assert chosen_encoder(store, "blosum62") is None
    with pytest.raises(UnknownNameError, match="onehott"):
        chosen_encoder(store, "onehott")


def test_of_several_encoders_or_none_those_that_are_stored_are_said(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    store.add_proteins(PROTEINS[:1])
    with pytest.raises(InputError, match=r"which encoder.*\(stored here: none\)"):
        chosen_encoder(store, None)
    embed(store, registry.load("onehot"))
    provenance = chosen_encoder(store, "@0")
    assert provenance is not None
    assert provenance.fingerprint.encoder == "onehot"
    embed(store, registry.load("blosum62"))
    names = sorted(p.fingerprint.encoder for p in store.encoders())
    with pytest.raises(InputError, match="which encoder") as refusal:
        chosen_encoder(store, None)
    assert all(name in str(refusal.value) for name in names)
    with pytest.raises(FingerprintMismatchError):
        chosen_encoder(store, "@0")


def test_weights_or_a_precision_of_an_encoder_that_is_named_tell_which_is_meant() -> None:
    weights = Path("w.pt")
    assert names_settings("onehot", weights, None)
    assert names_settings("onehot", None, "bf16")
    assert not names_settings("onehot", None, None)
    assert not names_settings(None, weights, None)
    with pytest.raises(InputError, match="precision bf16 of which encoder"):
        names_settings(None, None, "bf16")


def test_wrong_names_are_known_before_any_work(store: Store, tmp_path: Path) -> None:
    right = {"plm": "onehot", "alphabets": ("dssp",), "source": "pdb", "out": tmp_path / "o"}
    check_training(store, "toy", **right)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / RECORD).touch()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / STATE).touch()
    check_training(store, "toy", **{**right, "out": tmp_path / "begun"}, resume=True)
    with pytest.raises(InputError, match="holds an interrupted training"):
        check_training(store, "toy", **{**right, "out": tmp_path / "begun"})
    wrong = {
        "plm": "onehott", "alphabets": ("dsp",), "source": "esmfold", "out": tmp_path / "run",
    }  # fmt: skip
    for name, value in wrong.items():
        with pytest.raises(InputError):
            check_training(store, "toy", **{**right, name: value})
    with pytest.raises(UnknownNameError):
        check_training(store, "tooy", **right)
    with pytest.raises(InputError, match="which training shall go on"):
        check_training(store, "toy", **{**right, "out": None}, resume=True)
    with pytest.raises(UnknownNameError):
        check_training(store, "toy", **{**right, "plm": "onehott", "weights": tmp_path / "w.pt"})
    check_study(store, "toy", plm="onehot", sources=("pdb", "md"))
    for task, plm, sources in (
        ("tooy", None, ()), ("toy", "onehott", ()), ("toy", None, ("pdb", "esmfold")),
    ):  # fmt: skip
        with pytest.raises(InputError):
            check_study(store, task, plm=plm, sources=sources)


def test_a_folder_is_new_or_gone_on_with(tmp_path: Path) -> None:
    check_folder(tmp_path / "new", resume=False)
    check_folder(tmp_path / "new", resume=True)
    done, seeds, begun, folds = (tmp_path / name for name in ("done", "seeds", "begun", "folds"))
    for file in (done / RECORD, seeds / "seed-3" / RECORD, begun / STATE, begun / RECORD):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    FoldsRecord({}, "", [0], [[0]]).save(folds)
    for folder in (done, seeds):
        for resume in (False, True):
            with pytest.raises(InputError, match="holds a run already"):
                check_folder(folder, resume=resume)
    for folder in (begun, folds):
        with pytest.raises(InputError, match="interrupted"):
            check_folder(folder, resume=False)
        check_folder(folder, resume=True)
    with pytest.raises(UnwritableError):
        check_folder(done / RECORD / "run", resume=False)


def test_a_sequence_is_not_nearly_a_task(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_sequence("MKV", ["toy"])
    assert is_sequence("MKVLA*", ["toy"])
    assert is_sequence("ACDEFGHIKLMNPQRSTVWYXUZOBJ", [])
    for name in ("MK", "mkv", "MKO1", "TASK"):
        assert not is_sequence(name, ["task"])
    Path("a.fasta").touch()
    check_inputs(["-", "toy", "a.fasta"], ["toy"])
    check_inputs(["MKVLA"], ["toy"], sequences=True)
    for name, error in (
        ("MKVLA", UnknownNameError), ("b.fasta", MissingFileError), ("a/b", MissingFileError),
    ):  # fmt: skip
        with pytest.raises(error):
            check_inputs(["toy", name], ["toy"])
    with pytest.raises(UnknownNameError, match="tooy"):
        check_inputs(["MKVLA", "tooy"], ["toy"], sequences=True)
    check_inputs(["uniprot:P69905,P68871", "afdb:P69905"], [])
    with pytest.raises(InputError, match="'P6990' in 'afdb:P69905,P6990' is no UniProt"):
        check_inputs(["afdb:P69905,P6990"], [], sequences=True)
