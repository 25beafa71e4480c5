"""Numbers as tokens: every kind of file, and what is none."""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.errors import InputError, MissingFileError
from sesstore.exchange import code_arrays, embedding_record
from sesstore.exchange.code_arrays import read_codes
from sesstore.exchange.imported_tokens import ForeignTokens
from sesstore.structures.notices import Failure

from .conftest import Code

ROWS = {"AF-P12345-F1-model_v4": [5, 4095, 4096], "1abc_A": [0, 1]}


def written(folder: Path, kind: str) -> Path:
    """The rows as a file of a kind that holds many."""
    path = folder / f"tokens.{kind}"
    if kind == "npz":
        np.savez(path, **{name: np.array(row) for name, row in ROWS.items()})
    elif kind == "pt":
        torch.save({name: torch.tensor(row) for name, row in ROWS.items()}, path)
    elif kind == "json":
        path.write_text(json.dumps(ROWS))
    elif kind == "json.gz":
        path.write_bytes(gzip.compress(json.dumps(ROWS).encode()))
    elif kind == "csv":
        path.write_text("id,codes\n" + "".join(f'{n},"{r}"\n' for n, r in ROWS.items()))
    else:
        path.write_text("".join("\t".join(map(str, (n, *r))) + "\n" for n, r in ROWS.items()))
    return path


@pytest.mark.parametrize("kind", ["npz", "pt", "json", "json.gz", "csv", "tsv"])
def test_files_of_many(kind: str, tmp_path: Path) -> None:
    found = list(read_codes(written(tmp_path, kind), "esm3"))
    assert all(isinstance(one, ForeignTokens) for one in found)
    assert [one.labels[0] for one in found] == ["P12345", "1abc_A"]
    assert [one.codes["esm3"].tolist() for one in found] == [[row] for row in ROWS.values()]
    assert {one.codes["esm3"].dtype for one in found} == {np.dtype(np.uint16)}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_conformers_are_rows_however_they_lie_in_memory(tmp_path: Path, kind, order) -> None:
    codes = np.asarray([[1, 2, 3], [4, 5, 6]], order=order)
    path = tmp_path / f"P1.{kind}"
    np.save(path, codes) if kind == "npy" else np.savez(path, P1=codes)
    (found,) = read_codes(path, "esm3")
    assert found.codes["esm3"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_file_of_one_is_called_as_its_protein(tmp_path: Path) -> None:
    np.save(tmp_path / "P1.npy", np.array([[4098, 3, 4, 4097], [4098, 5, 6, 4097]], np.int32))
    torch.save(torch.tensor([1, 2], dtype=torch.int16), tmp_path / "P2.pt")
    (tmp_path / "P3.json").write_text("[7]")
    (tmp_path / "P4.JSON.GZ").write_bytes(gzip.compress(b"[8]"))
    (one,), (two,), (three,), (four,) = (
        list(read_codes(tmp_path / name, "esm3"))
        for name in ("P1.npy", "P2.pt", "P3.json", "P4.JSON.GZ")
    )
    assert (four.labels, four.codes["esm3"].tolist()) == (("P4",), [[8]])
    assert (one.labels, one.codes["esm3"].tolist()) == (("P1",), [[3, 4], [5, 6]])
    assert (two.labels, two.codes["esm3"].tolist()) == (("P2",), [[1, 2]])
    assert (three.labels, three.codes["esm3"].tolist()) == (("P3",), [[7]])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'{"p": [1, 5000], "q": [1]}'),
        ("a.json", b'{"p": [1, 2.5], "q": [1]}'),
        ("a.json", b'{"p": [[1, 2], [3]], "q": [1]}'),
        ("a.json", b'{"p": [], "q": [1]}'),
        ("a.json", b'{"p": {"x": 1}, "q": [1]}'),
        ("a.csv", b"id,codes\np,1 x 2\nq,1\n"),
        ("a.csv", b"id,codes\np,\nq,1\n"),
        ("a.csv", b"p,99999999999999999999\nq,1\n"),
    ],
)
def test_a_wrong_entry_is_said_and_stops_no_other(name: str, content: bytes, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    one, two = read_codes(tmp_path / name, "esm3")
    assert isinstance(one, Failure)
    assert name in one.reason
    assert isinstance(two, ForeignTokens)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.pt", "a.json"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04", b"[1, 2", b"\xff" * 99])
