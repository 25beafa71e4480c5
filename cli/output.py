"""The one sink of all commands: human, JSON or quiet.

Commands never print by themselves. Results go to standard output, everything else (progress, notes,
errors) to standard error, so that ``sesstore ... --json > file`` holds exactly one JSON object.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich import box
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from sesstore.progress import Stage

from .stages import WrittenStage, drawn
from .wording import agreeing, as_shown, naming_store

PIPED = 100_000
"""Characters of a line where nobody watches: nothing is wrapped or cut there."""


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
    store : str, optional
        What ``--store`` said, for the hints in messages.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        quiet: bool = False,
        mute: bool = False,
        store: str | None = None,
    ) -> None:
        self.as_json = as_json and not mute
        self.quiet = quiet or mute
        self.store = store
        self.out = Console(highlight=False, soft_wrap=True, quiet=mute)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        if not self.out.is_terminal:
            self.out.width = PIPED

    # -- the library's Progress protocol ------------------------------------------------------

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Stage]:
        """Draw a stage of the library's work."""
        if self.err.is_terminal and not self.quiet:
            with drawn(self.err, name, total, unit) as stage:
                yield stage
            return
        began, lines = time.perf_counter(), WrittenStage(self.note)
        yield lines
        took = time.perf_counter() - began
        figures = f"  {lines.figures}" if lines.figures else ""
        self.note(f"{name}: {lines.done:,} {unit} in {took:.1f} s{figures}")

    def note(self, text: str) -> None:
        """Say a line people should read, on standard error."""
        if not self.quiet:
            self.err.print(escape(self._worded(text)))

    # -- results -----------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """Say a line of the result to people; silent with ``--json``."""
        if not self.as_json:
            self.out.print(escape(self._worded(text)))

    def _worded(self, text: str) -> str:
        return naming_store(agreeing(text), self.store)

    @contextmanager
    def rows(self) -> Iterator[IO[str]]:
        """Open what takes a table of any length, row by row; nothing does with ``--json``.

        A table that goes to a file or another program is UTF-8, whatever the terminal can show:
        names in it must not change.
        """
        if self.as_json or self.out.quiet:
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                yield nowhere
            return
        file = self.out.file
        if isinstance(file, io.TextIOWrapper) and not self.out.is_terminal:
            encoding = file.encoding
            file.reconfigure(encoding="utf-8")
            try:
                yield file
            finally:
                file.reconfigure(encoding=encoding, errors="sesstore.plain")
            return
        yield file

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        """Show a table of the result to people; numbers stand right; silent with ``--json``."""
        if self.as_json:
            return
        if title:
            self.line(title)
        grid = Table(box=box.SIMPLE_HEAD)
        for place, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[place], int | float | None) for row in rows)
            # A value too long for the terminal goes on in the next line; nothing is cut.
            justify: JustifyMethod = "right" if numeric else "left"
            grid.add_column(self._in_table(column), justify=justify, overflow="fold")
        for row in rows:
            grid.add_row(*(self._in_table(_cell(value)) for value in row))
        self.out.print(grid)

    def _in_table(self, text: str) -> str:
        """Text of a cell; replaced here already, so that the columns stand under each other."""
        return escape(as_shown(agreeing(text), self.out.encoding))

    def result(self, value: Mapping[str, Any]) -> None:
        """Print the result as the one JSON object; silent without ``--json``."""
        if self.as_json:
            self.out.file.write(as_json(value, self.out.encoding) + "\n")


def as_json(value: Any, encoding: str) -> str:
    """Return a value as one line of JSON, with escapes for what a stream cannot encode."""
    from sesstore.provenance import without_nan

    value = without_nan(value)
    text = json.dumps(value, ensure_ascii=False, default=_plain)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(value, default=_plain)
    return text


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return "-" if value != value else f"{value:.3f}"
    return str(value)


def _plain(value: Any) -> Any:
    """What JSON cannot hold by itself: numpy numbers and arrays, paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def number(value: float, spread: float | None = None) -> str:
    """A score with four digits and its deviation; a dash where it is not defined."""
    if value != value:
        return "-"
    return f"{value:.4f}" if spread is None else f"{value:.4f} ± {spread:.4f}"


def between(bounds: Sequence[float]) -> str:
    """An interval as people read it."""
    from sesstore.training.seeds import between as words

    return words(bounds)


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
