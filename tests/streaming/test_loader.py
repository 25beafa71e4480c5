from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
import torch

from sesstore.streaming.loader import AHEAD, Loader
from sesstore.streaming.plan import plan_epoch
from sesstore.streaming.reader import SplitData

CPU = torch.device("cpu")


@pytest.fixture
def split(stored) -> SplitData:
    return SplitData(stored.store.embeddings(), None, stored.digests)


def test_reads_the_plan_in_order(split) -> None:
    plan = plan_epoch(split.lengths, 60, seed=0, epoch=0)
    for batch, index in zip(Loader(split, plan.batches, CPU), plan.batches, strict=True):
        assert batch.index.tolist() == index.tolist()
        torch.testing.assert_close(batch.values, split.read(index).values.float())


def test_goes_on_in_the_middle_of_an_epoch(split) -> None:
    plan = plan_epoch(split.lengths, 60, seed=0, epoch=0)
    loader = Loader(split, plan.batches[3:], CPU)
    assert len(loader) == len(plan.batches) - 3
    assert next(iter(loader)).index.tolist() == plan.batches[3].tolist()


def test_leaving_early_leaves_no_thread(split) -> None:
    before = threading.active_count()
    for _ in Loader(split, plan_epoch(split.lengths, 30, seed=0, epoch=0).batches, CPU):
        break
    assert threading.active_count() == before


def test_a_reading_error_surfaces(split) -> None:
    plan = plan_epoch(np.append(split.lengths, 5), 60, seed=0, epoch=0)
    with pytest.raises(IndexError):
        list(Loader(split, plan.batches, CPU))


def test_the_same_loader_runs_twice(split) -> None:
    loader = Loader(split, plan_epoch(split.lengths, 60, seed=0, epoch=0).batches, CPU)
    assert len(list(loader)) == len(list(loader)) == len(loader)


def test_what_is_waited_adds_up(split, monkeypatch) -> None:
    """By a clock that ticks whenever it is read: each batch, and the end, is waited for."""
    clock = itertools.count()
    monkeypatch.setattr("sesstore.streaming.loader.time.perf_counter", lambda: next(clock))
    loader = Loader(split, plan_epoch(split.lengths, 60, seed=0, epoch=0).batches, CPU)
    list(loader)
    assert loader.wait_seconds == len(loader) + 1


def test_what_is_read_ahead_is_bounded(split, monkeypatch) -> None:
    read: list[int] = []
    inner = split.read
    monkeypatch.setattr(
        split, "read", lambda index, device: (read.append(len(index)), inner(index, device))[1]
    )
    batches = iter(Loader(split, [np.array([i]) for i in range(20)], CPU))
    next(batches)
    deadline = threading.Event()
    deadline.wait(0.2)
    assert len(read) <= AHEAD + 2
    batches.close()


def test_what_is_left_early_is_read_no_further(split, monkeypatch) -> None:
    read: list[int] = []
    inner = split.read
    monkeypatch.setattr(
        split, "read", lambda index, device: (read.append(int(index[0])), inner(index, device))[1]
    )
    for _ in Loader(split, [np.array([i]) for i in range(24)], CPU):
        break
    assert read == list(range(len(read)))
    assert len(read) <= AHEAD + 3


@pytest.mark.parametrize("problem", [KeyboardInterrupt, MemoryError])
def test_what_was_read_before_an_error_comes_before_it(split, monkeypatch, problem) -> None:
    """Whatever it is, on the thread that takes the batches; and nothing after it."""
    inner = split.read

    def read(index, device):
        if index[0] == 5:
            raise problem
        return inner(index, device)

    monkeypatch.setattr(split, "read", read)
    threads = threading.active_count()
    batches = iter(Loader(split, [np.array([i]) for i in range(9)], CPU))
    assert [int(next(batches).index[0]) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(problem):
        next(batches)
    assert threading.active_count() == threads