def test_broken_files_are_said(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        list(read_codes(tmp_path / name, "esm3"))


def test_no_pickle_runs(tmp_path: Path) -> None:
    code = Code(tmp_path / "ran")
    np.save(tmp_path / "a.npy", np.array([code], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", P1=np.array([code], object))
    (tmp_path / "b.pt").write_bytes(pickle.dumps(code))
    torch.save({"P1": code}, tmp_path / "a.pt")
    for name in ("a.npy", "a.npz", "a.pt", "b.pt"):
        with pytest.raises(InputError, match=name):
            list(read_codes(tmp_path / name, "esm3"))
    assert not code.folder.exists()


def test_other_and_absent_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of \.npy"):
        list(read_codes(tmp_path / "a.txt", "esm3"))
    with pytest.raises(MissingFileError, match="no file"):
        list(read_codes(tmp_path / "a.npy", "esm3"))


def test_an_id_with_blanks_is_one_name(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,codes\nvariant 1,5\nsp|P1|N Protein,6\n")
    assert [one.labels for one in read_codes(tmp_path / "x.csv", "esm3")] == [
        ("variant 1",), ("sp|P1|N",)
    ]  # fmt: skip


def test_headers_that_claim_more_than_there_is_are_errors(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.arange(6, dtype=np.int16))
    raw = (tmp_path / "y.npy").read_bytes()
    claim = raw.replace(b"(6,), }        ", b"(600000000,), }")
    assert claim != raw
    (tmp_path / "y.npy").write_bytes(claim)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", claim)
    torch.save({"a": torch.ones(1, dtype=torch.int16).expand(1 << 20, 1 << 22)}, tmp_path / "z.pt")
    for name in ("x.npz", "y.npy", "z.pt"):
        with pytest.raises(InputError, match=f"{name}.*(cannot be read|needs .* GB)"):
            list(read_codes(tmp_path / name, "esm3"))


def test_other_shapes_and_names_of_entries(tmp_path: Path) -> None:
    (tmp_path / "P1.json").write_text("[[1, 2], [3, 4]]")
    (one,) = read_codes(tmp_path / "P1.json", "esm3")
    assert (one.labels, one.codes["esm3"].tolist()) == (("P1",), [[1, 2], [3, 4]])
    assert one.location == str(tmp_path / "P1.json")
    torch.save([torch.tensor([1])], tmp_path / "x.pt")
    with pytest.raises(InputError, match="neither a tensor nor a dictionary of tensors"):
        list(read_codes(tmp_path / "x.pt", "esm3"))
    torch.save({7: torch.tensor([[1], [2]]), "w": "text"}, tmp_path / "x.pt")
    first, wrong = read_codes(tmp_path / "x.pt", "esm3")
    assert (first.labels, first.codes["esm3"].tolist()) == (("7",), [[1], [2]])
    assert first.location == f"{tmp_path / 'x.pt'} entry 7"
    assert wrong.reason.startswith(f"{tmp_path / 'x.pt'} entry w: ")
    (tmp_path / "x.tsv.gz").write_bytes(gzip.compress(b" P1 \t[1, 2]\n"))
    (row,) = read_codes(tmp_path / "x.tsv.gz", "esm3")
    assert (row.labels, row.codes["esm3"].tolist()) == (("P1",), [[1, 2]])
    assert row.location == f"{tmp_path / 'x.tsv.gz'}, line 1 ( P1 )"


BOMB = """
import gzip, resource, sys
from pathlib import Path
import psutil
from sesstore.errors import InputError
from sesstore.exchange.code_arrays import read_codes
limit = psutil.Process().memory_info().vms + 600_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    list(read_codes(Path(sys.argv[1]), "esm3"))
except InputError as problem:
    print(problem)
"""


def test_a_small_file_that_unpacks_into_more_than_memory_is_an_error(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "x.json.gz", "wb", compresslevel=1) as file:
        for _ in range(60):
            file.write(b" " * (1 << 20))
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(tmp_path / "x.json.gz")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "unpacks into more than memory holds" in done.stdout


@pytest.mark.parametrize("spare", [0, -2])
def test_an_archive_may_take_half_of_memory_with_its_copy(tmp_path: Path, monkeypatch, spare: int):
    np.savez(tmp_path / "x.npz", P1=np.arange(1000))
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        size = archive.infolist()[0].file_size
    monkeypatch.setattr(embedding_record, "available_memory", lambda: 4 * size + spare)
    if spare < 0:
        with pytest.raises(InputError, match=r"entry P1\.npy.* needs"):
            list(read_codes(tmp_path / "x.npz", "esm3"))
    else:
        (entry,) = read_codes(tmp_path / "x.npz", "esm3")
        assert entry.codes["esm3"].tolist() == [list(range(1000))]


@pytest.mark.parametrize("short", [0, 1])
def test_text_may_take_a_sixteenth_of_memory(tmp_path: Path, monkeypatch, short: int) -> None:
    text = json.dumps({"P1": [1, 2]})
    (tmp_path / "x.json").write_text(text)
    monkeypatch.setattr(code_arrays, "available_memory", lambda: 16 * (len(text) - short) + 15)
    if short:
        with pytest.raises(InputError, match="more than memory holds"):
            list(read_codes(tmp_path / "x.json", "esm3"))
    else:
        assert len(list(read_codes(tmp_path / "x.json", "esm3"))) == 1


def test_a_first_line_with_any_number_is_an_entry(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("P1,5,x\nP2,5,, 6 ,\n\nP3,7\n")
    wrong, *right = read_codes(tmp_path / "x.csv", "esm3")
    assert isinstance(wrong, Failure)
    assert "line 1 (P1)" in wrong.reason
    assert [(e.labels, e.codes["esm3"].tolist()) for e in right] == [
        (("P2",), [[5, 6]]), (("P3",), [[7]]),
    ]  # fmt: skip
    (tmp_path / "y.csv").write_text("name,esm\nP1,5\n")
    assert len(list(read_codes(tmp_path / "y.csv", "esm3"))) == 1
