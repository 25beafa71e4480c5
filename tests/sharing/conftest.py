"""Stores to be shared, what a sender who lies can do to one, and file servers on localhost."""

from __future__ import annotations

import http.server
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError, SesstoreError
from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance, circumstances
from sesstore.residues import Embedding, StructureTokens, to_storage
from sesstore.sharing import object_storage, share_paths
from sesstore.sharing.bundle_records import Record
from sesstore.sharing.bundles import parse_footer, write_bundles
from sesstore.sharing.object_storage import BucketRemote
from sesstore.sharing.pull import pull
from sesstore.sharing.pull_context import Selection
from sesstore.sharing.push import push
from sesstore.sharing.share_index import BundleEntry, parse_index
from sesstore.store import Store, layout
from sesstore.store.atomic_files import sealed, unsealed
from sesstore.store.integrity import verify
from sesstore.store.shards import checksums_of
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


@pytest.fixture(scope="session")
def published(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published store without its LMDB files, as it lies on a web server."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(template, folder / "store", ignore=shutil.ignore_patterns("*-lock"))
    push(Store.open(folder / "store"), str(folder / "store"))
    left_out = shutil.ignore_patterns("*.lmdb*")
    shutil.copytree(folder / "store", folder / "published", ignore=left_out)
    return folder / "published"


class Forgery:
    """A published store in a folder, to be changed by a sender who lies."""

    def __init__(self, path: Path, work: Path) -> None:
        self.path, self._work = path, work

    def index(self) -> dict[str, Any]:
        path = self.path / share_paths.INDEX
        return unsealed(path.read_bytes(), path)

    def replace_index(self, document: dict[str, Any]) -> None:
        (self.path / share_paths.INDEX).write_bytes(sealed(document))

    def unparsable(self, document: dict[str, Any]) -> str:
        """What is said of an index that must be refused."""
        with pytest.raises(CorruptStoreError) as problem:
            parse_index(sealed(document), "here")
        return str(problem.value)

    def segments(self, encoder: str = "enc") -> list[Path]:
        return sorted(self.path.glob(f"embeddings/{encoder}-*/2*"))

    def refused(self, selection: Selection | None = None, where: str | None = None) -> str:
        """Pull into a new store; it must refuse, and whatever it took before must be sound."""
        before = self._everything()
        mine = self._work / "mine"
        with pytest.raises(SesstoreError) as problem:
            pull(mine, where or str(self.path), selection)
        assert not {p for p in self._everything() - before if not p.startswith("mine")}
        if mine.exists():
            assert verify(mine).ok
            assert not list(mine.glob("embeddings/*/.pull-*"))
        return str(problem.value)

    def reseal(self, segment: Path, file: str, data: bytes, *, index: bool = True) -> None:
        """Change a file of a segment; its own hashes are made to fit, and those of the index."""
        (segment / file).write_bytes(data)
        listed = unsealed((segment / layout.CHECKSUMS).read_bytes(), segment)
        listed["files"][file] = checksums_of(data)
        (segment / layout.CHECKSUMS).write_bytes(sealed(listed))
        if index:
            document = self.index()
            entry = document["encoders"][segment.parent.name]["segments"][segment.name]
            for changed in (file, layout.CHECKSUMS):
                raw = (segment / changed).read_bytes()
                entry["files"][changed] = {"bytes": len(raw), "sha256": sha256(raw).hexdigest()}
            self.replace_index(document)

    def rebundle(self, kind: str, change: Callable[[Record], Record]) -> None:
        """Write a bundle anew with changed records, all hashes made to fit."""
        document = self.index()
        place = next(i for i, b in enumerate(document["bundles"]) if b["kind"] == kind)
        old = document["bundles"][place]
        entry = BundleEntry(**{k: v for k, v in old.items() if k != "sha256"})
        raw = (self.path / share_paths.bundle_path(old["sha256"])).read_bytes()
        footer = parse_footer(raw[-entry.footer :], entry)
        (span,) = footer.spans(np.arange(len(footer)))
        records = [change(one) for one in footer.records(span, raw[span.start : span.stop])]
        folder = self.path / "share/bundles"
        made = list(write_bundles(folder, kind, entry.name, records, footer.makers))
        new = [{"sha256": sha, **vars(entry)} for sha, entry, _ in made]
        document["bundles"][place : place + 1] = new
        self.replace_index(document)

    def _everything(self) -> set[str]:
        return {str(p.relative_to(self._work)) for p in self._work.rglob("*")}


@pytest.fixture
def lying_index(published: Path, tmp_path: Path) -> Forgery:
    """A published store whose files nobody changes: only documents made from its index are."""
    return Forgery(published, tmp_path)


@pytest.fixture
def forgery(published: Path, tmp_path: Path) -> Forgery:
    """A copy of a published store that tests may falsify."""
    shutil.copytree(published, tmp_path / "remote")
    return Forgery(tmp_path / "remote", tmp_path)


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


def change(target: BucketRemote, path: str, tmp_path, place: int = 100) -> None:
    """Flip a bit of an object."""
    raw = bytearray(b"".join(target.stream(path)))
    raw[place] ^= 1
    (tmp_path / "changed").write_bytes(raw)
    target.put(path, tmp_path / "changed")


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of object storage in the memory of this process: obstore without a server."""
    obstore_store = pytest.importorskip("obstore.store", reason="obstore is not installed")
    places: dict[str, Any] = {}

    def connect(url: str) -> Any:
        return places.setdefault(url, obstore_store.MemoryStore())

    monkeypatch.setattr(object_storage, "_connect", connect)
    return "s3://memory/lab"


@pytest.fixture
def store(kit, tmp_path) -> Store:
    return kit.fill(tmp_path / "store", kit.proteins(40), (kit.provenance(),), 10_000)


@pytest.fixture
def target(store, bucket) -> BucketRemote:
    push(store, bucket)
    return BucketRemote(bucket)
