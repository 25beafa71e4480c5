"""Whatever is wrong: one line of error that says what and where, exit 2, the store as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import rows, write_jsonl


def content(folder: Path) -> dict[str, bytes]:
    """What a store holds; lock files change when a store is read."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "lock" not in path.name
    }


def folder_with(line: str) -> Path:
    """Make a data folder whose train file ends in a bad line."""
    folder = Path("bad")
    folder.mkdir()
    for split in ("train", "valid"):
        write_jsonl(folder / f"{split}.jsonl", rows(2, 9))
    with (folder / "train.jsonl").open("a") as file:
        file.write(line + "\n")
    return folder


GOOD = {"name": "p", "aa_seq": "MKV", "ss8_seq": "LLL", "label": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"aa_seq": "MK', "broken JSON"),
        (json.dumps({**GOOD, "aa_seq": "M?V"}), "'?'"),
        (json.dumps({**GOOD, "ss8_seq": "LL"}), "ss8_seq has 2 letters, aa_seq 3"),
        (json.dumps({**GOOD, "label": 2}), "label 2 is out of range"),
    ],
)
def test_bad_records(cli, trained: Path, line: str, said: str) -> None:
    before = content(Path("store"))
    done = cli("add", "deeploc_binary", "--data", folder_with(line), "--source", "alphafold2")
    assert done.status == 2
    assert said in done.err
    assert "train.jsonl" in done.err
    assert "line 3" in done.err
    assert done.err.count("\n") == 1
    assert content(Path("store")) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("add deeploc_binary --data none", "there is no file or folder 'none'"),
        ("add deeploc_binray", "Did you mean 'deeploc_binary'?"),
        ("add none.fasta", "there is no file 'none.fasta'"),
        ("embed --plm esm2_t34", "Did you mean 'esm2_t36'?"),
        ("embed deeploc --plm blosum62", "Did you mean 'deeploc_binary'?"),
        ("embed none.fasta --plm blosum62", "there is no file 'none.fasta'"),
        ("embed --plm esm2_t6 --weights none.pt", "none.pt"),
        ("embed --plm near --device quantum", "quantum"),
        ("embed --plm blosum62 --dtype float64", "float64"),
        ("train deeploc_binray", "Did you mean 'deeploc_binary'?"),
        ("train deeploc_binary --plm near3", "Did you mean 'near'?"),
        ("train deeploc_binary --source esmfold", "only: alphafold2"),
        ("train deeploc_binary --structure foldsek", "Did you mean 'foldseek'?"),
        ("train deeploc_binary --heads 5", "heads"),
        ("train deeploc_binary --heads 2 --out run", "holds a run already"),
        ("train deeploc_binary --lr 0", "lr"),
        ("evaluate none", "none"),
        ("evaluate run thermostability", "thermostability"),
        ("evaluate run --split tset", "only train, valid, test"),
        ("predict run none.fasta", "there is no file 'none.fasta'"),
        ("predict run bad.fasta", "bad.fasta"),
        ("predict run deeploc_binary --out new.xlsx", ".csv"),
        ("predict none deeploc_binary", "none"),
        ("tokens none.pdb --source pdb", "there is no file or folder 'none.pdb'"),
        ("ls --store none", "there is no store"),
        ("info --store none", "there is no store"),
        ("embed --plm blosum62 --store none", "there is no store"),
    ],
)
def test_bad_commands(cli, trained: Path, words: str, said: str) -> None:
    Path("bad.fasta").write_text(">a\nMK?\n")
    before = content(Path("store"))
    done = cli(*words.split())
    assert said in done.err
    assert done.status == 2
    assert done.err.splitlines()[-1].startswith("error: ")
    assert content(Path("store")) == before


def test_a_structure_without_protein(cli, trained: Path, shared_structures: Path) -> None:
    before = content(Path("store"))
    done = cli("predict", trained, shared_structures / "4gxy.pdb", "--source", "pdb")
    assert done.status == 2
    assert "4gxy.pdb" in done.err
    assert "no protein" in done.err
    assert content(Path("store")) == before


def test_one_broken_structure_does_not_stop_the_others(
    cli, trained: Path, shared_structures: Path
) -> None:
    files = [shared_structures / name for name in ("4gxy.pdb", "1aki.pdb")]
    done = cli("tokens", *files, "--source", "pdb", "--json")
    assert done.status == 1
    assert done.json["chains"] == 1
    assert [Path(name).name for name in done.json["failed"]] == ["4gxy.pdb"]
