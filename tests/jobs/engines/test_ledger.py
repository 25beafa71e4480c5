"""The driver's bookkeeping, without a cluster."""

from __future__ import annotations

import random

from hypothesis import example, given
from hypothesis import strategies as st

from sesstore.jobs.engines.ledger import Ledger
from sesstore.jobs.engines.portions import FOR_CPUS, FOR_GPUS, Portion, cut
from sesstore.proteins import Protein


def portions(count: int, items: int = 4) -> list[Portion[int]]:
    return [Portion(list(range(i * items, (i + 1) * items)), items, 1.0) for i in range(count)]


@given(
    st.lists(st.text("ACDEFGHIKL", min_size=1, max_size=50), min_size=1, unique=True),
    st.integers(1, 5),
)
def test_portions_are_balanced_longest_first_and_complete(found, workers) -> None:
    proteins = [Protein("", sequence) for sequence in found]
    cutted = cut(proteins, lambda length: length * length, workers, FOR_CPUS)
    assert sorted(p.sequence for one in cutted for p in one.items) == sorted(found)
    lengths = [len(p) for one in cutted for p in one.items]
    assert lengths == sorted(lengths, reverse=True)
    assert [one.size for one in cutted] == [sum(map(len, one.items)) for one in cutted]
    limit = sum(n * n for n in lengths) / (workers * 16)
    assert all(one.cost < limit + len(one.items[0]) ** 2 + 1 for one in cutted)


def test_a_portion_of_lookups_is_as_large_as_a_call_takes() -> None:
    proteins = [Protein(str(i), "A" * 1000) for i in range(2000)]
    sizes = [one.size for one in cut(proteins, lambda length: 0, 1, FOR_CPUS)]
    assert max(sizes) == FOR_CPUS.most_residues // 1000 * 1000
    assert sizes[:-1] == [max(sizes)] * (len(sizes) - 1)


def test_portions_fit_a_call_and_a_few_minutes() -> None:
    proteins = [Protein("", "A" * 400 + "C" * i) for i in range(400)]
    assert (
        max(one.size for one in cut(proteins, lambda length: 0, 1, FOR_CPUS))
        <= FOR_CPUS.most_residues
    )
    heavy = cut(proteins, lambda length: int(FOR_CPUS.most_flops) // 3, 1, FOR_CPUS)
    assert max(len(one.items) for one in heavy) == 4
    assert cut([], lambda length: 1, 2, FOR_CPUS) == []


def test_a_gpu_gets_whole_batches_and_at_most_two_million_residues() -> None:
    proteins = [Protein(str(i), "A" * 1000) for i in range(5000)]
    few = [one.size for one in cut(proteins[:300], lambda length: 10**9 * length, 2, FOR_GPUS)]
    assert few == [132_000, 132_000, 36_000]
    for flops, size in ((1, 2_097_000), (10**9, 2_097_000), (10**10, 500_000), (10**12, 132_000)):
        sizes = [
            one.size for one in cut(proteins * 16, lambda length, f=flops: f * length, 1, FOR_GPUS)
        ]
        assert set(sizes[:-1]) == {size}
        assert sizes[-1] <= size


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32))
@example(3, 3, 6)
def test_whoever_dies_everything_is_settled_in_the_end(count, workers, seed) -> None:
    """Random orders of work, commits and deaths; a model keeps what is really committed."""
    rng, ledger, stored = random.Random(seed), Ledger(portions(count)), set()
    running: dict[int, tuple[int, Portion[int]]] = {}
    held: dict[int, list[tuple[int, Portion[int]]]] = {}
    names, now, deaths = list(range(workers)), 0.0, 3
    while not ledger.finished:
        now += rng.random() * 5
        worker = rng.choice(names)
        event = rng.random()
        if event < 0.1 and deaths:
            deaths -= 1
            ledger.lose(worker)
            running.pop(worker, None)
            held.pop(worker, None)
            names[names.index(worker)] = max(names) + 1
        elif worker in running:
            held.setdefault(worker, []).append(running.pop(worker))
            ledger.hold(worker, now)
        elif event < 0.5 and (taken := ledger.take(worker, now)):
            running[worker] = taken
        elif worker in held:
            done = held.pop(worker)
            stored |= {item for _, portion in done for item in portion.items}
            ledger.settle(number for number, _ in done)
            assert not ledger.holds(worker)
        assert 0 <= ledger.done <= 4 * count
    assert stored == set(range(4 * count))
    assert ledger.done == 4 * count
    assert not ledger.given_up


def test_a_portion_that_is_too_slow_is_given_to_another_once() -> None:
    ledger = Ledger(portions(3))
    for worker, now in ((1, 0.0), (2, 0.0)):
        assert ledger.take(worker, now)
    ledger.hold(2, 3.0)
    assert ledger.take(2, 3.0)
    ledger.hold(2, 6.0)
    assert ledger.take(2, 5.9) is None  # twice three seconds are not over
    number, _ = ledger.take(2, 6.1)
    assert number == 0
    assert ledger.take(3, 60.0) is None
    ledger.hold(2, 7.0)
    ledger.settle([0, 1, 2])
    assert ledger.finished
    ledger.hold(1, 100.0)  # the slow one comes in late, and changes nothing
    assert (ledger.done, ledger.holds(1)) == (12, False)


def test_what_a_lost_worker_held_counts_once_though_another_does_it_too() -> None:
    ledger = Ledger(portions(2))
    number, _ = ledger.take(1, 0.0)
    ledger.take(2, 0.0)
    ledger.hold(2, 1.0)
    assert ledger.take(3, 50.0)[0] == number  # re-issued: the first worker is slow
    ledger.hold(1, 51.0)
    assert ledger.done == 8
    assert ledger.lose(1) == []  # the third worker does it already
    assert ledger.done == 4
    ledger.hold(3, 52.0)
    assert ledger.done == 8
    ledger.settle([0, 1])
    assert ledger.finished


def test_of_a_deadly_portion_only_the_deadly_item_is_given_up() -> None:
    ledger, deaths = Ledger(portions(3)), 0
    for worker in range(100):
        taken = ledger.take(worker, float(worker))
        if taken is None:
            break
        if 6 in taken[1].items:
            ledger.lose(worker)
            deaths += 1
        else:
            ledger.hold(worker, worker + 1.0)
            ledger.settle([taken[0]])
    assert ledger.finished
    assert ledger.given_up == [6]
    assert deaths == 5


def test_what_is_stored_of_a_lost_portion_is_not_done_again() -> None:
    ledger = Ledger(portions(2))
    ledger.take(1, 0.0)
    (again,) = ledger.lose(1)
    ledger.replace(again, Portion([2, 3], 2, 0.5))
    assert ledger.done == 2
    ledger.take(1, 1.0)
    (other,) = ledger.lose(1)
    ledger.replace(other, None)
    assert ledger.done == 6
    _, portion = ledger.take(1, 2.0)
    assert list(portion.items) == [2, 3]
