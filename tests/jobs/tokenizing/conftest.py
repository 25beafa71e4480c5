"""Shared by the tests of jobs/tokenizing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sesstore.jobs.tokenizing.tokenize import tokenize
from sesstore.store import Store


@pytest.fixture
def folder(shared_structures: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "structures"
    copy.mkdir()
    for entry in ("1aki.pdb", "5zng.cif", "1l2y.cif"):
        shutil.copy(shared_structures / entry, copy / entry)
    for path in copy.iterdir():
        path.chmod(0o644)
    return copy


class Notes:
    """Progress that counts what is done again."""

    def __init__(self) -> None:
        self.done, self.said = 0, []

    def stage(self, name: str, total: int | None, unit: str) -> Notes:
        return self

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *problem: object) -> None: ...

    def advance(self, amount: int = 1) -> None:
        self.done += amount

    def show(self, **figures: str) -> None: ...

    def note(self, text: str) -> None:
        self.said.append(text)


def again(store: Store, folder: Path, **options) -> int:
    """How many structures another run does."""
    notes = Notes()
    tokenize(store, [folder], "pdb", progress=notes, **options)
    return notes.done
