from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.store import row_gather
from sesstore.streaming import reader
from sesstore.streaming.reader import SplitData


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
def test_held_rows_are_the_stored_ones(stored_as, dtype, monkeypatch) -> None:
    stored = stored_as(dtype)
    digests = stored.digests[[3, 1, 3, 7]]
    split = SplitData(stored.store.embeddings(), None, digests)
    index = np.array([2, 3, 0, 1])
    from_disk = split.read(index).values
    split.hold("ram", torch.device("cpu"))
    assert torch.equal(split.read(index).values, from_disk)
    assert from_disk.dtype == torch.float32  # as an adapter on a CPU computes
    monkeypatch.setattr(row_gather, "kernel", lambda: None)
    assert torch.equal(split.read(index).values, from_disk)
    unique = {p.digest: len(p) for p in (stored.proteins[i] for i in (1, 3, 7))}
    itemsize = 4 if dtype == "int8" else np.dtype(dtype).itemsize
    assert split.bytes == sum(unique.values()) * 6 * itemsize


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_a_device_is_filled_through_a_small_buffer(stored_as, monkeypatch, dtype) -> None:
    """Its memory may be larger than the host's."""
    stored = stored_as(dtype)
    view, rows = stored.store.embeddings(), np.arange(2, 20)
    sizes: list[int] = []
    inner = reader.host_memory

    def counted(rows: int, *args: object) -> torch.Tensor:
        sizes.append(rows)
        return inner(rows, *args)

    monkeypatch.setattr(reader, "host_memory", counted)
    monkeypatch.setattr(reader, "FILLED", 50)
    held = reader._ResidentRows(view, rows, torch.device("cpu"))
    expected = held.values.clone()
    held.values.zero_()
    held._fill(view)
    assert torch.equal(held.values, expected)
    assert len(sizes) == 1
    assert sizes[0] <= max(50, int(view.lengths.max()))
    assert sizes[0] < len(expected) / 3


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
def test_a_store_is_read_alike_with_and_without_it(stored_as, dtype, monkeypatch) -> None:
    stored = stored_as(dtype)
    rows = np.array([5, 0, 5, 23, 7])

    def read(view: Any, kind: Any) -> bytes:
        count = int(view.lengths[rows].sum())
        out, scales = np.empty((count, view.dim), kind), np.zeros(count, np.float16)
        view.gather(rows, out, scales if kind == np.int8 else None)
        return out.tobytes() + scales.tobytes()

    view = stored.store.embeddings()
    kinds = (np.dtype(dtype), np.dtype(np.float32))
    compiled = [read(view, kind) for kind in kinds]
    copied = pickle.loads(pickle.dumps(view))  # as a process of its own would get it
    assert [read(copied, kind) for kind in kinds] == compiled
    monkeypatch.setattr(row_gather, "kernel", lambda: None)
    assert [read(stored.store.embeddings(), kind) for kind in kinds] == compiled


@pytest.mark.parametrize("residency", ["disk", "ram"])
def test_values_for_a_gpu_are_read_into_the_memory_they_are_copied_from(
    stored, monkeypatch, residency
) -> None:
    """One copy on the host, and that into pinned memory, not two."""
    split = SplitData(stored.store.embeddings(), None, stored.digests)
    split.hold(residency, torch.device("cpu"))
    index = np.array([3, 0, 7])
    expected = split.read(index).values
    buffers: list[torch.Tensor] = []
    inner = reader.host_memory

    def pinned(rows: int, view: object, device: torch.device) -> torch.Tensor:
        assert device == torch.device("cuda:1")
        buffers.append(inner(rows, view, torch.device("cpu")))
        return buffers[-1]

    monkeypatch.setattr(reader, "host_memory", pinned)
    values = split.read(index, torch.device("cuda:1")).values
    assert [buffer.data_ptr() for buffer in buffers] == [values.data_ptr()]
    assert torch.equal(values, expected)


def test_memory_for_a_gpu_is_of_the_type_that_is_read(stored_as) -> None:
    """Half the bytes to copy where half are stored; here everything is float32."""
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    types = {"float16": torch.float16, "float32": torch.float32, "int8": torch.float32}
    for dtype, expected in types.items():
        view = stored_as(dtype).store.embeddings()
        assert reader.torch_type(view) == expected
        for device, kind in ((cpu, torch.float32), (gpu, expected)):
            memory = reader.host_memory(5, view, device)
            assert (memory.dtype, memory.shape, memory.device) == (kind, (5, 6), cpu)


@pytest.mark.parametrize(("residency", "place"), [("ram", "cpu"), ("device", "meta")])
def test_rows_are_held_where_they_are_wanted(stored, monkeypatch, residency, place) -> None:
    places: list[str] = []
    monkeypatch.setattr(
        reader, "_ResidentRows", lambda view, rows, device: places.append(device.type)
    )
    split = SplitData(stored.store.embeddings(), None, stored.digests)
    split.hold(residency, torch.device("meta"))
    assert places == [place]


def test_rows_held_on_a_device_are_read_there(stored, monkeypatch) -> None:
    """In any order and with repeats, without a copy on the host."""
    split = SplitData(stored.store.embeddings(), None, stored.digests[[3, 1, 3, 7]])
    index = np.array([2, 3, 0, 1])
    expected = split.read(index).values
    split.hold("device", torch.device("cpu"))
    monkeypatch.setattr(reader, "host_memory", None)
    assert torch.equal(split._resident.read(split.rows[index]), expected.to(torch.float16))
