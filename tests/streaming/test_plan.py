from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.errors import InputError
from sesstore.streaming.plan import BLOCK, MIXED, plan_epoch, plan_in_order

LENGTHS = st.lists(st.integers(1, 300), max_size=60).map(lambda v: np.array(v, np.int64))


@given(LENGTHS, st.integers(1, 500), st.integers(0, 5), st.integers(0, 5))
def test_every_protein_once_and_within_budget(lengths, budget, seed, epoch) -> None:
    plan = plan_epoch(lengths, budget, seed=seed, epoch=epoch)
    drawn = np.concatenate([np.empty(0, np.int64), *plan.batches])
    assert sorted(drawn) == list(range(len(lengths)))
    for batch in plan.batches:
        assert lengths[batch].sum() <= budget or len(batch) == 1


@given(LENGTHS, st.integers(1, 500))
def test_batches_are_as_full_as_their_order_allows(lengths, budget) -> None:
    batches = plan_in_order(lengths, budget).batches
    for batch, following in itertools.pairwise(batches):
        assert lengths[batch].sum() + lengths[following[0]] > budget


def test_equal_seeds_agree_and_epochs_differ() -> None:
    lengths = np.full(200, 10)
    first = plan_epoch(lengths, 50, seed=1, epoch=1)
    again = plan_epoch(lengths, 50, seed=1, epoch=1)
    later = plan_epoch(lengths, 50, seed=1, epoch=2)
    other = plan_epoch(lengths, 50, seed=2, epoch=1)
    drawn = [np.concatenate(p.batches) for p in (first, again, later, other)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    assert (drawn[0] != drawn[3]).any()


def test_the_permutation_is_the_same_on_every_machine() -> None:
    plan = plan_epoch(np.full(8, 1), 3, seed=0, epoch=1)
    assert [batch.tolist() for batch in plan.batches] == [[1, 3, 7], [6, 0, 4], [2, 5]]


@given(LENGTHS.filter(len), st.integers(1, 500), st.integers(0, 9))
def test_blockwise_plans_are_plans_too(lengths, budget, seed) -> None:
    places = np.random.default_rng(seed).permutation(len(lengths))
    plan = plan_epoch(lengths, budget, seed=seed, epoch=1, places=places)
    assert sorted(np.concatenate(plan.batches)) == list(range(len(lengths)))


def test_blockwise_plans_stay_local() -> None:
    lengths = np.full(20_000, 100)
    places = np.random.default_rng(3).permutation(len(lengths))
    plan = plan_epoch(lengths, 10_000, seed=1, epoch=1, places=places)
    blocks = [len(np.unique(places[rows] * 100 // BLOCK)) for rows in plan.batches]
    assert max(blocks) <= 2 * MIXED < 30  # of 30 blocks in all
    assert np.median(blocks) == MIXED
    order = places[np.concatenate(plan.batches)]
    assert (order[:-1] + 1 != order[1:]).mean() > 0.99
    again = plan_epoch(lengths, 10_000, seed=1, epoch=2, places=places)
    assert (np.concatenate(again.batches) != np.concatenate(plan.batches)).any()


def test_blocks_come_in_a_new_order_each_epoch() -> None:
    lengths, places = np.full(20_000, 100), np.arange(20_000)

    def first_blocks(epoch: int) -> set[int]:
        plan = plan_epoch(lengths, 10_000, seed=1, epoch=epoch, places=places)
        start = np.concatenate(plan.batches)[: MIXED * BLOCK // 100]
        blocks, counts = np.unique(start * 100 // BLOCK, return_counts=True)
        return {int(block) for block in blocks[counts > 100]}

    assert first_blocks(1) != set(range(len(first_blocks(1))))
    assert first_blocks(1) != first_blocks(2)


def test_proteins_among_a_few_blocks_are_mixed() -> None:
    lengths = np.full(8 * BLOCK // 100, 100)
    plan = plan_epoch(lengths, 10_000, seed=1, epoch=1, places=np.arange(len(lengths)))
    halves = [(rows < len(lengths) // 2).mean() for rows in plan.batches[:-1]]
    assert min(halves) > 0.2
    assert max(halves) < 0.8


def test_blocks_are_of_residues_that_lie_together() -> None:
    """Proteins of a block, counted along the store, are among those of a few blocks only."""
    rng = np.random.default_rng(4)
    lengths = np.concatenate([np.full(1200, 2000), np.full(6000, 100)])
    places = rng.permutation(len(lengths))
    stored = np.argsort(places)
    block = np.empty(len(lengths), np.int64)
    block[stored] = np.cumsum(lengths[stored]) // BLOCK
    order = np.concatenate(plan_epoch(lengths, 9999, seed=1, epoch=1, places=places).batches)
    at = np.argsort(order)
    most = np.sort(np.bincount(block))[-MIXED:].sum()
    for number in range(block.max() + 1):
        where = at[block == number]
        assert where.max() - where.min() < most


def test_a_plan_in_order_is_in_order_and_says_so() -> None:
    plan = plan_in_order(np.array([3, 3, 3, 9, 1]), 6)
    assert [rows.tolist() for rows in plan.batches] == [[0, 1], [2], [3], [4]]
    assert (plan.seed, plan.epoch) == (-1, -1)
    drawn = plan_epoch(np.array([3, 3]), 6, seed=4, epoch=2)
    assert (drawn.seed, drawn.epoch) == (4, 2)


def test_an_empty_split_has_no_batches() -> None:
    assert plan_epoch(np.empty(0, np.int64), 10, seed=0, epoch=0).batches == ()


def test_refuses_an_empty_budget() -> None:
    with pytest.raises(InputError, match="--batch-tokens"):
        plan_epoch(np.ones(3, np.int64), 0, seed=0, epoch=0)


@pytest.mark.parametrize(
    ("budget", "batches"),
    [(5, [[0], [1], [2]]), (6, [[0, 1], [2]]), (8, [[0, 1], [2]]), (9, [[0, 1, 2]]),
     (1, [[0], [1], [2]])],
)  # fmt: skip
def test_a_batch_may_be_just_full(budget: int, batches: list[list[int]]) -> None:
    plan = plan_in_order(np.array([3, 3, 3]), budget)
    assert [rows.tolist() for rows in plan.batches] == batches


def test_a_budget_below_one_residue_is_refused_and_one_is_not() -> None:
    assert len(plan_in_order(np.ones(2, np.int64), 1).batches) == 2
    for budget in (0, -1):
        with pytest.raises(InputError, match=f"a batch of {budget} residues"):
            plan_in_order(np.ones(2, np.int64), budget)
