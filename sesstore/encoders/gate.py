"""Many at once, or one alone: what failed for want of memory is tried again with all of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Lets threads in together, or one while no other is inside."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside = 0

    @contextmanager
    def among_others(self) -> Iterator[None]:
        """Enter with others; waits while one is inside alone, unless that is this thread."""
        with self._turn:
            self._inside += 1
        try:
            yield
        finally:
            with self._turn:
                self._inside -= 1
                self._turn.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Enter once everybody has left; nobody enters meanwhile."""
        with self._turn:
            self._turn.wait_for(lambda: not self._inside)
            yield
