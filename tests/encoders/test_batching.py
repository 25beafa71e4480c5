"""Batches side by side and one ahead: each with its own result, in order, read no further ahead."""

from __future__ import annotations

import threading

import pytest
import torch

from sesstore.encoders.batching import fetch_to_host, run_one_ahead, run_side_by_side


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    assert torch.get_num_threads() == request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_jobs(threads) -> None:
    later = threading.Event()

    def work(job: int) -> int:
        if threads > 1 and job == 0:
            later.wait(20)  # the first ends after the second
        if job == 1:
            later.set()
        return job * job

    assert list(run_side_by_side(work, range(9), 9)) == [(n, n * n) for n in range(9)]


def test_jobs_are_read_no_further_ahead_than_needed(threads) -> None:
    read: list[int] = []

    def jobs():
        for n in range(50):
            read.append(n)
            yield n

    results = run_side_by_side(lambda n: n, jobs(), 50)
    next(results)
    assert len(read) <= threads + 2
    results.close()


@pytest.mark.parametrize(("count", "of_each"), [(2, 3), (3, 2), (4, 1), (6, 1), (20, 1)])
def test_few_batches_share_all_threads(count: int, of_each: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(6)
    try:
        results = dict(run_side_by_side(lambda _: torch.get_num_threads(), range(count), count))
    finally:
        torch.set_num_threads(before)
    assert set(results.values()) == {of_each}


def test_an_error_surfaces_at_its_place(threads) -> None:
    results = run_side_by_side(lambda n: 1 // (2 - n), range(5), 5)
    assert [next(results), next(results)] == [(0, 0), (1, 1)]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_the_next_is_launched_before_one_is_waited_for() -> None:
    seen: list[tuple[str, int]] = []

    def launch(job: int):
        seen.append(("launched", job))
        return lambda: (seen.append(("waited", job)), job * 10)[1]

    assert list(run_one_ahead(launch, range(3))) == [(0, 0), (1, 10), (2, 20)]
    assert seen == [
        ("launched", 0), ("launched", 1), ("waited", 0),
        ("launched", 2), ("waited", 1), ("waited", 2),
    ]  # fmt: skip
    assert list(run_one_ahead(launch, [])) == []


@pytest.mark.parametrize("odd", [None, float("inf"), float("nan")])
def test_large_values_are_finite_though_their_sum_is_beyond_float16(odd: float | None) -> None:
    values = torch.full((4, 8), 60000.0, dtype=torch.float16)
    if odd is not None:
        values[2, 3] = odd
    _, finite = fetch_to_host(values)()
    assert finite == (odd is None)
