"""Small stores with everything in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance, circumstances
from sesstore.residues import Embedding, StructureTokens, to_storage
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def proteins(count: int, seed: int = 0, longest: int = 60) -> list[Protein]:
    """The first are the same, however many there are."""
    rng = np.random.default_rng(seed)
    return [
        Protein(f"p{i}", "".join(rng.choice(LETTERS, rng.integers(2, longest))))
        for i in range(count)
    ]


def provenance(
    name: str = "enc", dim: int = 6, dtype: str = "float16", layer: int = 6
) -> Provenance:
    fingerprint = Fingerprint(name, "ab" * 32, layer, "esm1b", "windows(1022,256)", "fp32")
    return Provenance(fingerprint, dim, dtype, "MIT", "Someone 2024")


def embedding(protein: Protein, made: Provenance) -> Embedding:
    """The same numbers for the same protein and encoder, always."""
    seed = int.from_bytes(protein.digest[:4]) ^ made.fingerprint.layer
    values = np.random.default_rng(seed).standard_normal((len(protein), made.dim))
    return to_storage(Embedding(protein.digest, values.astype(np.float32)), made.dtype)


def tokens(
    protein: Protein, source: str = "alphafold2", tool: str = "mini3di 0.2"
) -> StructureTokens:
    rng = np.random.default_rng(int.from_bytes(protein.digest[:4]))
    length = len(protein)
    codes = {
        "foldseek": rng.integers(0, 21, length).astype(np.uint8),
        "dssp": rng.integers(0, 9, (2, length)).astype(np.uint8),
    }
    return StructureTokens(
        protein.digest, source, codes, rng.integers(0, 101, length).astype(np.uint8), tool
    )


def task(rows: list[Protein], name: str = "toy") -> Task:
    digests = np.frombuffer(b"".join(p.digest for p in rows), np.uint8).reshape(-1, 32)
    half = len(rows) // 2
    splits = {
        "train": Split(
            tuple(p.id for p in rows[:half]), digests[:half], [i % 2 for i in range(half)]
        ),
        "test": Split(tuple(p.id for p in rows[half:]), digests[half:], [0] * (len(rows) - half)),
    }
    return Task(name, Problem.SINGLE_LABEL, ("a", "b"), splits, ("accuracy",), "accuracy", "C 2020")


@dataclass
class Filled:
    """A store and what was put into it."""

    store: Store
    proteins: list[Protein]
    provenances: list[Provenance] = field(default_factory=list)


def fill(path: Path, count: int = 30, dtypes: tuple[str, ...] = ("float16", "int8")) -> Filled:
    store = Store.create(path)
    known = proteins(count)
    store.add_proteins(known)
    made = [provenance(f"enc_{dtype}", dtype=dtype) for dtype in dtypes]
    for one in made:
        with store.writer(one, circumstances("numpy"), segment_bytes=3000) as writer:
            for protein in known:
                writer.add(embedding(protein, one))
    store.add_tokens(map(tokens, known), circumstances("lmdb"))
    store.add_task(task(known))
    return Filled(store, known, made)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("template") / "store")


@pytest.fixture
def filled(template: Filled, tmp_path: Path) -> Filled:
    """A store of its own for each test; copied, because writing one waits for the disk."""
    copy = tmp_path / "store"
    shutil.copytree(template.store.path, copy, ignore=shutil.ignore_patterns("*-lock"))
    return Filled(Store.open(copy), template.proteins, template.provenances)


@pytest.fixture
def kit() -> Callable[..., object]:
    """The functions above, for tests (which cannot import a conftest)."""

    class Kit:
        proteins = staticmethod(proteins)
        provenance = staticmethod(provenance)
        embedding = staticmethod(embedding)
        tokens = staticmethod(tokens)
        task = staticmethod(task)
        fill = staticmethod(fill)

    return Kit


def content(store: Store, which: str) -> dict[bytes, bytes]:
    view = store.embeddings(which)
    return {row.tobytes(): view.get(row.tobytes()).tobytes() for row in view.digests}


class Disk:
    """Files whose content, and folders whose names, are in the page cache alone."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.unsafe: set[str] = set()
        self.problems: list[str] = []
        self.renames: list[str] = []
        for name in ("open", "write", "fsync", "mkdir", "rename", "replace", "link"):
            patch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name, real):
        def call(*arguments, **options):
            before = getattr(self, f"before_{name}", None)
            if before:
                before(*arguments)
            result = real(*arguments, **options)
            after = getattr(self, f"after_{name}", None)
            if after:
                after(result, *arguments)
            return result

        return call

    def after_open(self, handle, path, flags, *_):
        if flags & os.O_CREAT:
            place = os.readlink(f"/proc/self/fd/{handle}")  # the path may be that within a folder
            self.unsafe |= {place, os.path.dirname(place)}

    def after_write(self, _, handle, data):
        self.unsafe.add(os.readlink(f"/proc/self/fd/{handle}"))

    def after_fsync(self, _, handle):
        self.unsafe.discard(os.readlink(f"/proc/self/fd/{handle}"))

    def after_mkdir(self, _, path, *rest):
        self.unsafe.add(os.path.dirname(os.path.abspath(path)))

    def before_rename(self, old, new):
        old = os.path.abspath(old)
        if Path(old).name.startswith(".") and not Path(new).name.startswith("."):
            inside = {path for path in self.unsafe if path == old or path.startswith(f"{old}/")}
            self.problems += [f"{path} was not on disk when it was named {new}" for path in inside]
            self.renames.append(os.path.abspath(new))

    before_replace = before_link = before_rename

    def after_rename(self, _, old, new):
        old, new = os.path.abspath(old), os.path.abspath(new)
        self.unsafe.add(os.path.dirname(new))

    after_replace = after_link = after_rename

    def check(self, root: Path) -> None:
        """Everything that still lies in a folder, but for scratch, is on disk with its name."""
        assert self.problems == []
        left = {path for path in self.unsafe if os.path.exists(path)}
        left = {path for path in left if Path(path).is_relative_to(root)}
        assert {p for p in left if not p.endswith((".lock", "-lock", ".lmdb"))} == set()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)
