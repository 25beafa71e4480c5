"""A store and a task that can be learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task

from .proteins import draw_proteins

BOUNDS = {"train": (0, 0.6), "valid": (0.6, 0.8), "test": (0.8, 1)}


def write_task(path: Path, count: int, dim: int) -> tuple[Task, Store]:
    """Write a store; the class is in values and tokens, weakly."""
    random = np.random.default_rng(5)
    proteins = draw_proteins([int(n) for n in random.integers(5, 400, count)], seed=6)
    kinds = [int(k) for k in random.integers(0, 3, count)]
    signal = random.standard_normal((3, dim)) * 0.4
    store = Store.create(path)
    provenance = Provenance(
        Fingerprint("check", "ab" * 32, 6, "none", "whole", "fp32"), dim, "float16"
    )
    with store.writer(provenance, {}) as writer:
        for protein, kind in zip(proteins, kinds, strict=True):
            values = random.standard_normal((len(protein), dim)) + signal[kind]
            writer.add(Embedding(protein.digest, values.astype(np.float16)))
    store.add_tokens([_tokens(p, k, random) for p, k in zip(proteins, kinds, strict=True)], {})
    splits = {name: _split(proteins, kinds, *bounds) for name, bounds in BOUNDS.items()}
    metrics = ("accuracy", "mcc")
    task = Task("check", Problem.SINGLE_LABEL, ("a", "b", "c"), splits, metrics, "accuracy")
    return task, store


def _tokens(protein: Protein, kind: int, random: np.random.Generator) -> StructureTokens:
    codes = {
        "foldseek": random.integers(0, 20, len(protein)).astype(np.uint8),
        "dssp": random.choice([kind, kind, 3, 4, 5], len(protein)).astype(np.uint8),
    }
    return StructureTokens(protein.digest, "made", codes)


def _split(proteins: list[Protein], kinds: list[int], start: float, stop: float) -> Split:
    rows = slice(int(start * len(proteins)), int(stop * len(proteins)))
    digests = np.frombuffer(b"".join(p.digest for p in proteins[rows]), np.uint8)
    return Split(tuple(p.id for p in proteins[rows]), digests.reshape(-1, 32), kinds[rows])
