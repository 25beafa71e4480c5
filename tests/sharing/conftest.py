"""Stores to be shared, and file servers on localhost: a plain one, and one with ranges."""

from __future__ import annotations

import http.server
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance, circumstances
from sesstore.residues import Embedding, StructureTokens, to_storage
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task

LETTERS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", np.uint8)


def make_proteins(count: int, seed: int = 0) -> list[Protein]:
    """The first are the same, however many there are."""
    rng = np.random.default_rng(seed)
    letters = (LETTERS[rng.integers(0, 20, rng.integers(5, 60))] for _ in range(count))
    return [Protein(f"s{seed}p{i}", one.tobytes().decode()) for i, one in enumerate(letters)]


def provenance(name: str = "enc", dim: int = 16, dtype: str = "float16") -> Provenance:
    fingerprint = Fingerprint(name, "ab" * 32, 6, "esm1b", "windows(1022,256)", "fp32")
    return Provenance(fingerprint, dim, dtype, "MIT", "Someone 2024")


def embedding(protein: Protein, made: Provenance) -> Embedding:
    rng = np.random.default_rng(int.from_bytes(protein.digest[:4]))
    values = rng.standard_normal((len(protein), made.dim)).astype(np.float32)
    return to_storage(Embedding(protein.digest, values), made.dtype)


def tokens(protein: Protein, source: str = "alphafold2", salt: int = 0) -> StructureTokens:
    rng = np.random.default_rng(int.from_bytes(protein.digest[:4]) + salt)
    codes = {
        "foldseek": rng.integers(0, 21, (2, len(protein))).astype(np.uint8),
        "dssp": rng.integers(0, 9, len(protein)).astype(np.uint8),
    }
    plddt = rng.integers(0, 101, len(protein)).astype(np.uint8)
    return StructureTokens(protein.digest, source, codes, plddt, "mini3di 0.2")


def task(rows: list[Protein], name: str = "toy", label: int = 0) -> Task:
    digests = np.frombuffer(b"".join(p.digest for p in rows), np.uint8).reshape(-1, 32)
    split = Split(tuple(p.id for p in rows), digests, [(i + label) % 2 for i in range(len(rows))])
    return Task(name, Problem.SINGLE_LABEL, ("a", "b"), {"train": split}, ("accuracy",), "accuracy")


def fill(
    path: Path,
    proteins: list[Protein],
    encoders: tuple[Provenance, ...] = (provenance(), provenance("int", dtype="int8")),
    segment_bytes: int = 30_000,
) -> Store:
    """Make a store; every second protein has tokens, the first tenth is task toy."""
    store = Store.create(path)
    store.add_proteins(proteins)
    store.add_proteins([Protein("other-name", proteins[0].sequence)])
    for made in encoders:
        with store.writer(made, circumstances(), segment_bytes=segment_bytes) as writer:
            for protein in proteins:
                writer.add(embedding(protein, made))
    store.add_tokens([tokens(p) for p in proteins[::2]], circumstances())
    store.add_task(task(proteins[: len(proteins) // 10]))
    return store


@pytest.fixture
def kit() -> type:
    """The functions above, for tests (which cannot import a conftest)."""

    class Kit:
        proteins = staticmethod(make_proteins)
        provenance = staticmethod(provenance)
        embedding = staticmethod(embedding)
        tokens = staticmethod(tokens)
        task = staticmethod(task)
        fill = staticmethod(fill)

    return Kit


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("template") / "store", make_proteins(200)).path


@pytest.fixture
def shared(template: Path, tmp_path: Path) -> Store:
    """A store of 200 proteins in some segments, two encoders, tokens and a task."""
    copied = tmp_path / "shared"
    shutil.copytree(template, copied, ignore=shutil.ignore_patterns("*-lock"))
    return Store.open(copied)


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Python's file server, taught single byte ranges, as any real one knows them."""

    def send_head(self):
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not asked or not path.is_file():
            return super().send_head()
        size = path.stat().st_size
        start, stop = int(asked[1]), int(asked[2] or size - 1) + 1
        stop = min(stop, size)
        if start >= size:
            self.send_error(416)
            return None
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        file = path.open("rb")
        file.seek(start)
        self.wfile.write(file.read(stop - start))
        file.close()
        return None

    def log_message(self, *_: object) -> None:
        pass


class PlainHandler(http.server.SimpleHTTPRequestHandler):
    """Python's file server as it is: no ranges."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def file_server() -> Iterator[Callable[..., str]]:
    """Serve a folder; returns its URL."""
    servers = []

    def serve(folder: Path, *, ranges: bool = True) -> str:
        handler = partial(RangeHandler if ranges else PlainHandler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
