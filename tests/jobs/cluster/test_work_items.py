"""Work is cut into items that suit what workers run on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sesstore.jobs.cluster.work_items import FOR_CPUS, FOR_GPUS, WorkItem, cut
from sesstore.proteins import Protein


@given(
    st.lists(st.text("ACDEFGHIKL", min_size=1, max_size=50), min_size=1, unique=True),
    st.integers(1, 5),
)
def test_work_items_are_balanced_longest_first_and_complete(found, workers) -> None:
    proteins = [Protein("", sequence) for sequence in found]
    cutted = cut(proteins, lambda length: length * length, workers, FOR_CPUS)
    assert sorted(p.sequence for one in cutted for p in one.items) == sorted(found)
    lengths = [len(p) for one in cutted for p in one.items]
    assert lengths == sorted(lengths, reverse=True)
    assert [one.size for one in cutted] == [sum(map(len, one.items)) for one in cutted]
    limit = sum(n * n for n in lengths) / (workers * 16)
    assert all(one.cost < limit + len(one.items[0]) ** 2 + 1 for one in cutted)


def test_a_work_item_of_lookups_is_as_large_as_a_call_takes() -> None:
    proteins = [Protein(str(i), "A" * 1000) for i in range(2000)]
    sizes = [one.size for one in cut(proteins, lambda length: 0, 1, FOR_CPUS)]
    assert max(sizes) == FOR_CPUS.most_residues // 1000 * 1000
    assert sizes[:-1] == [max(sizes)] * (len(sizes) - 1)


def test_work_items_fit_a_call_and_a_few_minutes() -> None:
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


def test_halves_of_a_work_item_are_counted_by_what_is_in_them() -> None:
    first, second = WorkItem([0, 1, 2, 3, 4], 100, 8.0, losses=3).halves()
    assert (list(first.items), first.size, first.cost, first.losses) == ([0, 1], 40, 4.0, 1)
    assert (list(second.items), second.size, second.cost, second.losses) == ([2, 3, 4], 60, 4.0, 1)
    assert [half.size for half in WorkItem([0, 1], 9, 1.0).halves()] == [4, 5]  # nothing is lost
