"""Give sesstore what is wrong in some two hundred ways; each must be said clearly.

Clear means: one of sesstore's own errors, in a sentence, which for a file names the file; and the
store is byte for byte as it was.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from sesstore.encoders.registry import load as load_encoder
from sesstore.errors import SesstoreError
from sesstore.jobs.add import add, load
from sesstore.proteins import Protein
from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store
from sesstore.tasks import Task

from . import workload

Case = tuple[str, Callable[[Store, Path], object], bool]
"""Name, what to try, and whether the message must name the file."""

GOOD = {"name": "P1", "aa_seq": "MKVLA", "foldseek_seq": "DDPVV", "ss8_seq": "LLHHE", "label": 1}

_SEQUENCES = [
    "",
    " ",
    "MK1LA",
    "MK-LA",
    "MK.LA",
    "M*KLA",
    "MKV*A*",
    "MKÄLA",
    "\u041cKVLA",
    "MK\u200bLA",
    "MK,LA",
    "MK?LA",
    "#####",
    "MK\x00LA",
]
_FOLDSEEK = ["DDPV", "DDPVVV", "DDP1V", "DDP-V", "D DPV", "BDPVV", "OOOOO", "ДDPVV", "DDPV\x00"]
_DSSP = ["LLHH", "LLHHEE", "LLHHZ", "LL1HE", "ДLHHE", "AAAAA", "QQQQQ"]
_LABELS = [
    None,
    "x",
    "",
    2,
    -1,
    17,
    0.5,
    "1.5",
    10**30,
    float("nan"),
    float("inf"),
    [],
    [0, 1],
    {},
    "0,1",
    "yes",
    "1;0",
    "--1",
    "0x1",
    "²",
]
_WRONG_TYPES = [None, 7, 1.5, [], {}, ["M", "K"], True]


def cases() -> Iterator[Case]:
    """Yield every bad input there is."""
    yield from _records()
    yield from _documents()
    yield from _fasta()
    yield from _names()
    yield from _arrays()


def try_all(folder: Path) -> tuple[int, list[str]]:
    """Try every case; how many there are, and which were not clear."""
    store = Store.create(folder / "bad-inputs")
    workload.run(store.path)
    before, unclear, count = _hash(store.path), [], 0
    for number, (name, attempt, names_file) in enumerate(cases()):
        count += 1
        place = folder / f"input{number}"
        place.mkdir()
        said = _said(attempt, store, place)
        if said is None or len(said) < 15 or (names_file and str(place) not in said):
            unclear.append(f"{name}: {said}")
        if _hash(store.path) != before:
            unclear.append(f"{name}: the store was changed")
            before = _hash(store.path)
    return count, unclear


def _said(attempt: Callable[[Store, Path], object], store: Store, place: Path) -> str | None:
    try:
        attempt(store, place)
    except SesstoreError as problem:
        return str(problem)
    except Exception as problem:
        return None if isinstance(problem, KeyboardInterrupt) else f"!{type(problem).__name__}"[:14]
    return None


def _hash(path: Path) -> str:
    total = sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.name.endswith("-lock"):
            total.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def _records() -> Iterator[Case]:
    """One wrong record among good ones, as JSON lines and as CSV."""
    wrong = [{**GOOD, "aa_seq": s, "foldseek_seq": "", "ss8_seq": ""} for s in _SEQUENCES]
    wrong += [{**GOOD, "foldseek_seq": s} for s in _FOLDSEEK]
    wrong += [{**GOOD, "ss8_seq": s} for s in _DSSP]
    wrong += [{**GOOD, "label": label} for label in _LABELS]
    plain = [{**GOOD, "aa_seq": value} for value in _WRONG_TYPES]
    plain += [{**GOOD, "foldseek_seq": value} for value in _WRONG_TYPES[1:]]
    plain += [{k: v for k, v in GOOD.items() if k != missing} for missing in ("aa_seq", "label")]
    for number, record in enumerate([*wrong, *plain]):
        yield f"json record {number}: {record}", _task_of(_json_lines, record), True
    for number, record in enumerate(wrong):
        yield f"csv record {number}: {record}", _task_of(_csv, record), True


def _task_of(write: Callable[[Path, list[Any]], None], record: Any) -> Callable[..., object]:
    def attempt(store: Store, place: Path) -> object:
        write(place, [GOOD, {**GOOD, "name": "P2", "aa_seq": "MKVLW"}, record])
        return add(store, load("deeploc_binary", data=place, source="alphafold2"))

    return attempt


def _json_lines(place: Path, records: list[Any]) -> None:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    for split in ("train", "valid", "test"):
        (place / f"{split}.jsonl").write_text(lines)


def _csv(place: Path, records: list[Any]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(GOOD))
    writer.writeheader()
    writer.writerows(records)
    for split in ("train", "valid", "test"):
        (place / f"{split}.csv").write_text(text.getvalue())


def _documents() -> Iterator[Case]:
    """Files that are not what their names say."""
    good = (json.dumps(GOOD) + "\n").encode()
    documents = {
        "cut": good + good[:-20],
        "no object": b"[1, 2]\n",
        "a number": b"7\n",
        "text": b"hello\n",
        "two on a line": good.strip() + good,
        "junk": bytes(range(256)) * 4,
        "single quotes": str(GOOD).encode(),
        "deep": b"[" * 100_000 + b"\n",
        "empty": b"",
        "blank": b"\n\n  \n",
        "NUL": good + b"\0\0\0",
        "csv inside": b"name,aa_seq,label\nP1,MKV,1\n",
        "html": b"<!doctype html><title>404</title>\n",
        "null": b"null\n",
        "string": b'"MKV"\n',
    }
    for name, data in documents.items():
        yield f"jsonl: {name}", _file_of("train.jsonl", data), True
    tables = {
        "no header": b"P1,MKV,1\n",
        "header only": b"name,aa_seq,label\n",
        "too many columns": b"name,aa_seq,label\nP1,MKV,1,2,3\n",
        "too few columns": b"name,aa_seq,label\nP1\n",
        "junk": bytes(range(256)) * 4,
        "empty": b"",
        "open quote": b'name,aa_seq,label\nP1,"MKV,1\n',
        "json inside": good,
        "other columns": b"a,b,c\n1,2,3\n",
    }
    for name, data in tables.items():
        yield f"csv: {name}", _file_of("train.csv", data), True
    for name in ("train.jsonl.gz", "train.csv.gz"):
        yield f"{name}: cut", _file_of(name, gzip.compress(good * 50)[:-9]), True
    yield "no files", lambda s, p: load("deeploc_binary", data=p), True
    yield "no folder", lambda s, p: load("deeploc_binary", data=p / "none"), True
    yield "other suffix", _file_of("train.xlsx", b"PK"), True


def _file_of(name: str, data: bytes) -> Callable[..., object]:
    def attempt(store: Store, place: Path) -> object:
        (place / name).write_bytes(data)
        for split in ("valid", "test"):
            (place / f"{split}.jsonl").write_text(json.dumps(GOOD) + "\n")
        return add(store, load("deeploc_binary", data=place, source="alphafold2"))

    return attempt


def _fasta() -> Iterator[Case]:
    files = {
        "no header": b"MKVLA\n",
        "no sequence": b">a\n>b\nMKV\n",
        "last empty": b">a\nMKV\n>b\n",
        "digits": b">a\nMK1V\n",
        "gaps": b">a\nMK-V\n",
        "stop inside": b">a\nM*KV\n",
        "junk": bytes(range(256)),
        "empty": b"",
        "blank": b"\n\n",
        "json": b'{"aa_seq": "MKV"}\n',
        "dots": b">a\nM.V\n",
    }
    for name, data in files.items():
        yield f"fasta: {name}", _fasta_of("x.fasta", data), True
    yield "fasta: cut gzip", _fasta_of("x.fasta.gz", gzip.compress(b">a\nMKV\n" * 99)[:-9]), True
    yield "fasta: missing", lambda s, p: load(str(p / "none.fasta")), True


def _fasta_of(name: str, data: bytes) -> Callable[..., object]:
    def attempt(store: Store, place: Path) -> object:
        (place / name).write_bytes(data)
        return add(store, load(str(place / name)))

    return attempt


def _names() -> Iterator[Case]:
    for name in ("deeploc", "deeploc-binary", "", "EC", "go", "../ec", "deeploc_binary.toml", "🧬"):
        yield f"task {name!r}", lambda s, p, n=name: load(n, data=p), False
        yield f"stored task {name!r}", lambda s, p, n=name: s.task(n), False
    for name in ("esm2", "esm2_t34", "ESM3", "", "prott5x", "near ", "onehot,blosum62"):
        yield f"encoder {name!r}", lambda s, p, n=name: load_encoder(n), False
    for name in ("esm2", "0000", "blosum62-x", "../", "🧬"):
        yield f"stored encoder {name!r}", lambda s, p, n=name: s.embeddings(n), False
    for name in ("../x", "/abs", "a/b", ".x", "", "a b", "x" * 300, "ä", "a\0b", "-x"):
        yield f"source {name!r}", lambda s, p, n=name: s.add_tokens([_tokens(n)], {}), False
        yield f"task called {name!r}", lambda s, p, n=name: s.add_task(_renamed(n)), False
    for name in ("alphafold", "pdb", "../proteins", ""):
        yield f"stored source {name!r}", lambda s, p, n=name: s.tokens(n), False
    for name in ("float64", "bfloat16", "", "int4", "float"):
        yield f"type {name!r}", lambda s, p, n=name: _writer_of(s, n), False


def _tokens(source: str, length: int = 0) -> StructureTokens:
    protein = workload.PROTEINS[0]
    codes = np.zeros(length or len(protein), np.uint8)
    return StructureTokens(protein.digest, source, {"foldseek": codes}, None, "")


def _renamed(name: str) -> Task:
    return Task(**{**vars(workload.task()), "name": name})


def _writer_of(store: Store, dtype: str) -> None:
    made = replace(store.encoders()[0], dtype=dtype)
    with store.writer(made, {}) as writer:
        writer.add(Embedding(bytes(32), np.zeros((5, made.dim), np.float16)))


def _arrays() -> Iterator[Case]:
    """Arrays that do not fit."""
    digest = workload.PROTEINS[0].digest
    shapes: list[Any] = [(0, 26), (5,), (5, 26, 1), (5, 25), (5, 27)]
    for shape in shapes:
        yield (
            f"embedding {shape}",
            lambda s, p, n=shape: _write(s, Embedding(digest, np.zeros(n, np.float16))),
            False,
        )
    for dtype in ("float32", "float64", "int16", "int8"):
        yield (
            f"embedding of {dtype}",
            lambda s, p, d=dtype: _write(s, Embedding(digest, np.zeros((5, 26), d))),
            False,
        )
    for length in (1, 7, 5000):
        yield (
            f"{length} tokens",
            lambda s, p, n=length: s.add_tokens([_tokens("new", n)], {}),
            False,
        )
    for code in (22, 255):
        codes = {"foldseek": np.full(9, code, np.uint8)}
        yield f"code {code}", lambda s, p, c=codes: StructureTokens(digest, "new", c), False
    yield "no such alphabet", lambda s, p: StructureTokens(digest, "x", {"saprot": [1]}), False
    yield "a short digest", lambda s, p: Embedding(b"short", np.zeros((1, 1))), False
    yield "an unknown protein", lambda s, p: s.protein(bytes(32)), False
    yield "an unknown embedding", lambda s, p: s.embeddings().get(bytes(32)), False
    yield "no store", lambda s, p: Store.open(p / "none"), True
    yield "a folder that is no store", lambda s, p: Store.open(p), True
    yield "an empty sequence", lambda s, p: Protein.parse("x", " * "), False


def _write(store: Store, embedding: Embedding) -> None:
    with store.writer(store.encoders()[0], {}) as writer:
        writer.add(embedding)
