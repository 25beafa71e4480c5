"""The way to a GPU without one: stand-ins for its streams note what is asked of them, and where."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from sesstore.streaming import batch as batches
from sesstore.streaming import batch_lengths
from sesstore.streaming.batch import Batch
from sesstore.streaming.loader import Loader, Transfer
from sesstore.streaming.reader import SplitData


class Stream:
    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device
        self.events: list[object] = []

    def record_event(self) -> str:
        self.events.append(f"event {len(self.events)}")
        return str(self.events[-1])

    def wait_event(self, event: object) -> None:
        self.events.append(event)


@pytest.fixture
def gpu(monkeypatch):
    """Two GPUs, of which the calling thread uses the second; tensors stay where they are."""
    own, recorded, threads = Stream(), [], []

    @contextmanager
    def entered(stream: Stream):
        threads.append((threading.current_thread().name, stream.device))
        yield

    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", entered)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: own)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda t, s: recorded.append((t, s)))
    for module in (batches, batch_lengths):
        monkeypatch.setattr(module, "to_device", lambda tensor, device: tensor.clone())
    return own, recorded, threads


def test_the_reader_works_on_the_device_of_the_thread_that_asked(gpu, stored) -> None:
    own, recorded, threads = gpu
    split = SplitData(stored.store.embeddings(), None, stored.digests)
    plan = [np.array([i, i + 1]) for i in range(0, 6, 2)]
    taken = list(Loader(split, plan, torch.device("cuda")))
    assert threads == [("sesstore-reader", torch.device("cuda:1"))]
    assert own.events == [f"event {i}" for i in range(3)]  # each batch after its own copy
    expected = [tensor for batch in taken for tensor in (batch.values, batch.lengths.ends)]
    assert [id(tensor) for tensor, _ in recorded] == [id(tensor) for tensor in expected]
    assert all(b.values.dtype == torch.float16 for b in taken)  # cast on the GPU, not before


def test_a_batch_keeps_labels_and_index_for_the_host(gpu) -> None:
    batch = Batch(
        torch.zeros(5, 2), {"dssp": torch.arange(5)}, (2, 3), torch.arange(2), torch.arange(2)
    )
    transfer = Transfer(torch.device("cuda:1"))
    there, event = transfer.send(batch)
    assert transfer.receive(there, event) is there
    _, recorded, _ = gpu
    assert [id(tensor) for tensor, _ in recorded] == [id(tensor) for tensor in there.tensors()]
    assert len(there.tensors()) == 4
    assert there.lengths == batch.lengths
    assert there.lengths.owners.tolist() == [0, 0, 1, 1, 1]
    assert there.labels is not batch.labels
    assert there.labels_on_host is batch.labels
    assert there.index is batch.index
    assert [part.labels_on_host.tolist() for part in there.parts(2)] == [[0], [1]]


def test_elsewhere_values_are_float32_and_nothing_is_waited_for() -> None:
    batch = Batch(torch.zeros(5, 2).half(), {}, (2, 3), torch.arange(2), torch.arange(2))
    there, event = Transfer(torch.device("cpu")).send(batch)
    assert (there.values.dtype, event) == (torch.float32, None)
    assert there.labels is there.labels_on_host is batch.labels
