"""A small store with two segments, tokens for most proteins, conformers for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance, circumstances
from sesstore.residues import Embedding, StructureTokens, to_storage
from sesstore.store import Store
from sesstore.streaming.reader import SplitData

COUNT, DIM = 24, 6


@dataclass
class Stored:
    store: Store
    proteins: list[Protein]
    values: dict[bytes, np.ndarray]
    tokens: dict[bytes, StructureTokens]

    @property
    def digests(self) -> np.ndarray:
        return np.frombuffer(b"".join(p.digest for p in self.proteins), np.uint8).reshape(-1, 32)


def made(path: Path, dtype: str) -> Stored:
    rng = np.random.default_rng(0)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    proteins = [
        Protein(f"p{i}", "".join(rng.choice(letters, n)))
        for i, n in enumerate(rng.integers(1, 40, COUNT))
    ]
    values = {p.digest: rng.standard_normal((len(p), DIM)).astype(np.float32) for p in proteins}
    fingerprint = Fingerprint("enc", "ab" * 32, 6, "esm1b", "whole", "fp32")
    store = Store.create(path)
    store.add_proteins(proteins)
    for half in (proteins[: COUNT // 2], proteins[COUNT // 2 :]):
        with store.writer(Provenance(fingerprint, DIM, dtype), circumstances()) as writer:
            for p in half:
                writer.add(to_storage(Embedding(p.digest, values[p.digest]), dtype))
    tokens = {}
    for i, p in enumerate(proteins[:-4]):
        conformers = 3 if i == 0 else 1
        tokens[p.digest] = StructureTokens(
            p.digest,
            "alphafold2",
            {
                "foldseek": rng.integers(0, 20, (conformers, len(p))).astype(np.uint8),
                "dssp": rng.integers(0, 8, (conformers, len(p))).astype(np.uint8),
            },
            rng.integers(0, 101, len(p)).astype(np.uint8),
        )
    store.add_tokens(list(tokens.values()), circumstances())
    return Stored(store, proteins, values, tokens)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return made(tmp_path_factory.mktemp("stored") / "store", "float16")


@pytest.fixture(scope="session")
def stored_as(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Stored]:
    return lambda dtype: made(tmp_path_factory.mktemp(dtype) / "store", dtype)


BOTH = ("foldseek", "dssp")


def data(stored, **settings) -> SplitData:
    view, tokens = stored.store.embeddings(), stored.store.tokens("alphafold2")
    return SplitData(view, tokens, stored.digests, alphabets=BOTH, **settings)
