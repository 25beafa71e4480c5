from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.proteins import digest_of
from sesstore.tasks import (
    Problem,
    Split,
    Task,
    first_labels,
    part_of,
    plain_label,
    pooled,
    readable_label,
    split_rank,
)


def split(*sequences: str, labels: list, groups: tuple[str, ...] = ()) -> Split:
    rows = np.frombuffer(b"".join(map(digest_of, sequences)), np.uint8).reshape(-1, 32)
    return Split(tuple(f"p{i}" for i in range(len(sequences))), rows, labels, groups)


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


def test_groups_and_digests_are_one_a_row() -> None:
    with pytest.raises(InputError, match="as many groups as rows"):
        split("MKT", "MKV", labels=[0, 1], groups=("a",))
    with pytest.raises(InputError, match="lists of one length"):
        Split(("a",), np.zeros((1, 31), np.uint8), [0])
    with pytest.raises(InputError, match="lists of one length"):
        Split(("a", "b"), np.zeros((1, 32), np.uint8), [0, 1])


def test_splits_rank_as_they_are_reported() -> None:
    names = ["test2", "valid", "train", "test"]
    assert [split_rank(name) for name in names] == [2, 1, 0, 2]


def test_a_monitor_is_measured_once() -> None:
    assert task().measures == ("accuracy",)
    assert replace(task(), monitor="mcc").measures == ("accuracy", "mcc")
    assert replace(task(), metrics=("a", "b"), monitor="b").measures == ("a", "b")


def test_values_and_residues_have_outputs_of_their_own() -> None:
    widths = {problem: replace(task(), problem=problem).n_outputs for problem in Problem}
    assert widths == {
        Problem.SINGLE_LABEL: 2,
        Problem.MULTI_LABEL: 2,
        Problem.REGRESSION: 1,
        Problem.RESIDUE_SINGLE_LABEL: 2,
        Problem.RESIDUE_REGRESSION: 1,
    }


def test_the_data_digest_sees_the_problem_and_the_order_of_rows() -> None:
    one = task(train=split("MKT", "MKV", labels=[0, 0]))
    assert one.data_digest != replace(one, problem=Problem.REGRESSION).data_digest
    assert one.data_digest != task(train=split("MKV", "MKT", labels=[0, 0])).data_digest
    assert one.data_digest == replace(one, classes=("a", "b"), monitor="mcc").data_digest


def test_pooled_rows_are_those_of_train_valid_and_test_in_this_order() -> None:
    whole = task(
        test2=split("MKI", labels=[0], groups=("d",)),
        test=split("MKL", labels=[0], groups=("c",)),
        train=split("MKT", "MKV", labels=[1, 0], groups=("a", "b")),
        valid=split(labels=[]),
    )
    rows = pooled(whole)
    assert [row.tobytes() for row in rows.digests] == [*map(digest_of, ("MKT", "MKV", "MKL"))]
    assert (rows.ids, rows.labels, rows.groups) == (("p0", "p1", "p0"), [1, 0, 0], ("a", "b", "c"))
    apart = replace(whole, splits={**whole.splits, "valid": split("MKM", labels=[1])})
    assert pooled(apart).groups == ()
    assert pooled(task(test=split("MKL", labels=[1]))).labels == [1]


def test_a_part_of_a_split_keeps_its_rows_together() -> None:
    rows = split("MKT", "MKV", "MKL", labels=[5, 6, 7], groups=("a", "b", "c"))
    part = part_of(rows, np.array([2, 0]))
    assert (part.ids, part.labels, part.groups) == (("p2", "p0"), [7, 5], ("c", "a"))
    assert [row.tobytes() for row in part.digests] == [digest_of("MKL"), digest_of("MKT")]
    assert part_of(split("MKT", labels=[0]), np.array([0])).groups == ()
