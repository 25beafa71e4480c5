"""Mapped arrays."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from sesstore.store import layout, mapping
from sesstore.store.mapping import map_files, prefetch
from sesstore.store.shards import ShardWriter, open_rows


def test_several_shards_are_one_mapped_array(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "SHARD_BYTES", 1 << 16)
    values = np.random.default_rng(0).standard_normal((5000, 32)).astype(np.float16)
    writer = ShardWriter(tmp_path / "values", "float16", 32)
    for start in range(0, 5000, 700):
        writer.append(values[start : start + 700])
    writer.finish()
    assert len(list((tmp_path / "values").glob("c.*"))) == 5
    mapped = open_rows(tmp_path / "values")
    assert isinstance(mapped, np.ndarray)
    assert mapped.flags.c_contiguous
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, values)
    np.testing.assert_array_equal(zarr.open(tmp_path / "values")[:], values)


def pages(folder: Path, *counts: int) -> tuple[list[Path], list[int]]:
    """Files of some pages of int8, each with its number in every byte."""
    paths = []
    for number, count in enumerate(counts):
        paths.append(folder / str(number))
        paths[-1].write_bytes(bytes([number]) * (count * mmap.PAGESIZE))
    return paths, [count * mmap.PAGESIZE for count in counts]


def test_the_first_bytes_of_files_lie_back_to_back(tmp_path: Path) -> None:
    paths, sizes = pages(tmp_path, 2, 1, 3)
    sizes = [mmap.PAGESIZE, mmap.PAGESIZE, 2 * mmap.PAGESIZE + 8]  # an index stands behind
    values = map_files(paths, sizes, "int8", 8)
    assert values.shape == (sum(sizes) // 8, 8)
    expected = np.repeat(np.arange(3), sizes)
    np.testing.assert_array_equal(values.reshape(-1), expected)
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 1
    big = np.arange(6, dtype=">i4")
    (tmp_path / "little").write_bytes(big.astype("<i4").tobytes())
    np.testing.assert_array_equal(map_files([tmp_path / "little"], [24], "int32", 3).ravel(), big)


def test_what_cannot_be_mapped_is_an_error_and_nothing_stays(tmp_path: Path) -> None:
    """A page beyond a file's end would end the process; handles and address space go back."""
    paths, sizes = pages(tmp_path, 2, 2)

    def spaces() -> int:
        return Path("/proc/self/maps").read_text().count(str(tmp_path))

    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Cannot allocate memory"):
        map_files(paths[:1], [1 << 60], "int8", 1)
    for _ in range(3):
        with pytest.raises(OSError, match="1 is shorter than it should be"):
            map_files(paths, [sizes[0], sizes[1] + 1], "int8", 1)
        with pytest.raises(OSError, match="whole memory pages"):
            map_files(paths, [sizes[0] - 1, sizes[1]], "int8", 1)
        with pytest.raises(FileNotFoundError):
            map_files([paths[0], tmp_path / "none"], sizes, "int8", 1)
        rows = map_files(paths, sizes, "int8", 1)
        part = rows[5:9]
        del rows
        assert spaces() == 2
        del part
        assert spaces() == 0
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_pages_behind_a_slice_are_asked_for(tmp_path: Path, monkeypatch) -> None:
    paths, sizes = pages(tmp_path, 4)
    values = map_files(paths, sizes, "int8", 16)
    address = values.__array_interface__["data"][0]
    asked = []
    monkeypatch.setattr(mapping, "_libc", SimpleNamespace(madvise=lambda *call: asked.append(call)))
    page = mmap.PAGESIZE
    prefetch(values[: page // 16])
    prefetch(values[page // 16 + 1 : page // 8 + 2])
    will_need = 3  # MADV_WILLNEED of madvise(2)
    assert asked == [(address, page, will_need), (address + page, page + 32, will_need)]
