"""What somebody new meets: wrong names, forgotten options, a second try. Each costs a line."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from sesstore.training.trainer import Trainer

from .conftest import one_process, rows, write_jsonl

QUICK = ("--epochs", "1", "--heads", "2")


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_train_takes_the_source_the_task_was_added_with(cli, trained: Path, data: Path) -> None:
    cli("add", "deeploc_binary", "--data", data, "--source", "esmfold")
    said = cli("train", "deeploc_binary", *QUICK, "--out", "second", "--json")
    assert said.status == 0, said.err
    assert json.loads(Path("second/run.json").read_text())["source"] == "esmfold"
    cli("train", "deeploc_binary", *QUICK, "--source", "alphafold2", "--out", "third")
    assert json.loads(Path("third/run.json").read_text())["source"] == "alphafold2"


def test_train_without_any_tokens_trains_without_structure_and_says_so(
    cli, shared_structures: Path
) -> None:
    plain = [{"aa_seq": row["aa_seq"], "label": row["label"]} for row in rows(40, 5)]
    write_jsonl(Path("mine.jsonl"), [{**r, "split": s} for r, s in zip(plain, SPLITS, strict=True)])
    assert cli("add", "mine.jsonl").status == 0
    # Another protein's tokens are no choice for this task.
    cli("tokens", shared_structures / "1l2y.cif", "--source", "pdb")
    said = cli("train", "mine", "--plm", "blosum62", *QUICK, "--out", "run", "--json")
    assert said.status == 0, said.err
    assert "no protein of 'mine' has structure tokens: training without structure" in said.err
    record = json.loads(Path("run/run.json").read_text())
    assert (record["source"], record["config"]["adapter"]["alphabets"]) == (None, [])
    named = cli("train", "mine", "--structure", "foldseek", *QUICK)
    assert named.status == 2
    assert "which structures?" in named.err


SPLITS = ["train"] * 24 + ["valid"] * 8 + ["test"] * 8


def test_an_unfinished_run_is_not_overwritten_and_the_whole_command_is_said(
    trained: Path, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_in_time = Trainer._save_in_time

    def interrupt(self: Trainer, stop: Callable[[], object]) -> None:
        signal.raise_signal(signal.SIGINT)
        save_in_time(self, stop)

    words = ["train", "deeploc_binary", "--epochs", "5", "--heads", "2", "--out", "my run"]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_in_time", interrupt)
        stopped = cli(*words, "--patience", "5", "--quiet")
    assert stopped.status == 1
    whole = "sesstore train deeploc_binary --epochs 5 --heads 2 --out 'my run' --patience 5"
    assert f"Go on with it: `{whole} --quiet --resume`" in stopped.err
    before = content(Path("my run"))
    again = cli(*words, "--patience", "5")
    assert again.status == 2
    assert "holds an interrupted training" in again.err
    assert f"Go on with it: `{whole} --resume`" in again.err
    assert content(Path("my run")) == before
    unread = cli("predict", "my run", "deeploc_binary")
    assert unread.status == 2
    assert "is not finished" in unread.err


def test_rows_in_json(cli, trained: Path) -> None:
    said = cli("predict", trained, "deeploc_binary", "--json").json
    assert len(said["rows"]) == said["proteins"] == 40
    assert said["rows"][0].keys() >= {"id", "label", "p_soluble"}
    assert "rows" not in cli("predict", trained, "deeploc_binary", "--json", "--out", "x.csv").json


def test_a_sequence_as_text(cli, trained: Path) -> None:
    said = cli("predict", trained, "ACDEFGHIKL", "KLMNPQRSTV*")
    assert said.status == 0, said.err
    assert [line.split(",")[:2] for line in said.out.splitlines()[1:]] == [
        ["seq1", "10"], ["seq2", "10"],
    ]  # fmt: skip
    assert cli("predict", trained, "ACDEFGHIKL" * 500).status == 0  # longer than any file's name
    for name in ("deeploc", "DEEPLOC_BINARY", "MKVL?", "acdefghikl", "EC"):
        wrong = cli("predict", trained, name)
        assert wrong.status == 2, name
        assert "no task of this store is called" in wrong.err


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


NAMES = [
    ("trian x", "Did you mean 'train'"),
    ("train deeploc_binary --epoch 3", "No such option"),
    ("train deeploc_binray", "Did you mean 'deeploc_binary'"),
    ("train deeploc_binary --plm bloosum62", "Did you mean 'blosum62'"),
    ("train deeploc_binary --structure foldsek", "Did you mean 'foldseek'"),
    ("train deeploc_binary --source alphafold", "only: alphafold2"),
    ("train deeploc_binary --device cdua", "no device is called 'cdua'"),
    ("train deeploc_binary --out run", "holds a run already"),
    ("train deeploc_binary --dropout 1.5", "dropout"),
    ("sweep deeploc_binray", "Did you mean 'deeploc_binary'"),
    ("study ablation deeploc_binray", "Did you mean 'deeploc_binary'"),
    ("study ablashun deeploc_binary", "No such command"),
    ("embed --plm bloosum62", "Did you mean 'blosum62'"),
    ("embed deeploc_binray --plm blosum62", "Did you mean 'deeploc_binary'"),
    ("evaluate rnu", "there is no run at 'rnu'"),
    ("evaluate run deeploc_binray", "Did you mean 'deeploc_binary'"),
    ("evaluate run --split tset", "only train, valid, test"),
    ("predict rnu deeploc_binary", "there is no run at 'rnu'"),
    ("predict run deeploc_binray", "Did you mean 'deeploc_binary'"),
    ("predict run none.fasta", "there is no file 'none.fasta'"),
    ("report rnu", "there is no run at 'rnu'"),
    ("plan --plm bloosum62 --proteins human", "Did you mean 'blosum62'"),
    ("export npy out --plm bloosum62", "bloosum62"),
    ("doctor deeploc_binray", "Did you mean 'deeploc_binary'"),
]


def test_typos_are_said_before_anything_heavy_is_imported(trained: Path, cli) -> None:
    done = one_process([words for words, _ in NAMES])
    for (words, hint), (said, heavy) in zip(NAMES, done, strict=True):
        assert said.status in (1, 2), words
        assert hint in said.err, words
        assert said.err.startswith("error: "), words
        assert said.err.count("\n") == 1, words
        assert heavy == [], words


def test_a_folder_of_runs_names_them(cli, trained: Path) -> None:
    shutil.copytree("run", "runs/deeploc_binary/first")
    said = cli("evaluate", "runs")
    assert said.status == 2
    assert "Name one of them, such as 'runs/deeploc_binary/first'" in said.err
