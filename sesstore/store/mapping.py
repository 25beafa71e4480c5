"""Map the shard files of an array into memory, one behind the other, as one [N, d] array.

Shards are whole memory pages of rows followed by their index, so mapping each at its place, over
the index of the one before, gives a single contiguous array without a copy. It is done with the
system's own ``mmap``, because Python's keeps a file descriptor open for every map: a store of
thousands of segments would run out of them.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIXED = 0x10
_WILL_NEED = 3
_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def map_files(paths: list[Path], sizes: list[int], dtype: str, dim: int) -> NDArray[Any]:
    """Map the first bytes of some files back to back.

    Parameters
    ----------
    paths : list of path
        The files, in order.
    sizes : list of int
        How many bytes of each; all but the last a multiple of the page size.
    dtype : str
        Type of the values.
    dim : int
        Row length d.

    Returns
    -------
    ndarray, shape=(N, d)
        Read-only. Stays valid when the files are deleted, while anything refers to it.

    Raises
    ------
    OSError
        A file cannot be opened or mapped.
    """
    if any(size % mmap.PAGESIZE for size in sizes[:-1]):
        raise OSError("shards are not whole memory pages")
    total = sum(sizes)
    # The whole range is reserved first, so that nothing else can come to lie between two shards.
    start = _call(None, total, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANON, -1)
    region = (ctypes.c_char * total).from_address(start)
    # Not at exit: arrays may outlive this module there, and the system unmaps everything anyway.
    weakref.finalize(region, _libc.munmap, start, total).atexit = False
    place = start
    for path, size in zip(paths, sizes, strict=True):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.fstat(handle).st_size < size:  # touching pages beyond the end would kill us
                raise OSError(f"{path} is shorter than it should be")
            _call(place, size, mmap.PROT_READ, mmap.MAP_SHARED | _FIXED, handle)
        finally:
            os.close(handle)
        place += size
    values: NDArray[Any] = np.frombuffer(
        memoryview(region), np.dtype(dtype).newbyteorder("<")
    ).reshape(-1, dim)
    values.flags.writeable = False
    return values


def prefetch(values: NDArray[Any]) -> None:
    """Ask the system to read the pages behind a slice of a mapped array, without waiting."""
    start = values.__array_interface__["data"][0]
    aligned = start - start % mmap.PAGESIZE
    _libc.madvise(aligned, values.nbytes + start - aligned, _WILL_NEED)


def _call(place: int | None, size: int, protection: int, flags: int, handle: int) -> int:
    start = _libc.mmap(place, size, protection, flags, handle, 0)
    if start is None or start == _FAILED:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(start)
