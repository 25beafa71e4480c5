"""The one sink of all commands: human, JSON or quiet.

Commands never print by themselves. Results go to standard output, everything else (progress, notes,
errors) to standard error, so that ``sesstore ... --json > file`` holds exactly one JSON object.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sesstore.progress import Stage

from .stages import WrittenStage, drawn


class Output:
    """Where a command says things.

    Parameters
    ----------
    as_json : bool
        Print one JSON object and nothing else on standard output.
    quiet : bool
        No progress and no notes.
    mute : bool
        Nothing at all but errors.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, mute: bool = False) -> None:
        self.as_json = as_json and not mute
        self.quiet = quiet or mute
        self.out = Console(highlight=False, soft_wrap=True, quiet=mute)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    # -- the library's Progress protocol ------------------------------------------------------

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Stage]:
        """Draw a stage of the library's work."""
        if self.err.is_terminal and not self.quiet:
            with drawn(self.err, name, total, unit) as stage:
                yield stage
            return
        began, written = time.perf_counter(), WrittenStage(self.note)
        yield written
        took = time.perf_counter() - began
        figures = f"  {written.figures}" if written.figures else ""
        self.note(f"{name}: {written.done:,} {unit} in {took:.1f} s{figures}")

    def note(self, text: str) -> None:
        """Say a line people should read, on standard error."""
        if not self.quiet:
            self.err.print(escape(text))

    # -- results -----------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """Say a line of the result to people; silent with ``--json``."""
        if not self.as_json:
            self.out.print(escape(text))

    @contextmanager
    def rows(self) -> Iterator[IO[str]]:
        """Open what takes a table of any length, row by row; nothing does with ``--json``."""
        if not self.as_json and not self.out.quiet:
            yield self.out.file
            return
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            yield nowhere

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        """Show a table of the result to people; numbers stand right; silent with ``--json``."""
        if self.as_json:
            return
        shown = Table(title=escape(title) or None, box=box.SIMPLE_HEAD, title_justify="left")
        for place, column in enumerate(columns):
            numeric = all(isinstance(row[place], int | float) for row in rows) and bool(rows)
            shown.add_column(escape(column), justify="right" if numeric else "left")
        for row in rows:
            shown.add_row(*(escape(_cell(value)) for value in row))
        self.out.print(shown)

    def result(self, value: Mapping[str, Any]) -> None:
        """Print the result as the one JSON object; silent without ``--json``."""
        if self.as_json:
            self.out.file.write(json.dumps(value, ensure_ascii=False, default=_plain) + "\n")


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """What JSON cannot hold by itself: numpy numbers and arrays, paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
