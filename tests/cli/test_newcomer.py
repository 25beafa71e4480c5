"""What somebody new meets: wrong names, forgotten options, a second try. Each costs a line."""

from __future__ import annotations

from pathlib import Path

from .conftest import one_process


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
