"""What is examined: a task with all its tokens, or files under names that tell them apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.datasets.columns import Columns
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError, UnknownNameError
from sesstore.jobs.doctor import diagnose, fix, from_files, from_store
from sesstore.proteins import Protein
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task

from ..noting import Noting

PROTEINS = [Protein(f"p{n}", "MKVLA" + letter * 5) for n, letter in enumerate("ACDEFG")]


@pytest.fixture
def task(store: Store) -> Task:
    store.add_proteins([*PROTEINS, Protein("p1", "MKVLW"), Protein("q", PROTEINS[2].sequence)])
    splits = {}
    for place, name in enumerate(("train", "valid", "test")):
        part = PROTEINS[2 * place : 2 * place + 2]
        digests = np.frombuffer(b"".join(p.digest for p in part), np.uint8).reshape(-1, 32)
        splits[name] = Split(tuple(p.id for p in part), digests, [0, 1])
    made = Task("toy", Problem.SINGLE_LABEL, ("a", "b"), splits, ("accuracy",), "accuracy")
    store.add_task(made)
    return made


def test_a_task_comes_with_the_tokens_of_every_source(store: Store, task: Task) -> None:
    half, whole = np.zeros((1, 10), np.uint8), np.zeros((1, 10), np.uint8)
    half[0, :5] = FOLDSEEK.mask
    codes = {"foldseek": half, "dssp": whole}
    store.add_tokens([StructureTokens(PROTEINS[0].digest, "pdb", codes)], circumstances())
    masked = {"dssp": np.full((1, 10), DSSP.mask, np.uint8)}
    store.add_tokens([StructureTokens(PROTEINS[1].digest, "md", masked)], circumstances())
    other = Protein("w", "WWWWWWWWWW")
    store.add_proteins([other])
    store.add_tokens([StructureTokens(other.digest, "none", {"dssp": whole})], circumstances())
    patient = from_store(store, "toy")
    (data,) = patient.data
    assert data.tokens == {"pdb": {PROTEINS[0].digest: 0.75}, "md": {PROTEINS[1].digest: 0.0}}
    assert data.sequences == {p.digest: p.sequence for p in PROTEINS}
    assert patient.tokens == [{}]
    with pytest.raises(UnknownNameError, match="Did you mean 'toy'"):
        from_store(store, "tooy")


def test_a_name_that_came_with_another_sequence_is_told_first(store: Store, task: Task) -> None:
    (finding,) = from_store(store, "toy").findings
    assert (finding.what, finding.count, list(finding.examples)) == (
        "name_known_with_another_sequence", 1, ["p1"],
    )  # fmt: skip
    diagnosis = diagnose(from_store(store, "toy"))
    assert not diagnosis.healthy
    assert diagnosis.findings[0].what == finding.what
    order = [finding.biases for finding in diagnosis.findings]
    assert order == sorted(order, reverse=True)


def test_names_that_stand_for_their_own_proteins_are_no_finding(store: Store, task: Task) -> None:
    rows = slice(4, 6)  # p4 and p5; q has the sequence of p2
    part = replace(task.splits["test"], ids=tuple(p.id for p in PROTEINS[rows]))
    store.add_task(replace(task, name="own", splits={"test": part}))
    progress = Noting()
    patient = from_store(store, "own")
    assert patient.findings == []
    assert diagnose(patient, progress=progress).splits


def written(folder: Path, label: str = "y") -> Path:
    folder.mkdir(parents=True)
    for place, split in enumerate(("train", "valid", "test")):
        lines = [f"p{n}{place},{'ACDEFGHIKL'[n + 3 * place] * 9},{n}.5" for n in range(3)]
        (folder / f"{split}.csv").write_text("\n".join([f"id,seq,{label}", *lines]) + "\n")
    return folder


def test_files_are_named_by_folder_and_read_as_they_are_said_to_be(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name / "set") for name in ("a", "b"))
    patient = from_files("mine", [first, second], user_data=UserData(name="mine"))
    assert [data.name for data in patient.data] == ["a_set", "b_set"]
    assert [data.task.name for data in patient.data] == ["mine", "mine"]
    apart = from_files("mine", [first, written(tmp_path / "other")])
    assert [data.name for data in apart.data] == ["set", "other"]
    (alone,) = from_files(str(first), []).data
    assert alone.name == "set"
    with pytest.raises(InputError, match="two --data are the same"):
        from_files("mine", [first, first])
    other = written(tmp_path / "c", "Tm")
    with pytest.raises(InputError, match="Did you mean 'Tm'"):
        from_files("mine", [other], user_data=UserData(columns=Columns(label="Tn")))
    copies = fix(from_files(str(other), []), tmp_path / "clean")
    (facts,) = copies.values()
    assert facts["rows"] == {"train": 3, "valid": 3, "test": 3}
    names = {path.name for path in (tmp_path / "clean").iterdir()}
    assert names >= {"train.jsonl", "valid.jsonl", "test.jsonl"}


def test_files_of_a_published_task_are_read_as_add_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[tuple[object, ...], dict[str, object]]] = []

    def load(*args: object, **settings: object) -> None:
        calls.append((args, settings))
        raise SystemExit

    monkeypatch.setattr("sesstore.jobs.doctor.load_task", load)
    said = UserData(seed=3, drop_unlabelled=True, split_by="random")
    with pytest.raises(SystemExit):
        from_files("deeploc_binary", [tmp_path / "af"], user_data=said, allow_partial=True)
    (((plan, path, source), settings),) = calls
    assert (plan.name, path, source) == ("deeploc_binary", tmp_path / "af", "af")
    assert settings == {
        "allow_partial": True, "seed": 3, "drop_unlabelled": True, "split_by": "random",
    }  # fmt: skip
    monkeypatch.setattr("sesstore.jobs.doctor.load_own", load)
    with pytest.raises(SystemExit):
        from_files("mine.csv", [], user_data=said, allow_partial=True)
    assert calls[1] == ((Path("mine.csv"), said, "mine.csv"), {"allow_partial": True})
