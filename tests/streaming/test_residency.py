from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.errors import InputError
from sesstore.streaming.reader import SplitData
from sesstore.streaming.residency import choose_residency, free_memory

GIGA = 10**9


@pytest.mark.parametrize(
    ("needed", "free", "chosen"),
    [
        (GIGA, {"ram": 8 * GIGA, "device": 8 * GIGA}, "device"),
        (GIGA, {"ram": 8 * GIGA, "device": GIGA}, "ram"),
        (GIGA, {"ram": 8 * GIGA}, "ram"),
        (6 * GIGA, {"ram": 8 * GIGA}, "disk"),
        (4 * GIGA, {"ram": 8 * GIGA}, "ram"),  # half of it, and no more
        (4 * GIGA + 1, {"ram": 8 * GIGA}, "disk"),
        (4 * GIGA, {"ram": 2 * GIGA, "device": 8 * GIGA}, "device"),
    ],
)
def test_auto_takes_the_nearest_place_that_fits(needed, free, chosen) -> None:
    assert choose_residency("auto", needed, free) == chosen


def test_what_is_asked_for_is_taken_if_it_fits() -> None:
    assert choose_residency("disk", 1, {"ram": GIGA}) == "disk"
    assert choose_residency("ram", 8 * GIGA, {"ram": 8 * GIGA}) == "ram"  # all of it
    with pytest.raises(InputError, match="--residency disk"):
        choose_residency("ram", 2 * GIGA, {"ram": GIGA})
    with pytest.raises(InputError, match="--residency disk"):
        choose_residency("device", 1, {"ram": GIGA})
    with pytest.raises(InputError, match="none of"):
        choose_residency("tape", 1, {"ram": GIGA})


def test_memory_is_measured() -> None:
    assert 0 < free_memory(torch.device("cpu"))["ram"] < 2**50


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
def test_held_rows_are_the_stored_ones(stored_as, dtype) -> None:
    stored = stored_as(dtype)
    digests = stored.digests[[3, 1, 3, 7]]
    split = SplitData(stored.store.embeddings(), None, digests)
    index = np.array([2, 3, 0, 1])
    from_disk = split.read(index).values
    split.hold("ram", torch.device("cpu"))
    assert torch.equal(split.read(index).values, from_disk)
    unique = {p.digest: len(p) for p in (stored.proteins[i] for i in (1, 3, 7))}
    itemsize = 4 if dtype == "int8" else np.dtype(dtype).itemsize
    assert split.bytes == sum(unique.values()) * 6 * itemsize
