"""Sequences that are nearly equal across splits, very short or long, or of unusual letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ..alphabets import AMINO_ACIDS
from ..tasks import Task, split_rank
from .findings import Finding, first, rows_of, split_pairs
from .groups import POSITION
from .similarity import NEARLY_EQUAL, alike_pairs, identity_of, joined

COMMON = frozenset(AMINO_ACIDS.letters[:20])
SHORT = 20
LONG = 1022
"""Residues that ESM-2 and its kin take at once."""

Sequences = Mapping[bytes, str]


def check_sequences(task: Task, sequences: Sequences) -> list[Finding]:
    """Find what of a task's sequences biases a result, or is good to know.

    Parameters
    ----------
    task : Task
    sequences : mapping of bytes to str
        Sequence of each digest.
    """
    findings = [*_near(task, sequences), *_lengths(task, sequences), *_letters(task, sequences)]
    return [finding for finding in findings if finding.count]


def near_clusters(task: Task, sequences: Sequences) -> dict[bytes, int]:
    """Number of the cluster of nearly equal sequences of each protein.

    Chains count: of three, the first and the last may be less alike than 90 %.
    """
    digests = list(dict.fromkeys(row.digest for row in rows_of(task)))
    texts = [sequences[digest] for digest in digests]
    clusters = joined(len(texts), alike_pairs(texts, NEARLY_EQUAL))
    return dict(zip(digests, clusters.tolist(), strict=True))


def best_splits(task: Task) -> dict[bytes, str]:
    """Return the one split a protein is to stay in: test before valid before train."""
    ranked = sorted(rows_of(task), key=lambda row: split_rank(row.split))
    return {row.digest: row.split for row in ranked}


def _near(task: Task, sequences: Sequences) -> Iterator[Finding]:
    clusters, homes = near_clusters(task, sequences), best_splits(task)
    names = {row.digest: row.id for row in rows_of(task)}
    members: dict[int, list[bytes]] = {}
    for digest, number in clusters.items():
        members.setdefault(number, []).append(digest)
    for earlier_split, later_split in split_pairs(task):
        odd = []
        for group in members.values():
            sources = [digest for digest in group if homes[digest] == earlier_split]
            odd += [
                (digest, sources[0]) for digest in group if sources and homes[digest] == later_split
            ]
        yield Finding(
            f"nearly_in_{earlier_split}_and_{later_split}",
            f"{later_split} proteins nearly equal ({identity_of(NEARLY_EQUAL):.0%} and more) "
            f"to one of {earlier_split}",
            len(odd),
            first([f"{names[digest]} ~ {names[neighbour]}" for digest, neighbour in odd]),
            "what was learned by heart looks like what was understood",
            _way_out(task.split_by, earlier_split),
            biases=task.split_by != POSITION,
        )


def _way_out(split_by: str | None, split: str) -> str:
    """What to do about nearly equal sequences across splits that were made in some way."""
    if split_by == POSITION:
        return "nothing: variants of one protein are all alike, and whole positions are held out"
    drop = f"--fix drops the {split} rows"
    if split_by is None:
        return f"{drop}; or split by clusters: leave the split column out"
    advice = "add the data with --split-by cluster (variants of one protein: position)"
    return f"{advice}; or {drop}; or say beside the result that splits are by {split_by}"


def lengths_of(task: Task, split: str, sequences: Sequences) -> NDArray[np.int64]:
    """Residues of each row of a split."""
    digests = task.splits[split].digests
    return np.asarray([len(sequences[digest.tobytes()]) for digest in digests], np.int64)


def unusual(sequence: str) -> int:
    """Residues of a sequence that are none of the 20 amino acids."""
    return sum(sequence.count(letter) for letter in AMINO_ACIDS.letters[20:])


def _lengths(task: Task, sequences: Sequences) -> Iterator[Finding]:
    rows = [(row.id, len(sequences[row.digest])) for row in rows_of(task)]
    short = [f"{name} ({length})" for name, length in rows if length < SHORT]
    long = [f"{name} ({length:,})" for name, length in rows if length > LONG]
    yield Finding(
        "short",
        f"rows with fewer than {SHORT} residues",
        len(short),
        first(short),
        "a PLM knows little of peptides",
        "leave them out if they are fragments",
        biases=False,
    )
    yield Finding(
        "long",
        f"rows with more than {LONG:,} residues",
        len(long),
        first(long),
        "PLMs with a window of that size see them in parts",
        "nothing: overlapping windows are merged (see `sesstore embed --help`)",
        biases=False,
    )


def _letters(task: Task, sequences: Sequences) -> Iterator[Finding]:
    odd = []
    for row in rows_of(task):
        sequence = sequences[row.digest]
        if not COMMON.issuperset(sequence):
            letters = " ".join(sorted(set(sequence) - COMMON))
            odd.append(f"{row.id} ({letters}: {unusual(sequence)} of {len(sequence):,})")
    yield Finding(
        "unusual_letters",
        "rows with letters beyond the 20 amino acids",
        len(odd),
        first(odd),
        "PLMs saw X, U, Z, O, B and J rarely",
        "nothing for a few; long runs of X are no sequence",
        biases=False,
    )
