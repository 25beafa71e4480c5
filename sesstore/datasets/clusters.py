"""Clusters of similar sequences: by MMseqs2 where it is installed, else by shared k-mers.

What made them and how alike they are is part of the result, for whoever reads a number that
depends on it. MMseqs2 (Steinegger & Soeding 2017, doi:10.1038/nbt.3988) reaches down to 30 %
identity; k-mers to about 60 %.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .similarity import ALIKE, alike_pairs, identity_of, joined

MMSEQS_IDENTITY = 0.3
MMSEQS_COVERAGE = 0.8
_ALIKE = ("--min-seq-id", str(MMSEQS_IDENTITY), "-c", str(MMSEQS_COVERAGE))


@dataclass(frozen=True, eq=False)
class Clusters:
    """Sequences in groups.

    Parameters
    ----------
    of : ndarray, shape=(N,), dtype=int64
        Number of each sequence's cluster, from 0 on.
    made_by : str
        What made them, and how alike the sequences of one cluster are.
    kind : str
        What one is called.
    """

    of: NDArray[np.int64]
    made_by: str
    kind: str = "cluster"

    def __len__(self) -> int:
        return int(self.of.max()) + 1 if len(self.of) else 0


def cluster(sequences: Sequence[str]) -> Clusters:
    """Put similar sequences into one cluster.

    Parameters
    ----------
    sequences : sequence of str
        Distinct.

    Raises
    ------
    InputError
        MMseqs2 is installed and fails; says what it said.
    """
    program = shutil.which("mmseqs")
    if program is not None:
        return _by_mmseqs(sequences, program)
    numbers = joined(len(sequences), alike_pairs(sequences, ALIKE))
    identity = identity_of(ALIKE)
    return Clusters(
        numbers,
        f"shared 4-mers (MinHash), from about {identity:.0%} identity on; MMseqs2, once installed, "
        f"clusters from {MMSEQS_IDENTITY:.0%} on",
    )


def _by_mmseqs(sequences: Sequence[str], program: str) -> Clusters:
    with tempfile.TemporaryDirectory(prefix="sesstore-mmseqs-") as name:
        folder = Path(name)
        text = "".join(f">{place}\n{sequence}\n" for place, sequence in enumerate(sequences))
        (folder / "in.fasta").write_text(text, "ascii")
        _run(
            [program, "easy-cluster", "in.fasta", "out", "tmp", "-v", "1", *_ALIKE],
            folder,
        )
        lines = (folder / "out_cluster.tsv").read_text("ascii").splitlines()
    heads = np.full(len(sequences), -1, np.int64)
    for line in lines:
        head, member = line.split("\t")
        heads[int(member)] = int(head)
    if (heads < 0).any():
        raise InputError(f"{program} left {int((heads < 0).sum()):,} sequences out. Update it")
    version = _run([program, "version"], None).strip()
    return Clusters(
        np.unique(heads, return_inverse=True)[1].astype(np.int64),
        f"MMseqs2 {version} ({MMSEQS_IDENTITY:.0%} identity over {MMSEQS_COVERAGE:.0%} of both)",
    )


def _run(command: list[str], folder: Path | None) -> str:
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if process.returncode:
        messages = (process.stderr + process.stdout).strip().splitlines()
        raise InputError(
            f"{command[0]} fails: {messages[-1] if messages else f'status {process.returncode}'}. "
            f"Update it, or take it off the PATH to have clusters made by k-mers"
        )
    return process.stdout
