"""What the doctor finds in the published sets, and in sets made ill on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.datasets.diagnosis import DataSet, data_set, examine
from sesstore.datasets.findings import EXAMPLES, first, label_text, rows_of, split_pairs
from sesstore.datasets.load import LoadedTask, load_own
from sesstore.datasets.user_data import UserData
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.tasks import Problem, Split, Task

from .conftest import FEW, counts, healthy_rows, write


def test_a_healthy_set(tmp_path: Path) -> None:
    found = examine([data_set("d", load_own(write(tmp_path / "d", healthy_rows()), UserData()))])
    assert found.healthy
    assert counts(found) == FEW
    assert [facts["rows"] for facts in found.splits] == [12, 4, 4]


A, B, C = (Protein(name, text) for name, text in zip("abc", ("MKVX", "MKVLAU", "MK"), strict=True))
SEQUENCES = {protein.digest: protein.sequence for protein in (A, B, C)}


def split_of(labels: list[int], *proteins: Protein) -> Split:
    digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
    return Split(tuple(p.id for p in proteins), digests, labels)


def task_of(**splits: Split) -> Task:
    return Task("toy", Problem.SINGLE_LABEL, ("no", "yes"), splits, ("mcc",), "mcc")


def test_sizes_lengths_letters_labels_and_tokens_of_each_split() -> None:
    task = task_of(train=split_of([0, 1, 1, 1], A, B, C, A), test=split_of([0], C))
    tokens = {"pdb": {A.digest: 0.5, B.digest: 1.0}, "none": {}}
    found = examine([DataSet("one", task, SEQUENCES, tokens), DataSet("two", task, SEQUENCES)])
    assert found.rows == 5
    assert [(facts["data"], facts["split"]) for facts in found.splits] == [
        ("one", "train"), ("one", "test"), ("two", "train"), ("two", "test"),
    ]  # fmt: skip
    assert found.splits[0] == {
        "data": "one",
        "split": "train",
        "rows": 4,
        "sequences": 3,
        "length": [2, 4, 6],
        "unusual_letters": 3,
        "labels": "yes 75%, no 25%",
        "tokens": {
            # Half of each A of 4 and all of B of 6, of 16 residues.
            "pdb": {"proteins": 0.75, "residues": (2 + 6 + 2) / 16},
            "none": {"proteins": 0.0, "residues": 0.0},
        },
    }
    assert found.splits[1]["tokens"]["pdb"] == {"proteins": 0.0, "residues": 0.0}
    assert found.splits[3]["tokens"] == {}
    biases = [finding.biases for finding in found.findings]
    assert biases == sorted(biases, reverse=True)
    assert not found.healthy
    document = found.to_json()
    assert (document["healthy"], document["rows"]) == (False, 5)
    assert document["findings"][0]["what"] == found.findings[0].what
    # A source without any tokens is not told; one of some is, once for each data set that has it.
    assert [f.count for f in found.findings if f.what == "without_tokens"] == [2]


def test_a_split_without_rows_has_no_lengths() -> None:
    empty = Split((), np.zeros((0, 32), np.uint8), [])
    task, tokens = task_of(train=split_of([0, 1], A, B), test=empty), {"pdb": {A.digest: 1.0}}
    facts = examine([DataSet("one", task, SEQUENCES, tokens)]).splits[1]
    assert facts["tokens"] == {"pdb": {"proteins": 0.0, "residues": 0.0}}  # and no NaN in JSON
    assert (facts["rows"], facts["sequences"], facts["length"]) == (0, 0, [])


def test_the_share_of_residues_with_a_token() -> None:
    """Three of four with a state of the fold, one with one of the backbone: half in the mean."""
    codes = {"foldseek": FOLDSEEK.encode("DVPD"), "dssp": DSSP.encode("HHHH")}
    codes["foldseek"][0] = FOLDSEEK.mask
    codes["dssp"][1:] = DSSP.mask
    tokens = [
        StructureTokens(A.digest, "pdb", codes),
        StructureTokens(C.digest, "af2", {"dssp": DSSP.encode("HE")}),
    ]
    loaded = LoadedTask(task_of(train=split_of([0, 1], A, C)), [A, C], tokens, [])
    data = data_set("mine", loaded)
    assert data.tokens == {"pdb": {A.digest: 0.5}, "af2": {C.digest: 1.0}}
    assert data.sequences == {A.digest: "MKVX", C.digest: "MK"}
    assert data.name == "mine"


def test_rows_pairs_of_splits_and_examples() -> None:
    part = split_of([0, 1], A, B)
    task = task_of(test_b=part, test=part, train=part, valid=part)
    assert split_pairs(task) == [
        ("train", "valid"), ("train", "test"), ("train", "test_b"), ("valid", "test"),
        ("valid", "test_b"),
    ]  # fmt: skip
    row = rows_of(task)[5]
    assert (row.split, row.id, row.place, row.digest, row.label) == (
        "train", "b", 1, B.digest, "yes",
    )  # fmt: skip
    assert first([str(n) for n in range(9)]) == ("0", "1", "2", "3", "4")
    assert EXAMPLES == 5
    finding = examine([DataSet("one", task_of(train=part), SEQUENCES)]).findings[0]
    assert finding.line == f"{finding.title}: {finding.count}"


@pytest.mark.parametrize(
    ("problem", "label", "text"),
    [
        (Problem.SINGLE_LABEL, 1, "yes"),
        (Problem.MULTI_LABEL, (0, 1), "no, yes"),
        (Problem.MULTI_LABEL, (), "none"),
        (Problem.REGRESSION, 41.50, "41.5"),
        (Problem.RESIDUE_REGRESSION, np.array([0.5, np.nan], np.float32), "[0.5, None]"),
    ],
)
def test_a_label_for_people(problem: Problem, label: object, text: str) -> None:
    task = Task("toy", problem, ("no", "yes"), {}, ("mcc",), "mcc")
    assert label_text(label, task) == text
