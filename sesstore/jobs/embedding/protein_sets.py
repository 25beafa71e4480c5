"""Sets of proteins to plan for: lengths counted in files and tasks, or figures of named sets.

Those are rounded figures of ``data/planning.toml``, all proteins taken as of mean length, so that
what grows with the square of the length (attention) is somewhat too low.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnknownNameError
from ...store import Store
from ..proteinfiles import proteins_of


@dataclass(frozen=True, eq=False)
class ProteinSet:
    """What is to be embedded.

    Parameters
    ----------
    title : str
    proteins, residues : int
    lengths, counts : ndarray, shape=(n,), dtype=int64
        Lengths that occur, and how many proteins have each.
    source : str
        Where the figures come from.
    exact : bool
        Whether they were counted.
    """

    title: str
    proteins: int
    residues: int
    lengths: NDArray[np.int64]
    counts: NDArray[np.int64]
    source: str
    exact: bool


@cache
def planning_table() -> dict[str, Any]:
    """Return the figures that are built in: ``sets`` and ``devices``."""
    raw = resources.files(__package__).joinpath("data/planning.toml").read_text("utf-8")
    return tomllib.loads(raw)


def named_sets() -> list[str]:
    """Names of the sets whose figures are built in."""
    return list(planning_table()["sets"])


def named_set(name: str) -> ProteinSet:
    """Return the figures of a named set; raises `UnknownNameError`."""
    if name not in planning_table()["sets"]:
        raise UnknownNameError("set of proteins", name, named_sets(), "Or name a file or a task.")
    entry = planning_table()["sets"][name]
    proteins, residues = entry["proteins"], entry["residues"]
    short, longer = divmod(residues, proteins)
    return ProteinSet(
        entry["title"],
        proteins,
        residues,
        np.array([short, short + 1]),
        np.array([proteins - longer, longer]),
        f"{entry['source']}; {entry['date']}",
        exact=False,
    )


def counted_set(title: str, lengths: Iterable[int]) -> ProteinSet:
    """Return the figures of proteins whose lengths are known."""
    residues = np.fromiter(lengths, np.int64)
    distinct, counts = np.unique(residues, return_counts=True)
    return ProteinSet(
        title, len(residues), int(residues.sum()), distinct, counts, "counted", exact=True
    )


def protein_set(name: str, store: Store | None) -> ProteinSet:
    """Return the figures of a named set, a file, or a task of a store.

    Parameters
    ----------
    name : str
        A file or a task goes before a named set of the same name.
    store : Store, optional
        Whose tasks may be named.

    Raises
    ------
    UnknownNameError
        It is none of these.
    InputError
        A record of the file is wrong.
    """
    is_task = store is not None and name in store.tasks()
    is_path = Path(name).is_file() or "/" in name or bool(Path(name).suffix)
    if not is_task and not is_path:
        return named_set(name)
    return counted_set(name, _lengths(name, store))


def _lengths(name: str, store: Store | None) -> Iterator[int]:
    """Length of each different sequence."""
    digests: set[bytes] = set()
    for protein in proteins_of(store, name):
        if protein.digest not in digests:
            digests.add(protein.digest)
            yield len(protein)
