"""Progress that draws nothing and keeps what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Noting:
    """Progress, and the stage of it, that tests look at afterwards."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.stages: list[tuple[str, int | None, str]] = []
        self.amounts: list[int] = []
        self.rows: list[dict[str, str]] = []

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Noting]:
        self.stages.append((name, total, unit))
        yield self

    def advance(self, amount: int = 1) -> None:
        self.amounts.append(amount)

    def show(self, **figures: str) -> None: ...

    def row(self, **figures: str) -> None:
        self.rows.append(figures)

    def note(self, text: str) -> None:
        self.notes.append(text)
