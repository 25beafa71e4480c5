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


def test_an_error_in_a_part_surfaces(two_threads) -> None:
    with pytest.raises(ZeroDivisionError), workers(torch.device("cpu")) as hands:
        hands.map(lambda n: 1 // n, [1, 0, 2])
    assert torch.get_num_threads() == 2
