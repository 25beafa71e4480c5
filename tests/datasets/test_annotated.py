"""FASTA with labels: biotrainer's headers, FLIP's pairs of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.annotated import (
    FastaFiles,
    fasta_files,
    flip_files,
    has_labels,
    read_annotated,
)
from sesstore.datasets.fasta import parse_entries
from sesstore.datasets.load import load_own
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError, RecordError
from sesstore.tasks import Problem


@pytest.mark.parametrize("masks", ["mask", "resolved"])
def test_flip_residue_fasta(masks: str, tmp_path: Path) -> None:
    folder = tmp_path / "secondary_structure"
    folder.mkdir()
    (folder / "sequences.fasta").write_text(
        ">Seq1\nSEQWENCE\n>Seq2\nPRTE\nIN\n>Seq3\nMKVL\n>S4\nMK\n"
    )
    (folder / "sampled.fasta").write_text(
        ">Seq1 SET=train VALIDATION=False\nHHHHHEEE\n"
        ">Seq2 SET=train VALIDATION=True\nCCHHHH\n>Seq3 SET=test VALIDATION=False\nHHEE\n"
    )
    (folder / f"{masks}.fasta").write_text(">Seq1\n01111111\n>Seq2\n111111\n")
    loaded = load_own(folder, UserData())
    task = loaded.task
    assert (task.name, task.classes) == ("secondary_structure", ("C", "E", "H"))
    assert {n: s.ids for n, s in task.splits.items()} == {
        "train": ("Seq1",), "valid": ("Seq2",), "test": ("Seq3",),
    }  # fmt: skip
    assert task.splits["train"].labels[0].tolist() == [-100, 2, 2, 2, 2, 1, 1, 1]
    assert "1 sequence without labels in sampled.fasta: left out" in loaded.notes[0]
    named = UserData("ss", targets=folder / "sampled.fasta", mask=folder / f"{masks}.fasta")
    again = load_own(folder / "sequences.fasta", named).task
    assert again.data_digest == task.data_digest
    (folder / "other.fasta").write_text(">Seq9 SET=train\nHH\n")
    with pytest.raises(InputError, match=r"2 files of labels \(other.fasta, sampled.fasta\)"):
        load_own(folder, UserData())
    with pytest.raises(RecordError, match=r"other\.fasta, line 1 \(Seq9\).*no sequence of that id"):
        load_own(folder / "sequences.fasta", UserData(targets=folder / "other.fasta", name="x"))


@pytest.mark.parametrize(
    ("text", "problem", "first"),
    [
        (
            ">a TARGET=Glob SET=train VALIDATION=False\nSEQWENCE\n"
            ">b TARGET=TM SET=train VALIDATION=True\nPRTEIN\n>c TARGET=TM SET=test\nSEQPRT\n",
            Problem.SINGLE_LABEL,
            0,
        ),
        (
            ">a TARGET=0.5;0.3;-1 SET=train MASK=110\nSEQ\n>b TARGET=1;2;3;4 SET=val\nPRTE\n"
            ">c some words TARGET=1;2.5;3 SET=test\nMKV\n>d TARGET=1;1 SET=pred\nMK\n",
            Problem.RESIDUE_REGRESSION,
            [0.5, 0.30000001192092896, None],
        ),
        (
            ">a TARGET=DVC SET=train MASK=011\nSEQ\n>b TARGET=DDVV SET=val\nPRTE\n",
            Problem.RESIDUE_SINGLE_LABEL,
            [-100, 2, 0],
        ),
    ],
)
def test_biotrainer_fasta(tmp_path: Path, text: str, problem: Problem, first: object) -> None:
    path = tmp_path / "input.fasta"
    path.write_text(text)
    task = load_own(path, UserData()).task
    assert task.problem is problem
    label = task.splits["train"].labels[0]
    if isinstance(label, np.ndarray):
        label = [None if v != v else v for v in label.tolist()]
    assert label == first
    assert [len(task.splits[n]) for n in ("train", "valid")] == [1, 1]


BIOTRAINER = """>Seq1 {target}=Cell wall {set}=train
SEQWENCE
>Seq2 {target}=Nucleus {set}=train
PRTEIN
>Seq3 {target}=Nucleus {set}=val
PRTEINP
>Seq4 {target}=Cell wall {set}=test
PRTSEQ
"""


@pytest.mark.parametrize(
    "text",
    [
        BIOTRAINER.format(target="TARGET", set="SET"),
        BIOTRAINER.format(target="target", set="set"),
        BIOTRAINER.format(target="words TARGET", set="X=1 Set"),
        BIOTRAINER.replace(" {", "|{").format(target="TARGET", set="SET"),
        BIOTRAINER.replace(" {", " | {").format(target="Target", set="SET"),
        BIOTRAINER.replace("\n", "\r\n").format(target="TARGET", set="SET"),
    ],
)
def test_headers_in_any_case_with_blanks_or_bars(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.fasta").write_bytes(text.encode())
    task = load_own(tmp_path / "a.fasta", UserData()).task
    assert task.classes == ("Cell wall", "Nucleus")
    assert {n: (s.ids, s.labels) for n, s in task.splits.items()} == {
        "train": (("Seq1", "Seq2"), [0, 1]),
        "valid": (("Seq3",), [1]),
        "test": (("Seq4",), [0]),
    }


def test_ids_of_uniprot_stay_whole(tmp_path: Path) -> None:
    text = ">sp|P1|A_B OS=Homo sapiens OX=9606 TARGET=a SET=train\nMK\n"
    text += ">sp|P2|A_B TARGET=b OS=Homo sapiens SET=test\nMV\n>x=1 TARGET=a SET=val\nML\n"
    (tmp_path / "a.fasta").write_text(text)
    splits = load_own(tmp_path / "a.fasta", UserData()).task.splits
    assert [split.ids for split in splits.values()] == [("sp|P1|A_B",), ("x=1",), ("sp|P2|A_B",)]
    assert [split.labels for split in splits.values()] == [[0], [0], [1]]


@pytest.mark.parametrize("which", ["sequences", "labels", "resolved"])
def test_an_id_that_comes_again_is_told_with_both_lines(tmp_path: Path, which: str) -> None:
    texts = {"sequences": ">a\nMK\n>b\nMV\n", "labels": ">a SET=train\nHE\n>b SET=val\nEE\n",
             "resolved": ">a\n11\n"}  # fmt: skip
    again = {"sequences": ">a x\nML\n", "labels": ">a SET=test\nHH\n", "resolved": ">a\n10\n"}
    for name, text in texts.items():
        (tmp_path / f"{name}.fasta").write_text(text + again[name] * (name == which))
    line = texts[which].count("\n") + 1
    with pytest.raises(RecordError, match=rf"{which}\.fasta, line {line} \(a\): .* in line 1, too"):
        load_own(tmp_path, UserData("t"))


def test_a_mask_of_no_sequence_is_told_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "sequences.fasta").write_text(">a\nMK\n>b\nMV\n")
    (tmp_path / "labels.fasta").write_text(">a SET=train\nHE\n>b SET=val\nEE\n")
    (tmp_path / "resolved.fasta").write_text(">a\n11\n>z\n11\n")
    with pytest.raises(RecordError, match=r"resolved\.fasta, line 3 \(z\): there is no sequence"):
        load_own(tmp_path, UserData("t"))
    path = tmp_path / "mine.fasta"
    path.write_text(">a TARGET=1.5 SET=train\nMK\n>b TARGET=x SET=val\nMV\n")
    with pytest.raises(RecordError, match=r"line 3 \(b\): column TARGET: label 'x' is no number"):
        load_own(path, UserData(task_type="regression"))


def test_which_files_of_a_folder_are_labels_and_masks(tmp_path: Path) -> None:
    assert flip_files(tmp_path) is None
    assert flip_files(tmp_path / "none") is None
    for name in ("Sequences.fasta", "sampled.fa.gz", "mask.fasta", "resolved.fasta", "notes.txt"):
        (tmp_path / name).touch()
    expected = FastaFiles(
        tmp_path / "Sequences.fasta", tmp_path / "sampled.fa.gz", tmp_path / "resolved.fasta"
    )
    assert flip_files(tmp_path) == fasta_files(tmp_path / "sampled.fa.gz") == expected
    (tmp_path / "sampled.fa.gz").unlink()
    with pytest.raises(InputError, match=r"0 files of labels \(none\)"):
        flip_files(tmp_path)
    (tmp_path / "Sequences.fasta").unlink()
    assert fasta_files(tmp_path / "mask.fasta") == FastaFiles(tmp_path / "mask.fasta")


@pytest.mark.parametrize(
    ("header", "labelled"),
    [("a TARGET=x", True), ("a target=x", True), ("a INTERACTOR=b", True), ("a SET=train", False),
     ("a OS=x MASK=1", False), ("TARGET", False), ("a|Target=x", True)],
)  # fmt: skip
def test_whether_a_header_holds_a_label(header: str, labelled: bool) -> None:
    (entry,) = parse_entries([f">{header}\n", "MK\n"], Path("a.fasta"))
    assert has_labels(entry) is labelled


def test_what_is_odd_in_files_of_labels_is_told(tmp_path: Path) -> None:
    dna = "ACGT" * 9
    (tmp_path / "sequences.fasta").write_text(f">a\n{dna}\n>b\nMKV\n>c\nMV\n>d\nML\n")
    (tmp_path / "labels.fasta").write_bytes(f">a caf\u00e9\n{'H' * 36}\n>b\nHHH\n".encode("cp1252"))
    warnings: list[str] = []
    records, notes = read_annotated(flip_files(tmp_path), warnings.append)
    assert [(r.protein.id, r.label, r.line, r.split, r.column) for r in records] == [
        ("a", "H" * 36, 1, None, None), ("b", "HHH", 3, None, None),
    ]  # fmt: skip
    assert notes == ["2 sequences without labels in labels.fasta: left out"]
    foreign, nucleotides = warnings
    assert "labels.fasta' is not UTF-8" in foreign
    assert "1 of 2 sequences look" in nucleotides


def test_pairs_are_refused(tmp_path: Path) -> None:
    for key in ("INTERACTOR", "Interactor"):
        (tmp_path / "a.fasta").write_text(f">a {key}=b TARGET=0 SET=train\nMK\n")
        with pytest.raises(RecordError, match=r"line 1 \(a\): is one of a pair .*=b"):
            load_own(tmp_path / "a.fasta", UserData())


def test_several_test_sets_are_kept_apart(tmp_path: Path) -> None:
    sets = ["train", "train", "val", "test", "test2", "Test OOD", "pred"]
    rows = [f">s{n} TARGET={n % 2} SET={s}\n{'MKVLAAG'[n] * 9}\n" for n, s in enumerate(sets)]
    (tmp_path / "a.fasta").write_text("".join(rows))
    read = load_own(tmp_path / "a.fasta", UserData())
    assert {n: s.ids for n, s in read.task.splits.items()} == {
        "train": ("s0", "s1"), "valid": ("s2",), "test": ("s3",), "test2": ("s4",),
        "test_ood": ("s5",),
    }  # fmt: skip
    assert "1 row of set 'pred', to be predicted: left out of the task" in read.notes
    assert any("test2 (1), test_ood (1) are kept apart" in note for note in read.notes)
    # s4 and s5 are one protein, in two test sets: that is no leak.
    findings = {finding.what for finding in read.findings}
    assert "conflicting_labels" in findings
    assert not any(what.startswith("in_") for what in findings)


def test_line_ends_of_windows_are_no_labels_of_residues(tmp_path: Path) -> None:
    (tmp_path / "sequences.fasta").write_bytes(b">a\r\nSEQ\r\n>b\r\nPRTE\r\n")
    (tmp_path / "labels.fasta").write_bytes(b">a SET=train\r\nH\r\nEC\r\n>b SET=val\r\nHHCC\r\n")
    task = load_own(tmp_path, UserData("t")).task
    assert task.classes == ("C", "E", "H")
    assert task.splits["train"].labels[0].tolist() == [2, 1, 0]


def test_blanks_of_dssp_in_a_file_of_labels(tmp_path: Path) -> None:
    (tmp_path / "sequences.fasta").write_text(">a\nSEQQ\n>b\nPRTE\n")
    (tmp_path / "labels.fasta").write_text(">a SET=train\n H\nE \n>b SET=val\nHHT \n")
    task = load_own(tmp_path, UserData("t")).task
    assert task.classes == ("E", "H", "L", "T")
    assert task.splits["train"].labels[0].tolist() == [2, 1, 0, 2]


@pytest.mark.parametrize(
    ("second", "mask", "said"),
    [
        ("a SET=test VALIDATION=True\nHHH", "", r"labels\.fasta, line 3 \(a\): is for valid"),
        ("a SET=odd\nHHH", "", r"labels\.fasta, line 3 \(a\): split 'odd'"),
        ("a INTERACTOR=b\nHHH", "", r"labels\.fasta, line 3 \(a\): is one of a pair"),
        ("a SET=train\nHHHH", "", r"labels\.fasta, line 3 \(a\): 4 labels"),
        ("a SET=train\nHHE", ">b\n11\n>a\n11\n", r"mask\.fasta, line 3 \(a\): the mask has 2"),
        ("c SET=train\nHHE", "", r"sequences\.fasta, line 8 \(c\): letter '1'"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    second: str, mask: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "sequences.fasta").write_text(">x\nMKV\n>a\nSEQ\n>b\nPR\n>c\nM1V\n")
    (tmp_path / "labels.fasta").write_text(f">b SET=val\nHE\n>{second}\n")
    if mask:
        (tmp_path / "mask.fasta").write_text(mask)
    with pytest.raises(RecordError, match=said):
        load_own(tmp_path, UserData("t", "residue_single_label"))
