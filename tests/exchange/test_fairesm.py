"""Folders of .pt files as fair-esm writes them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.errors import InputError
from sesstore.exchange.fairesm import read_fairesm, write_fairesm
from sesstore.exchange.formats import declare_provenance, format_named
from sesstore.exchange.imported_embeddings import import_embeddings
from sesstore.proteins import Protein
from sesstore.store import Store

from .conftest import PAIRS, Code


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


def test_what_a_file_holds_is_said_in_order_and_read_as_float32(tmp_path: Path) -> None:
    layers = {layer: torch.ones(2, 3, dtype=torch.bfloat16) for layer in (33, 12, 6)}
    torch.save({"label": 7, "representations": layers}, tmp_path / "a.pt")
    (record,) = read_fairesm(tmp_path, 6)
    assert (record.labels, record.kind, record.size) == (("a",), "f", 24)
    assert record.values.dtype == np.float32
    (lacking,) = read_fairesm(tmp_path, 7)
    assert "layer 7 (layers in it: 12, 33, 6)" in lacking.problem


def test_a_protein_that_comes_twice_keeps_no_other_out(tmp_path: Path) -> None:
    assert write_fairesm(tmp_path / "x", [PAIRS[0], PAIRS[0], PAIRS[1]], 6) == 2
    assert len(list((tmp_path / "x").glob("*.pt"))) == 2


def test_the_named_layer_is_written(tmp_path: Path) -> None:
    write_fairesm(tmp_path / "x", PAIRS[:1], 12)
    content = torch.load(tmp_path / "x" / "P1.pt", weights_only=True)
    assert content["label"] == "P1"
    assert list(content["representations"]) == [12]


def test_means_are_kept_apart_from_residues(tmp_path: Path) -> None:
    mean = np.arange(6, dtype=np.float64)[::2]
    assert write_fairesm(tmp_path / "x", [(Protein("a", "MK"), mean)], 33) == 1
    content = torch.load(tmp_path / "x" / "a.pt", weights_only=True)
    assert content.keys() == {"label", "mean_representations"}
    assert content["mean_representations"][33].tolist() == [0, 2, 4]
    assert content["mean_representations"][33].dtype == torch.float32
    (record,) = read_fairesm(tmp_path / "x", 33)
    assert "no per-residue representation of layer 33 (layers in it: none)" in record.problem


@pytest.mark.parametrize(
    ("content", "told"),
    [([1, 2], "is no fair-esm embedding file"), ({"representations": [1]}, "in it: none"),
     ({"representations": {6: [1.0]}}, "in it: 6")],
)  # fmt: skip
def test_other_checkpoints_are_listed_by_name(tmp_path: Path, content, told: str) -> None:
    torch.save(content, tmp_path / "a.pt")
    (record,) = read_fairesm(tmp_path, 6)
    assert told in record.problem
    assert str(tmp_path / "a.pt") in record.problem
    assert record.labels == ("a",)


def test_no_code_of_a_checkpoint_runs(tmp_path: Path) -> None:
    code = Code(tmp_path / "ran")
    torch.save({"label": "a", "representations": {6: code}}, tmp_path / "a.pt")
    (record,) = read_fairesm(tmp_path, 6)
    assert "no plain fair-esm embedding file" in record.problem
    assert not code.folder.exists()


def test_whole_numbers_are_no_embedding(tmp_path: Path) -> None:
    layers = {6: torch.ones(2, 3, dtype=torch.int64)}
    torch.save({"label": "a x", "representations": layers}, tmp_path / "file.pt")
    (record,) = read_fairesm(tmp_path, 6)
    assert (record.labels, record.shape, record.kind) == (("a x", "a", "file"), (2, 3), "i")


def _stretched(path: Path) -> None:
    """A tensor of terabytes over a storage of one number."""
    tensor = torch.ones(1).expand(1 << 20, 1 << 20)
    torch.save({"label": "b", "representations": {6: tensor}}, path)


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
