"""Order, and what becomes of items whose process dies."""

from __future__ import annotations

import os
from functools import partial
from itertools import count, islice
from operator import call

from sesstore.structures.pool import map_ordered


def test_results_come_in_order_and_only_the_deadly_item_is_lost() -> None:
    items = [partial(abs, -n) for n in range(40)]
    items[7] = items[31] = partial(os._exit, 3)
    found = list(map_ordered(call, items, 2, lambda item: item.args[0] * 1000))
    assert found == [*range(7), 3000, *range(8, 31), 3000, *range(32, 40)]


def test_items_are_read_as_there_is_room() -> None:
    drawn = []

    def items():
        for number in count():
            drawn.append(number)
            yield partial(abs, -number)

    results = map_ordered(call, items(), 1, lambda item: -1)
    assert list(islice(results, 5)) == [0, 1, 2, 3, 4]
    results.close()
    assert len(drawn) < 40
