from __future__ import annotations

import threading

import pytest
import torch

from sesstore.adapter.workers import workers


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_keep_their_order_and_torch_its_threads(two_threads) -> None:
    with workers(torch.device("cpu")) as hands:
        assert torch.get_num_threads() == 1
        assert hands.map(lambda n: n * n, list(range(20))) == [n * n for n in range(20)]
        assert hands.map(lambda _: threading.current_thread().name, [0]) == [
            threading.current_thread().name
        ]
    assert torch.get_num_threads() == 2


def test_costs_decide_who_begins_and_not_who_is_returned_first(two_threads) -> None:
    begun: list[int] = []

    def work(n: int) -> int:
        begun.append(n)
        return n * n

    with workers(torch.device("cpu")) as hands:
        assert hands.map(work, [1, 5, 2, 4, 3], float) == [1, 25, 4, 16, 9]
    assert set(begun[:2]) == {5, 4}


def test_parts_run_at_the_same_time_on_two_threads(two_threads) -> None:
    together = threading.Barrier(2, timeout=20)
    with workers(torch.device("cpu")) as hands:
        names = hands.map(lambda _: (together.wait(), threading.current_thread().name)[1], [0, 1])
    assert len(set(names)) == 2


def test_on_a_gpu_or_one_thread_parts_run_here() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for device in ("cpu", "cuda"):
            with workers(torch.device(device)) as hands:
                names = hands.map(lambda _: threading.current_thread().name, [0, 1])
            assert names == [threading.current_thread().name] * 2
    finally:
        torch.set_num_threads(before)


def test_an_error_in_a_part_surfaces(two_threads) -> None:
    with pytest.raises(ZeroDivisionError), workers(torch.device("cpu")) as hands:
        hands.map(lambda n: 1 // n, [1, 0, 2])
    assert torch.get_num_threads() == 2


def test_beside_a_gpu_torch_keeps_its_threads_and_the_caller_works(two_threads) -> None:
    with workers(torch.device("cuda")) as hands:
        assert torch.get_num_threads() == 2
        names = hands.map(lambda _: threading.current_thread().name, [0, 1, 2])
    assert names == [threading.current_thread().name] * 3
