"""Folds hold each row once, relatives together, labels spread; and say what they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sesstore.datasets.folds import cut_folds, deal, held_out, label_strata, make_folds
from sesstore.errors import InputError
from sesstore.proteins import Protein
from sesstore.tasks import Problem, Split, Task, pooled

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")
RNG = np.random.default_rng(6)


def proteins(count: int) -> list[Protein]:
    return [Protein(f"p{i}", "".join(RNG.choice(LETTERS, 40))) for i in range(count)]


def task_of(rows: list[Protein], labels: list, groups: list[str] | None = None, **further) -> Task:
    splits, third = {}, len(rows) // 3
    for place, name in enumerate(("train", "valid", "test")):
        part = slice(place * third, (place + 1) * third if place < 2 else len(rows))
        digests = np.frombuffer(b"".join(p.digest for p in rows[part]), np.uint8).reshape(-1, 32)
        names = tuple(groups[part]) if groups else ()
        splits[name] = Split(tuple(p.id for p in rows[part]), digests, labels[part], names)
    return Task("toy", Problem.SINGLE_LABEL, ("a", "b"), splits, ("mcc",), "mcc", **further)


def sequences_of(rows: list[Protein]) -> dict[bytes, str]:
    return {protein.digest: protein.sequence for protein in rows}


def test_each_row_is_tested_once_and_never_trained_on_with_its_test() -> None:
    rows = proteins(60)
    task = task_of(rows, [int(n < 12) for n in range(60)], split_by="random")
    folds = make_folds(task, sequences_of(rows), 5)
    tested = [name for part in folds.tasks for name in part.splits["test"].ids]
    assert sorted(tested) == sorted(p.id for p in rows)
    for part in folds.tasks:
        ids = {name: set(split.ids) for name, split in part.splits.items()}
        assert sum(map(len, ids.values())) == len(set.union(*ids.values())) == 60
        assert {name: len(split) for name, split in ids.items()} == {
            "train": 42, "valid": 6, "test": 12,
        }  # fmt: skip
        for split in part.splits.values():  # 12 of 60 rows are of class b
            assert 1 <= sum(split.labels) <= 0.2 * len(split) + 1.5
    assert folds.rows_task.splits["train"].ids == pooled(task).ids
    assert list(folds.rows_task.splits) == ["train"]
    for place, part in enumerate(folds.tasks):
        for name, chosen in (("test", folds.tested), ("valid", folds.valid)):
            ids = [folds.rows_task.splits["train"].ids[row] for row in chosen[place]]
            assert part.splits[name].ids == tuple(ids)
    assert "5 folds of 60 rows (train, valid and test together) at random" in folds.note
    again = make_folds(task, sequences_of(rows), 5)
    other = make_folds(task, sequences_of(rows), 5, seed=1)
    assert (again.of == folds.of).all()
    assert (other.of != folds.of).any()


@pytest.mark.parametrize("kind", ["column", "cluster", "equal"])
def test_relatives_stay_in_one_fold(kind: str) -> None:
    rows = proteins(20)
    family = [n % 20 for n in range(60)]
    if kind == "cluster":  # splits that came with the data say nothing of relatives
        parents = [p.sequence for p in rows]
        rows = [Protein(f"p{n}", parents[n % 20][:39] + LETTERS[n // 20]) for n in range(60)]
        task = task_of(rows, [n % 2 for n in range(60)])
    elif kind == "column":
        rows = proteins(60)
        names = [f"f{n % 20}" for n in range(60)]
        task = task_of(rows, [n % 2 for n in range(60)], names, split_by="family")
    else:  # the same protein three times, in three splits
        rows = [Protein(f"p{n}", rows[n % 20].sequence) for n in range(60)]
        task = task_of(rows, [n % 2 for n in range(60)], split_by="random")
    folds = make_folds(task, sequences_of(rows), 4)
    homes: dict[int, set[int]] = {}
    for relative, fold in zip(family, folds.of.tolist(), strict=True):
        homes.setdefault(relative, set()).add(fold)
    assert all(len(found) == 1 for found in homes.values())
    assert np.bincount(folds.of).tolist() == [15] * 4
    for part in folds.tasks:
        sides = [
            {family[int(name[1:])] for name in part.splits[split].ids}
            for split in ("train", "valid", "test")
        ]
        assert sum(map(len, sides)) == len(set.union(*sides))


def test_where_groups_are_not_known_clusters_stay_together() -> None:
    """A task that was split by a column, and came without it."""
    parents = proteins(20)
    rows = [Protein(f"p{n}", parents[n % 20].sequence[:39] + LETTERS[n // 20]) for n in range(60)]
    task = task_of(rows, [n % 2 for n in range(60)], split_by="family")
    folds = make_folds(task, sequences_of(rows), 4)
    assert all(len({int(folds.of[n]) for n in range(k, 60, 20)}) == 1 for k in range(20))
    assert "cluster" in folds.note


def test_the_seed_chooses_what_is_valid() -> None:
    rows = proteins(66)
    names = [f"f{size}" for size in range(1, 12) for _ in range(size)]
    task = task_of(rows, [n % 2 for n in range(66)], names, split_by="family")
    cuts = [make_folds(task, sequences_of(rows), 3, seed=seed) for seed in range(4)]
    # No two groups are of one size, so that each seed deals the same folds.
    assert all((cut.of == cuts[0].of).all() for cut in cuts)
    assert len({tuple(cut.valid[0].tolist()) for cut in cuts}) > 1


def test_recorded_folds_come_again() -> None:
    rows = proteins(30)
    task = task_of(rows, [n % 2 for n in range(30)], split_by="random")
    made = make_folds(task, sequences_of(rows), 3)
    again = cut_folds(task, made.of, made.valid, made.note)
    for one, other in zip(made.tasks, again.tasks, strict=True):
        assert one.data_digest == other.data_digest


def test_further_test_sets_stay_apart() -> None:
    rows = proteins(30)
    task = task_of(rows, [n % 2 for n in range(30)], split_by="random")
    task = replace(task, splits={**task.splits, "test2": task.splits["test"]})
    folds = make_folds(task, sequences_of(rows), 3)
    assert len(folds.of) == 30
    assert all(set(part.splits) == {"train", "valid", "test"} for part in folds.tasks)


def test_too_few_or_too_large_groups() -> None:
    rows = proteins(30)
    for names, told in (
        ([f"f{n % 3}" for n in range(30)], "has 3 groups .* too few for 5 folds"),
        (["all"] * 20 + [f"f{n}" for n in range(10)], "one group holds 20 of the 30 rows"),
    ):
        task = task_of(rows, [n % 2 for n in range(30)], names, split_by="family")
        with pytest.raises(InputError, match=told):
            make_folds(task, sequences_of(rows), 5)


@pytest.mark.parametrize(
    ("names", "count"),
    [
        ([f"f{n % 5}" for n in range(30)], 5),
        (["all"] * 15 + [f"f{n}" for n in range(15)], 3),
    ],
    ids=["a group a fold", "half of the rows"],
)
def test_just_as_many_groups_and_as_large_a_one(names: list[str], count: int) -> None:
    rows = proteins(30)
    task = task_of(rows, [n % 2 for n in range(30)], names, split_by="family")
    folds = make_folds(task, sequences_of(rows), count)
    assert len(folds.tasks) == len(folds.tested) == count
    assert sum(map(len, folds.tested)) == 30
    assert np.bincount(folds.of).sum() == 30


@pytest.mark.parametrize(
    ("groups", "count", "told"),
    [(3, 2, "cannot be cut into train and valid"), (2, 2, "has 2 groups .* too few for 2 folds")],
)
def test_two_folds_need_groups_for_valid_and_train(groups: int, count: int, told: str) -> None:
    rows = proteins(30)
    names = [f"f{n % groups}" for n in range(30)]
    task = task_of(rows, [n % 2 for n in range(30)], names, split_by="family")
    with pytest.raises(InputError, match=told):
        make_folds(task, sequences_of(rows), count)


def test_kinds_of_labels() -> None:
    values = label_strata(Problem.REGRESSION, [3.0, 1.0, 2.0, 5.0, 4.0])
    assert values.tolist() == [2, 0, 1, 4, 3]
    sets = label_strata(Problem.MULTI_LABEL, [(0,), (0, 1), (), (0, 1), (0, 2)])
    assert len({int(n) for n in sets}) == 4
    assert sets[1] == sets[3]
    residues = label_strata(Problem.RESIDUE_SINGLE_LABEL, [np.zeros(3), np.ones(2)])
    assert residues.tolist() == [0, 0]
    means = label_strata(Problem.RESIDUE_REGRESSION, [np.array([np.nan, 2.0]), np.array([1.0])])
    assert means.argsort().tolist() == [1, 0]
    unlabelled = [np.full(2, np.nan), np.array([-1.0, np.nan]), np.array([2.0])]  # counts as 0
    assert label_strata(Problem.RESIDUE_REGRESSION, unlabelled).argsort().tolist() == [1, 0, 2]
    assert label_strata(Problem.REGRESSION, [float(n) for n in range(10)]).tolist() == [
        0, 0, 1, 1, 2, 2, 3, 3, 4, 4,
    ]  # fmt: skip
    assert label_strata(Problem.SINGLE_LABEL, [2, 0, 1]).tolist() == [2, 0, 1]


def test_labels_are_spread_before_sizes_are() -> None:
    groups = np.repeat(range(4), (6, 2, 2, 2))
    strata = np.isin(groups, (1, 2)).astype(np.int64)
    for seed in range(4):
        of = deal(groups, strata, 2, seed)
        assert sorted(of[strata == 1].tolist()) == [0, 0, 1, 1]


def test_large_groups_are_dealt_first_and_what_is_held_out_fits() -> None:
    groups = np.array([0] * 8 + list(range(1, 25)))
    strata = np.zeros(32, np.int64)
    of = deal(groups, strata, 4, seed=0)
    assert sorted(np.bincount(of).tolist()) == [8, 8, 8, 8]
    assert len(set(of[:8].tolist())) == 1
    chosen = held_out(groups, strata, 3, seed=0)
    assert chosen.sum() == 3
    assert not chosen[:8].any()
    kinds = np.arange(32) % 2
    assert Counter(kinds[held_out(np.arange(32), kinds, 8, seed=2)].tolist()) == {0: 4, 1: 4}
    assert held_out(np.repeat([0, 1], [5, 4]), np.zeros(9, np.int64), 2, seed=0).sum() == 4


def test_groups_that_share_a_sequence_are_in_one_fold() -> None:
    rows = proteins(30)
    rows[29] = Protein("again", rows[0].sequence)  # in another group than the first of it
    groups = [f"g{place // 2}" for place in range(30)]
    labels = [place % 2 for place in range(30)]
    task = task_of(rows, labels, groups, split_by="lab")
    folds = make_folds(task, sequences_of(rows), 5)
    assert folds.of[0] == folds.of[1] == folds.of[28] == folds.of[29]


def test_a_rare_kind_weighs_as_much_as_a_common_one() -> None:
    """Seven rows of a common kind and two of a rare one: each fold gets one of the two."""
    groups = np.repeat([0, 1, 2], [4, 3, 2])
    strata = np.array([0, 0, 0, 0, 0, 0, 1, 0, 1])
    of = deal(groups, strata, 2, seed=0)
    assert of[groups == 1][0] != of[groups == 2][0]
    # Where no two rows are of one kind, folds are of one size.
    assert np.bincount(deal(np.arange(12), np.arange(12), 3, seed=0)).tolist() == [4, 4, 4]


def test_what_is_said_of_folds() -> None:
    rows = proteins(10)
    names = ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"]
    task = task_of(rows, [0] * 10, names, split_by="family")
    folds = make_folds(task, sequences_of(rows), 3, seed=7)
    assert folds.note == (
        "3 folds of 10 rows (train, valid and test together) by whole groups, as the task was "
        "split by family: 4, 3, 3 rows; 4 groups; seed 7. Rows of a group are in one fold"
    )


def test_mixed_groups_are_held_out_within_the_share_of_each_kind() -> None:
    """Ten rows of each of two kinds, four to hold out: two of each, not a whole group of one."""
    groups = np.repeat(np.arange(10), 2)
    strata = np.tile([0, 1], 10)
    for seed in range(5):
        chosen = held_out(groups, strata, 4, seed)
        assert Counter(strata[chosen].tolist()) == {0: 2, 1: 2}
    pure = np.repeat([0, 1], 10)
    for seed in range(5):
        assert Counter(pure[held_out(groups, pure, 4, seed)].tolist()) == {0: 2, 1: 2}
    # Eight pairs of both kinds and rows alone: 28 of one kind, 12 of the other, of ten 7 and 3.
    groups = np.concatenate([np.repeat(np.arange(8), 2), np.arange(8, 32)])
    strata = np.concatenate([np.tile([0, 1], 8), np.zeros(20, int), np.ones(4, int)])
    for seed in range(10):
        chosen = strata[held_out(groups, strata, 10, seed)]
        assert np.bincount(chosen).tolist() == [7, 3]
