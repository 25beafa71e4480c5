"""Partitions: the part of the proteins that one of several runs does, agreed on without talking.

Proteins are ordered by length and digest and dealt out back and forth, so every partition has
nearly the same lengths. The same set gives the same partitions on every machine, whatever order or
files it came in. Partitions are of what is asked for, not of what is missing: one that is run again
skips what is stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, NotStoredError
from ...proteins import Protein
from ...store import Store

_PATTERN = re.compile(r"(\d+)/(\d+)")
_SLURM = "SLURM_ARRAY_TASK_"


@dataclass(frozen=True)
class Partition:
    """One of several parts.

    Parameters
    ----------
    index, count : int
        Which, from 1, of how many.

    Raises
    ------
    InputError
        There is no such part.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise InputError(
                f"there is no partition {self.index}/{self.count}. Give i/n with i from 1 to n, "
                f"such as 1/{max(self.count, 1)}"
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str]) -> Partition:
        """Read ``i/n``, or ``slurm``: the task of a job array that this process is.

        Raises
        ------
        InputError
            It is neither; or this is no task of an array, or one of an array with gaps.
        """
        if text == "slurm":
            return cls._of_slurm(environment)
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise InputError(f"'{text}' is no partition. Give i/n, such as 3/10, or slurm")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def _of_slurm(cls, environment: Mapping[str, str]) -> Partition:
        try:
            place, first, last, count = (
                int(environment[_SLURM + name]) for name in ("ID", "MIN", "MAX", "COUNT")
            )
            step = int(environment.get(_SLURM + "STEP", 1))
        except (KeyError, ValueError):
            raise InputError(
                "this is no task of a Slurm job array (SLURM_ARRAY_TASK_ID, _MIN, _MAX and _COUNT "
                "are not all set). Submit it with `sbatch --array=1-10`, or give i/n"
            ) from None
        index, beyond = divmod(place - first, step)
        if beyond or last - first != (count - 1) * step:
            raise InputError(
                f"the job array has {count} tasks between {first} and {last} with gaps, so which "
                f"part is whose cannot be told. Give it: --partition $SLURM_ARRAY_TASK_ID/N"
            )
        return cls(index + 1, count)


def partition_of(
    proteins: Iterable[Protein], count: int
) -> tuple[list[Protein], NDArray[np.int64]]:
    """Say which partition each protein belongs to.

    Parameters
    ----------
    proteins : iterable of Protein
        In any order; of equal digests the first counts.
    count : int
        How many partitions there are.

    Returns
    -------
    list of Protein
        Longest first, of equal length by digest.
    ndarray, shape=(proteins,), dtype=int64
        The partition, from 1, of each.
    """
    distinct = {protein.digest: protein for protein in reversed(list(proteins))}
    ordered = sorted(distinct.values(), key=lambda protein: (-len(protein), protein.digest))
    rounds, place = np.divmod(np.arange(len(ordered)), count)
    return ordered, np.where(rounds % 2, count - 1 - place, place) + 1


def select(store: Store, proteins: Iterable[Protein] | None, partition: Partition) -> list[Protein]:
    """Return the proteins of one partition, longest first.

    Parameters
    ----------
    store : Store
        It must know all of them: partitions may run on many machines, and only one may write
        sequences at a time.
    proteins : iterable of Protein, optional
        Of all partitions; every protein the store knows by default.
    partition : Partition

    Raises
    ------
    InputError
        The store does not know a protein.
    """
    requested = list(store.proteins() if proteins is None else proteins)
    if proteins is not None:
        _check_known(store, requested)
    ordered, belongs = partition_of(requested, partition.count)
    return [ordered[place] for place in np.flatnonzero(belongs == partition.index)]


def _check_known(store: Store, proteins: list[Protein]) -> None:
    try:
        for _ in store.proteins(protein.digest for protein in proteins):
            pass
    except NotStoredError as problem:
        raise InputError(
            f"{problem}. Partitions may run on many machines, and only one may write sequences at "
            f"a time: put all proteins into the store first with `sesstore add`"
        ) from None
