"""How a stage of the library's work is drawn: a bar, and above it a table of its figures.

On a terminal both are live; elsewhere a finished part is a line, and so is the stage at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table


class DrawnStage:
    """A stage on a terminal.

    Parameters
    ----------
    name : str
        What is done.
    total : int or None
        How many of `unit` there are, if that is known.
    unit : str
        Such as ``"residues"``.
    """

    def __init__(self, name: str, total: int | None, unit: str) -> None:
        self.unit = unit
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._task: TaskID = self.bars.add_task(name, total=total, rate="")
        self._rows: list[dict[str, str]] = []
        self._current: dict[str, str] = {}

    def advance(self, amount: int = 1) -> None:
        """Move the bar, and say the rate."""
        self.bars.advance(self._task, amount)
        speed = self.bars.tasks[0].speed
        if speed:
            self.bars.update(self._task, rate=f"{speed:,.0f} {self.unit}/s")

    def show(self, **figures: str) -> None:
        """Show the figures of the moment as the table's last row."""
        self._current = figures

    def row(self, **figures: str) -> None:
        """Add a finished part to the table."""
        self._rows.append(figures)
        self.show()

    def __rich__(self) -> RenderableType:
        """What the terminal shows now."""
        return Group(self.table(), self.bars) if self._rows or self._current else self.bars

    def table(self) -> Table:
        """Finished parts, and the one in hand."""
        rows = [*self._rows, *([self._current] if self._current else [])]
        columns = dict.fromkeys(name for row in rows for name in row)
        grid = Table(box=box.SIMPLE_HEAD)
        for name in columns:
            grid.add_column(escape(name), justify="right")
        for place, row in enumerate(rows):
            style = "dim" if place == len(self._rows) else ""
            grid.add_row(*(escape(row.get(name, "")) for name in columns), style=style)
        return grid


class WrittenStage:
    """A stage where nobody watches: a line a finished part.

    Parameters
    ----------
    say : callable
        Takes each line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.done = 0
        self.figures = ""
        """Figures of the moment that no line has told yet."""

    def advance(self, amount: int = 1) -> None:
        """Count."""
        self.done += amount

    def show(self, **figures: str) -> None:
        """Keep the figures of the moment."""
        self.figures = _text(figures)

    def row(self, **figures: str) -> None:
        """Say a finished part."""
        self._say(_text(figures))
        self.figures = ""


@contextmanager
def drawn(console: Console, name: str, total: int | None, unit: str) -> Iterator[DrawnStage]:
    """Draw a stage on a terminal for the while, and leave its last state there."""
    stage = DrawnStage(name, total, unit)
    with Live(stage, console=console, refresh_per_second=10):
        yield stage


def _text(figures: dict[str, str]) -> str:
    return "  ".join(f"{name} {value}" for name, value in figures.items())
