"""How the library reports long work; ``cli/`` draws it, the library never prints.

A function that takes long accepts ``progress: Progress = SILENT``. It opens a stage for each kind
of work, advances it, and says in a note what a person should read once.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Stage(Protocol):
    """One bar: some amount of one unit."""

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` more units are done."""

    def show(self, **figures: str) -> None:
        """Say the figures of the moment, such as ``loss="0.41"``; the latest count."""

    def row(self, **figures: str) -> None:
        """Say the figures of a part that is finished, such as an epoch: a row of a table."""


class Progress(Protocol):
    """What the library reports to."""

    def stage(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Stage]:
        """Open a stage of `total` units (None: not known) such as ``"residues"`` or ``"bytes"``."""

    def note(self, text: str) -> None:
        """Say one line a person should read: a choice made, something left out, a warning."""


class _SilentStage:
    def advance(self, amount: int = 1) -> None:
        pass

    def show(self, **figures: str) -> None:
        pass

    def row(self, **figures: str) -> None:
        pass


class _Silent:
    def stage(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Stage]:
        return nullcontext(_SilentStage())

    def note(self, text: str) -> None:
        pass


SILENT: Progress = _Silent()
"""Reports nothing: the default everywhere."""
