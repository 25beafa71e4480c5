from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sesstore.batches import batches, batches_within


@given(st.lists(st.integers(), max_size=20), st.integers(1, 7))
def test_all_items_come_in_order_so_many_at_a_time(items: list[int], count: int) -> None:
    lists = list(batches(iter(items), count))
    assert [item for batch in lists for item in batch] == items
    assert [len(batch) for batch in lists[:-1]] == [count] * (len(lists) - 1)
    assert not lists or 0 < len(lists[-1]) <= count


def test_batches_hold_as_much_as_they_may() -> None:
    texts = ["A" * n for n in (40, 60, 1, 250, 30)]
    lengths = [[len(text) for text in batch] for batch in batches_within(texts, 100, len, 9)]
    assert lengths == [[40, 60], [1], [250], [30]]
    assert [len(batch) for batch in batches_within(texts, 9999, len, 2)] == [2, 2, 1]


def test_what_is_not_asked_for_is_not_read() -> None:
    stream = iter(range(10))
    assert next(batches(stream, 3)) == [0, 1, 2]
    assert next(stream) == 3


def test_a_batch_may_be_just_full() -> None:
    def cut(limit: int, count: int) -> list[list[int]]:
        return list(batches_within([3, 3, 3], limit, lambda item: item, count))

    assert cut(6, 9) == [[3, 3], [3]]
    assert cut(5, 9) == [[3], [3], [3]]
    assert cut(9, 3) == [[3, 3, 3]]
    assert cut(9, 2) == [[3, 3], [3]]
    assert cut(1, 9) == [[3], [3], [3]]
    assert list(batches([1, 2], 2)) == [[1, 2]]
