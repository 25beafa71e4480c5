"""Commands on a store that lies in object storage, or nowhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def test_a_store_whose_home_is_object_storage(cli, data: Path, bucket: str) -> None:
    """All the way without a folder: add, embed, train from the bucket; what is there is known."""
    at = ("--store", bucket)
    said = cli("embed", "--plm", "blosum62", *at)
    assert (said.status, "no shared store" in said.err) == (1, True)
    said = cli("add", "deeploc_binary", "--data", data, "--source", "alphafold2", *at, "--json")
    assert (said.status, said.json["sequences"]) == (0, 40)
    said = cli("embed", "--plm", "blosum62", "deeploc_binary", *at, "--json")
    assert (said.status, said.json["encoded"]) == (0, 40)
    said = cli("embed", "--plm", "blosum62", *at, "--json")
    assert (said.status, said.json["encoded"], said.json["already_stored"]) == (0, 0, 40)
    words = ("train", "deeploc_binary", "--epochs", "1", "--heads", "2", "--out", "run", "--json")
    said = cli(*words, *at)
    assert said.status == 0
    assert "accuracy" in said.json["metrics"]["test"]
    said = cli("gc", *at, "--dry-run", "--json")
    assert (said.status, said.json["removed"]) == (0, [])
    said = cli("embed", "--plm", "blosum62", "--store", "s3://no-such-bucket/x")
    assert (said.status, "no such bucket" in said.err) == (2, True)


READING = [
    "train deeploc_binary", "sweep deeploc_binary", "evaluate run", "predict run deeploc_binary",
    "predict run MKVLAAGIVG", "predict run new.fasta", "embed --plm blosum62",
    "embed deeploc_binary --plm blosum62", "embed none.fasta --plm blosum62",
    "embed bad.fasta --plm blosum62", "embed new.fasta --plm esm2_t99",
    "tokens none.pdb --source x", "add none.csv", "add bad.fasta", "study ablation deeploc_binary",
    "ls", "info", "status", "verify", "repair", "compact", "gc", "card", "doctor deeploc_binary",
    "export npy out", "export ses-adapter out --task deeploc_binary", "push pushed",
    "alphabets none.toml", "serve", "diff blosum62 onehot", "pull nowhere", "merge nowhere",
    "import npy nowhere --sequences new.fasta --encoder x",
    "plan --plm near --proteins deeploc_binary",
]  # fmt: skip


@pytest.mark.parametrize("words", READING)
def test_a_mistyped_store_is_not_made(cli, trained: Path, words: str) -> None:
    Path("new.fasta").write_text(">a\nMKV\n")
    Path("bad.fasta").write_text(">a\nMK?\n")
    done = cli(*words.split(), "--store", "TYPO")
    assert done.status in (1, 2), done.out
    assert not Path("TYPO").exists()
    assert not Path("out").exists()


def test_the_store_nobody_named_is_not_made_either(cli, trained: Path) -> None:
    shutil.rmtree("store")
    said = cli("predict", trained, "ACDEFGHIKL")
    assert said.status == 0, said.err
    assert "what is computed is not kept" in said.err
    assert not Path("store").exists()
