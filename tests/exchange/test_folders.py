"""Folders with a file a protein: any id, whatever computers leave behind, and files that lie."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.errors import InputError
from sesstore.exchange.fairesm import read_fairesm, write_fairesm
from sesstore.exchange.filenames import FileNames, read_index
from sesstore.exchange.formats import declare_provenance, format_named
from sesstore.exchange.imported_embeddings import SequenceBook, find_width, import_embeddings
from sesstore.exchange.npy import read_npy, write_npy
from sesstore.proteins import Protein
from sesstore.store import Store

IDS = [
    "P1", "p1", "", ".", "..", ".hidden", "a/b", "a_b", "../../etc/passwd", "x\0y", "A" * 70_000,
    "tab\there", "sp|Q99966|CITE1_HUMAN Cbp/p300", "ü" * 150, 'quote"d', "con\\aux", "unnamed",
]  # fmt: skip
PROTEINS = [Protein(name, "M" * (i + 1)) for i, name in enumerate(IDS)]
PAIRS = [(p, np.full((len(p), 3), i, np.float16)) for i, p in enumerate(PROTEINS)]


@pytest.mark.parametrize("kind", ["npy", "fairesm"])
def test_any_id_goes_out_and_comes_back(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "inside" / "out"
    if kind == "npy":
        assert write_npy(folder, PAIRS) == len(IDS)
        records = read_npy(folder)
    else:
        assert write_fairesm(folder, PAIRS, 6) == len(IDS)
        records = read_fairesm(folder, 6)
    book = SequenceBook(PROTEINS)
    back = {book.find(record.labels).id: record.values[0, 0] for record in records}
    assert back == dict(zip(IDS, range(len(IDS)), strict=True))
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert all(path.parts[:2] == ("inside", "out") and len(path.parts) == 3 for path in files)
    assert len({path.name.casefold() for path in files}) == len(files)


def test_plain_ids_are_the_names_of_their_files(tmp_path: Path) -> None:
    write_npy(tmp_path / "x", [PAIRS[0], PAIRS[0]])
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["P1.npy"]
    names = FileNames()
    assert [names.new("P1"), names.new("P1"), names.new("p1")][:2] == ["P1", None]
    assert len(names) == 2
    assert names.changed


def test_a_broken_index_is_said(tmp_path: Path) -> None:
    (tmp_path / "index.tsv").write_text("file\tid\nx\n")
    with pytest.raises(InputError, match="broken line: x"):
        read_index(tmp_path)


def test_files_in_folders_are_read_and_strays_are_not(tmp_path: Path) -> None:
    for name in (
        "A0A1/12-60",
        "esm2/P1",
        "t5/P1",
        "C3",
        "._C3",
        "__MACOSX/C3",
        ".cache/D4",
        "C3 copy",
    ):
        path = tmp_path / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, np.zeros((2, 2), np.float16))
    assert [record.labels for record in read_npy(tmp_path)] == [
        ("A0A1/12-60", "12-60"), ("C3",), ("esm2/P1",), ("t5/P1",)
    ]  # fmt: skip


def test_fair_esms_label_counts_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "A0A1").mkdir()
    content = {"label": "A0A1/12-60 a domain", "representations": {6: torch.ones(2, 3)}}
    torch.save(content, tmp_path / "A0A1" / "12-60 a domain.pt")
    (record,) = read_fairesm(tmp_path, 6)
    assert record.labels[:2] == ("A0A1/12-60 a domain", "A0A1/12-60")


def test_any_number_of_files_is_read_with_few_of_them_open(tmp_path: Path) -> None:
    for i in range(150):
        np.save(tmp_path / f"p{i}.npy", np.full((1, 3), i, np.float16))
    command = (
        "import resource, sys; from pathlib import Path; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); "
        "from sesstore.exchange.npy import read_npy; records = list(read_npy(Path(sys.argv[1]))); "
        "print(len({float(record.values[0, 0]) for record in records}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "150"


def test_the_named_layer_is_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        layers = {layer: torch.full((2, 3), 1.0 * layer) for layer in (0, 6, 12, 33)}
        torch.save({"label": name, "representations": layers}, tmp_path / f"{name}.pt")
    for layer in (6, 0, 33):
        assert [r.values.tolist() for r in read_fairesm(tmp_path, layer)] == [[[layer] * 3] * 2] * 2


def test_the_named_layer_is_written(tmp_path: Path) -> None:
    write_fairesm(tmp_path / "x", PAIRS[:1], 12)
    content = torch.load(tmp_path / "x" / "P1.pt", weights_only=True)
    assert content["label"] == "P1"
    assert list(content["representations"]) == [12]


def _claimed(shape: str) -> bytes:
    """A .npy file whose header claims more than the file holds."""
    out = io.BytesIO()
    np.save(out, np.zeros((2, 3), np.float16))
    # The header's length stays: blanks stand at its end.
    raw = out.getvalue()
    header = raw[10:128].replace(b"(2, 3), }", f"{shape}, }}".encode())
    return raw[:10] + header[:117].ljust(117) + b"\n" + raw[128:]


def _stretched(path: Path) -> None:
    """A tensor of terabytes over a storage of one number."""
    tensor = torch.ones(1).expand(1 << 20, 1 << 20)
    torch.save({"label": "b", "representations": {6: tensor}}, path)


def test_files_that_lie_are_listed_and_the_others_stored(tmp_path: Path) -> None:
    proteins = [Protein(name, "MKVLA") for name in "ab"] + [Protein("c", "MKV")]
    np.save(tmp_path / "a.npy", np.ones((5, 3), np.float16))
    (tmp_path / "b.npy").write_bytes(_claimed("(999999999999, 3)"))
    np.save(tmp_path / "c.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    book = SequenceBook(proteins)
    width, records = find_width(read_npy(tmp_path), book)
    assert width == 3
    report = import_embeddings(
        Store.create(tmp_path / "s"), records, book, declare_provenance("x", format_named("npy"), 3)
    )
    assert report.imported == 1
    assert "no plain .npy array" in report.refused["c"]


def test_tensors_that_lie_are_listed_and_the_others_stored(tmp_path: Path) -> None:
    proteins = [Protein("a", "MKVLA"), Protein("b", "M" * 40), Protein("c", "MKV")]
    content = {"label": "a", "representations": {6: torch.ones(5, 3)}}
    torch.save(content, tmp_path / "a.pt")
    _stretched(tmp_path / "b.pt")
    (tmp_path / "c.pt").write_bytes(b"not a checkpoint")
    records = list(read_fairesm(tmp_path, 6))
    with pytest.raises(InputError, match=r"needs 4398\.0 GB to be read"):
        _ = records[1].values
    made = declare_provenance("x", format_named("fairesm"), 3)
    report = import_embeddings(Store.create(tmp_path / "s"), records, proteins, made)
    assert report.imported == 1
    assert "has 1048576 rows" in report.refused["b"]
    assert "no plain fair-esm embedding file" in report.refused["c"]


def test_a_checkpoint_that_unpacks_into_more_than_memory_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "b.pt"
    torch.save({"label": "b", "representations": {6: torch.zeros(5, 3)}}, path)
    with zipfile.ZipFile(tmp_path / "big.pt", "w", zipfile.ZIP_DEFLATED) as big:
        with zipfile.ZipFile(path) as small:
            for entry in small.infolist():
                big.writestr(entry.filename, small.read(entry))
        with big.open("archive/data/9", "w", force_zip64=True) as member:
            member.write(bytes(1 << 20))
    raw = (tmp_path / "big.pt").read_bytes()
    size = (1 << 20).to_bytes(4, "little")
    (tmp_path / "big.pt").write_bytes(raw.replace(size, b"\x00\xff\xff\xff"))
    path.unlink()
    (record,) = read_fairesm(tmp_path, 6)
    with zipfile.ZipFile(tmp_path / "big.pt") as archive:
        assert sum(entry.file_size for entry in archive.infolist()) > 4_000_000_000
    assert record.problem
