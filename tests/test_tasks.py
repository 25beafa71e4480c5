from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.proteins import digest_of
from sesstore.tasks import Problem, Split, Task, first_labels, plain_label, readable_label


def split(*sequences: str, labels: list) -> Split:
    rows = np.frombuffer(b"".join(map(digest_of, sequences)), np.uint8).reshape(-1, 32)
    return Split(tuple(f"p{i}" for i in range(len(sequences))), rows, labels)


def task(**splits: Split) -> Task:
    return Task("t", Problem.SINGLE_LABEL, ("no", "yes"), splits, ("accuracy",), "accuracy")


def test_a_sequence_may_stand_in_two_rows_with_two_labels() -> None:
    assert len(split("MKT", "MKT", labels=[0, 1])) == 2


def test_a_split_needs_as_many_labels_as_rows() -> None:
    with pytest.raises(InputError):
        split("MKT", "MKV", labels=[0])


def test_the_data_digest_sees_rows_and_labels_but_not_ids() -> None:
    one = task(train=split("MKT", "MKV", labels=[0, 1]))
    same = task(train=Split(("a", "b"), one.splits["train"].digests, [0, 1]))
    assert one.data_digest == same.data_digest
    assert one.data_digest != task(train=split("MKT", "MKV", labels=[1, 0])).data_digest
    assert one.data_digest != task(valid=split("MKT", "MKV", labels=[0, 1])).data_digest


def test_an_absent_split_is_said() -> None:
    with pytest.raises(InputError, match="no split 'test', only train"):
        task(train=split("MKT", labels=[0])).split("test")


def test_outputs_follow_the_problem() -> None:
    assert task().n_outputs == 2
    assert Problem.RESIDUE_REGRESSION.per_residue
    assert Problem.RESIDUE_REGRESSION.is_regression
    assert not Problem.MULTI_LABEL.per_residue


def test_labels_become_plain_json() -> None:
    assert plain_label((1, 2)) == [1, 2]
    assert plain_label(np.array([1.0, np.nan])) == [1.0, None]
    assert plain_label(3) == 3


def test_of_a_repeated_protein_the_first_label_counts() -> None:
    labelled = task(train=split("MKT", "MKV", labels=[1, 0]), test=split("MKT", labels=[0]))
    assert first_labels(labelled) == {
        digest_of("MKT"): ("train", 1),
        digest_of("MKV"): ("train", 0),
    }
    shown = [readable_label(label, labelled) for label in (1, (0, 1), ())]
    assert shown == ["yes", ["no", "yes"], []]
    values = replace(labelled, problem=Problem.REGRESSION)
    assert readable_label(48.123456, values) == 48.1235
