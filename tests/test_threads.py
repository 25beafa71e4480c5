"""Stretches of work on threads."""

from __future__ import annotations

import os
import threading
import warnings

import pytest

from sesstore.threads import share_out


@pytest.mark.parametrize(("count", "threads"), [(1, 1), (1, 4), (7, 3), (12, 4), (5, 1)])
def test_every_item_is_in_one_stretch(count: int, threads: int) -> None:
    stretches: list[tuple[int, int]] = []
    share_out(lambda *stretch: stretches.append(stretch), count, threads)
    items = [item for stretch in stretches for item in range(*stretch)]
    assert sorted(items) == list(range(count))
    assert len(stretches) == min(count, threads)


def test_stretches_run_at_once_and_the_only_one_in_the_caller_s_thread() -> None:
    together = threading.Barrier(3)
    share_out(lambda *_: together.wait(10) and None, 3, 3)
    names: list[str] = []
    share_out(lambda *_: names.append(threading.current_thread().name), 9, 1)
    assert names == [threading.current_thread().name]


def test_what_goes_wrong_in_a_thread_is_raised() -> None:
    def work(first: int, last: int) -> None:
        if first:
            raise MemoryError

    with pytest.raises(MemoryError):
        share_out(work, 4, 2)


@pytest.mark.parametrize(
    ("count", "threads", "sizes"), [(7, 3, [2, 2, 3]), (12, 4, [3] * 4), (5, 9, [1] * 5)]
)
def test_stretches_are_as_long_as_each_other(count: int, threads: int, sizes: list[int]) -> None:
    stretches: list[tuple[int, int]] = []
    share_out(lambda *stretch: stretches.append(stretch), count, threads)
    assert sorted(last - first for first, last in stretches) == sizes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes fork here")
def test_a_forked_process_has_threads_of_its_own() -> None:
    """Those of its parent are not there, and would be waited for without end."""
    share_out(lambda *_: None, 2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        child = os.fork()
    if not child:
        worker = threading.Thread(target=share_out, args=(lambda *_: None, 2, 2), daemon=True)
        worker.start()
        worker.join(10)
        os._exit(worker.is_alive())
    assert os.waitpid(child, 0)[1] == 0
