"""Going on beside what is damaged, where somebody wants to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import CorruptStoreError

Damaged = Callable[[str], None]
"""Told about a part that is not what was written, and left out."""


@contextmanager
def leaving_out(damaged: Damaged | None) -> Iterator[None]:
    """End the block at what is damaged, and say so; raise where nobody wants to be told.

    Raises
    ------
    CorruptStoreError
        Something is not what was written, and `damaged` is None.
    """
    try:
        yield
    except CorruptStoreError as problem:
        if damaged is None:
            raise
        damaged(str(problem))
