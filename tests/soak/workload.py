"""What the tortured process does: proteins, embeddings, tokens, a task, compaction, gc.

Everything is the same on every run, so that the content of a store can be compared with what it
must be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sesstore.encoders.registry import load
from sesstore.errors import SesstoreError
from sesstore.jobs.embedding.embed import embed
from sesstore.proteins import Protein
from sesstore.provenance import Provenance
from sesstore.residues import StructureTokens, to_storage
from sesstore.store import SegmentWriter, Store
from sesstore.store.compaction import compact, gc
from sesstore.store.integrity import verify
from sesstore.tasks import Problem, Split, Task

LETTERS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", np.uint8)
ENCODER = load("blosum62")
SOURCE = "alphafold2"


class SmallSegments(Store):
    """Commits often, so that there is much to interrupt."""

    def writer(
        self, provenance: Provenance, circumstances: Mapping[str, Any], **_: Any
    ) -> SegmentWriter:
        return super().writer(provenance, circumstances, segment_bytes=60_000)


def _proteins(count: int) -> list[Protein]:
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 200, count)
    return [
        Protein(f"p{i}", LETTERS[rng.integers(0, 20, n)].tobytes().decode())
        for i, n in enumerate(lengths)
    ]


PROTEINS = _proteins(150)


def tokens_of(protein: Protein) -> StructureTokens:
    rng = np.random.default_rng(len(protein))
    codes = {
        "foldseek": rng.integers(0, 21, len(protein)).astype(np.uint8),
        "dssp": rng.integers(0, 9, len(protein)).astype(np.uint8),
    }
    plddt = rng.integers(0, 101, len(protein)).astype(np.uint8)
    return StructureTokens(protein.digest, SOURCE, codes, plddt, "soak 1")


def task() -> Task:
    digests = np.frombuffer(b"".join(p.digest for p in PROTEINS), np.uint8).reshape(-1, 32)
    ids = tuple(p.id for p in PROTEINS)
    split = Split(ids, digests, [len(p) % 2 for p in PROTEINS])
    return Task(
        "soak", Problem.SINGLE_LABEL, ("a", "b"), {"train": split}, ("accuracy",), "accuracy"
    )


def run(path: Path) -> None:
    """Bring a store to its full content, from wherever it stands."""
    store = SmallSegments.create(path)
    for start in range(0, len(PROTEINS), 30):
        part = PROTEINS[start : start + 30]
        store.add_proteins(part)
        store.add_tokens(map(tokens_of, part), {"command": "soak"})
    store.add_task(task())
    embed(store, ENCODER)
    compact(store, target_bytes=300_000)
    gc(store)


@dataclass
class State:
    """What a store holds."""

    opened: bool = True
    problems: list[str] = field(default_factory=list)
    embeddings: set[bytes] = field(default_factory=set)
    tokens: set[bytes] = field(default_factory=set)
    proteins: set[bytes] = field(default_factory=set)
    rows: int = 0

    @property
    def complete(self) -> bool:
        everything = {p.digest for p in PROTEINS}
        return self.embeddings == self.tokens == self.proteins == everything

    def lost(self, before: State) -> int:
        """How many of the things that were there are gone."""
        return sum(
            len(getattr(before, what) - getattr(self, what))
            for what in ("embeddings", "tokens", "proteins")
        )


def state_of(path: Path) -> State:
    """Open a store, verify it, compare every value with what it must be."""
    state = State()
    if not (path / "zarr.json").exists():
        return state  # killed before there was a store
    try:
        store = Store.open(path)
        state.problems += [f"{f.where}: {f.what}" for f in verify(path).bad]
        state.proteins = {p.digest for p in store.proteins()}
        if store.encoders():
            _read_embeddings(store, state)
        if SOURCE in store.sources():
            _read_tokens(store, state)
    except SesstoreError as problem:
        state.opened = False
        state.problems.append(str(problem))
    return state


def _read_embeddings(store: Store, state: State) -> None:
    view = store.embeddings()
    state.embeddings = {row.tobytes() for row in view.digests}
    state.rows = sum(len(segment.digests) for segment in view.segments)
    for protein, made in zip(PROTEINS, ENCODER.encode(PROTEINS), strict=True):
        if protein.digest in state.embeddings:
            expected = to_storage(made, "float16").values
            if not np.array_equal(view.get(protein.digest), expected):
                state.problems.append(f"{protein.id}: other values than were written")


def _read_tokens(store: Store, state: State) -> None:
    reader = store.tokens(SOURCE)
    state.tokens = set(reader.digests())
    for protein in PROTEINS:
        if protein.digest in state.tokens:
            found, expected = reader.get(protein.digest), tokens_of(protein)
            same = found is not None and np.array_equal(found.plddt, expected.plddt)
            if not same or found.codes["dssp"].tobytes() != expected.codes["dssp"].tobytes():
                state.problems.append(f"{protein.id}: other tokens than were written")
