"""sesstore export: embeddings and tasks go out."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from sesstore.store import Store

from .conftest import ENCODER, uniprot_files


def test_means_are_means(cli, fasta: Path) -> None:
    Path("wanted.txt").write_text("# two of them\np0_1\np0_2\n")
    said = cli("export", "uniprot", "x.h5", "--reduce", "mean", "--ids", "wanted.txt", "--json")
    assert said.json["written"] == 2
    store = Store.open("store")
    (digest,) = store.find_id("p0_1")
    expected = store.embeddings().get(digest).astype(np.float32).mean(0)
    with h5py.File("x.h5") as file:
        assert set(file) == {"p0_1", "p0_2"}
        assert np.array_equal(file["p0_1"][...], expected)


@pytest.mark.parametrize(("name", "suffix"), [("ses-adapter", "jsonl"), ("ses-adapter-csv", "csv")])
def test_tasks_go_out_and_come_back(cli, fasta: Path, name: str, suffix: str) -> None:
    said = cli("export", name, "out", "--task", "deeploc_binary", "--json")
    assert said.status == 0, said.err
    assert sorted(p.name for p in Path("out").iterdir()) == [
        f"{split}.{suffix}" for split in ("test", "train", "valid")
    ]
    back = cli("add", "deeploc_binary", "--data", "out", "--source", "alphafold2", "--store", "new")
    assert back.status == 0, back.err
    old, new = Store.open("store"), Store.open("new")
    assert old.task("deeploc_binary").data_digest == new.task("deeploc_binary").data_digest
    for tokens in old.tokens("alphafold2"):
        other = new.tokens("alphafold2").get(tokens.digest)
        assert other is not None
        assert all(np.array_equal(tokens.codes[a], other.codes[a]) for a in tokens.codes)


def test_a_task_without_structures_goes_out_too(cli, data: Path) -> None:
    Path("bare").mkdir()
    for file in data.iterdir():
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        kept = [{k: row[k] for k in ("name", "aa_seq", "label")} for row in rows]
        Path("bare", file.name).write_text("".join(json.dumps(row) + "\n" for row in kept))
    assert cli("add", "deeploc_binary", "--data", "bare", "--store", "new").status == 0
    cli("export", "ses-adapter", "out", "--task", "deeploc_binary", "--store", "new")
    row = json.loads(Path("out/train.jsonl").read_text().splitlines()[0])
    assert row.keys() == {"name", "aa_seq", "label"}


def test_whose_tokens_go_out_is_never_guessed(cli, trained: Path, data: Path) -> None:
    cli("add", "deeploc_binary", "--data", data, "--source", "esmfold")
    words = ("export", "ses-adapter", "out", "--task", "deeploc_binary")
    said = cli(*words)
    assert said.status == 2
    assert "tokens of several sources. Name one with --source: alphafold2, esmfold" in said.err
    assert not Path("out").exists()
    done = cli(*words, "--source", "esmfold", "--json")
    assert (done.status, done.json["source"], done.json["written"]) == (0, "esmfold", 40)


def test_one_id_for_two_sequences_is_not_lost_silently(cli, trained: Path) -> None:
    Path("two.fasta").write_text(">same\nMKV\n>same\nMKVL\n")
    cli("add", "two.fasta", "--store", "two")
    cli("embed", "--plm", "blosum62", "--store", "two")
    done = cli("export", "uniprot", "out", "--store", "two")
    assert done.status == 2
    assert "stands for two sequences" in done.err
    Path("wanted.txt").write_text("same\n")
    done = cli("export", "uniprot", "out", "--store", "two", "--ids", "wanted.txt")
    assert (done.status, Path("out").exists()) == (2, False)
    assert cli("export", "biotrainer", "out", "--store", "two", "--json").json["written"] == 2


def test_ids_to_export_are_names_too(cli) -> None:
    uniprot_files()
    cli("import", "uniprot", "accessions.h5", "--sequences", "all.fasta", *ENCODER)
    Path("wanted.txt").write_text("P10001\nPR2_HUMAN\n")
    assert cli("export", "npy", "out", "--ids", "wanted.txt", "--json").json["written"] == 2
    assert sorted(path.name for path in Path("out").iterdir()) == ["P10001.npy", "PR2_HUMAN.npy"]


@pytest.mark.parametrize("name", ["uniprot", "npy", "fairesm"])
def test_ids_that_are_no_file_names_go_out_and_come_back(cli, name: str) -> None:
    ids = ["A0A1/12-60", "../up", "x" * 70_000, "sp|Q|N_X"]
    Path("odd.fasta").write_text("".join(f">{one}\nMKV{'A' * i}\n" for i, one in enumerate(ids)))
    cli("add", "odd.fasta")
    cli("embed", "--plm", "onehot")
    assert cli("export", name, "out", "--json").json["written"] == len(ids)
    assert not Path("up.npy").exists()
    back = cli(
        "import", name, "out", "--sequences", "odd.fasta", *ENCODER, "--store", "n", "--json"
    )
    assert (back.status, back.json["imported"]) == (0, len(ids))


def test_the_encoder_and_the_task_that_are_named_go_out(cli, trained: Path) -> None:
    assert cli("embed", "--plm", "onehot").status == 0
    done = cli("export", "npy", "out", "--plm", "onehot", "--task", "deeploc_binary", "--json").json
    assert done["encoder"] == "onehot"
    store = Store.open("store")
    task = {d.tobytes() for s in store.task("deeploc_binary").splits.values() for d in s.digests}
    assert done["written"] == len(task)
    for digest in task:
        values = np.load(f"out/{store.protein(digest).id}.npy")
        assert np.array_equal(values, store.embeddings("onehot").get(digest))
