"""Which rows are kept together, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.groups import WILD_TYPE, cluster, group_rows, joined_rows, positions
from sesstore.errors import InputError

PARENT = "MKVLAAGIVGLCARTQWERT" * 3


def mutant(*changes: tuple[int, str]) -> str:
    letters = list(PARENT)
    for place, letter in changes:
        letters[place - 1] = letter
    return "".join(letters)


def test_rows_tied_by_any_key_are_together() -> None:
    of = joined_rows(["a", "a", "b", "c", "c"], [1, 2, 2, 3, 4])
    assert of.tolist() == [0, 0, 0, 1, 1]
    assert joined_rows([]).tolist() == []


def test_positions_are_those_that_differ_from_the_commonest_letters() -> None:
    variants = [mutant((n, "Y")) for n in (3, 3, 7, 9)]
    variants += [mutant((3, "D")), PARENT, mutant((7, "D"), (12, "Y")), mutant((12, "W"))]
    assert positions(variants) == ("3", "3", "7", "9", "3", WILD_TYPE, "7", "7")
    groups = group_rows(variants, "position")
    assert len(groups) == 4
    assert groups.kind == "position"
    assert "whole positions" in groups.method


def test_positions_need_one_protein() -> None:
    with pytest.raises(InputError, match=r"59 to 60 residues.*--split-by"):
        positions([PARENT, PARENT[1:]])
    rng = np.random.default_rng(0)
    others = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 60)) for _ in range(9)]
    with pytest.raises(InputError, match=r"differ at \d\d%.*--split-by"):
        positions(others)


def test_equal_sequences_are_together_however_rows_are_grouped() -> None:
    sequences = [PARENT, mutant((3, "Y")), PARENT, mutant((3, "D"))]
    for split_by, values in (("random", ()), ("family", ("a", "b", "c", "b")), ("position", ())):
        of = group_rows(sequences, split_by, values).of
        assert of[0] == of[2]
    assert group_rows(sequences, "family", ("a", "b", "c", "b")).of.tolist() == [0, 1, 0, 1]
    assert group_rows(sequences, "random").names == ()
    assert len(group_rows(sequences)) == 1


UNRELATED = ["MKVLAAGIVGLCAKAYLERA", "WQDNSTPHEWRYFGCPNDSH", "GGSSTTPPNNQQHHKKRRDD"]


@pytest.mark.parametrize(
    ("split_by", "kind", "names", "method", "caution"),
    [
        ("random", "sequence", (), "at random", "Similar proteins may stand on both sides"),
        ("family", "group", ("b", "a", "b", "c"), "by whole groups of column family", "of two"),
        ("cluster", "cluster", ("1", "0", "1", "2"), "by whole clusters", "about 60% identity"),
    ],
)  # fmt: skip
def test_what_is_said_of_groups(
    split_by: str, kind: str, names: tuple[str, ...], method: str, caution: str,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))  # clusters by k-mers, whatever is installed
    first, second, third = UNRELATED
    groups = group_rows([second, first, second, third], split_by, ("b", "a", "b", "c"))
    assert (groups.kind, len(groups)) == (kind, 3)
    assert method in groups.method
    assert caution in groups.caution
    assert groups.of[0] == groups.of[2]
    assert len(set(groups.of.tolist())) == 3
    if kind == "cluster":  # numbers of the groups are their names
        assert groups.names == tuple(str(number) for number in groups.of)
        assert "MMseqs2, once installed, clusters from 30% on" in groups.caution
    else:
        assert groups.names == names


def test_half_of_the_residues_may_differ() -> None:
    """Equal numbers of two letters: the first in the alphabet is the consensus."""
    assert positions(["AAAA", "CCCC"]) == (WILD_TYPE, "1")
    with pytest.raises(InputError, match="differ at 67% of their residues"):
        positions(["AAA", "CCC", "DDD"])


def program(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program called mmseqs first on the path."""
    file = folder / "mmseqs"
    file.write_text(f"#!/bin/sh\nthere={folder}\n{body}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


ANSWER = r"""
if [ "$1" = version ]; then echo " 15-6f452 "; exit; fi
echo "$@" > $there/arguments; cat in.fasta > $there/seen; pwd > $there/folder
printf '%b' '{lines}' > out_cluster.tsv
"""


def test_clusters_are_those_mmseqs_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, ANSWER.replace("{lines}", r"2\t2\n2\t0\n1\t1\n3\t3\n"), monkeypatch)
    clusters = cluster(["MKV", "WWW", "MKI", "GGG"])
    assert clusters.of.tolist() == [1, 0, 1, 2]
    assert (len(clusters), clusters.kind) == (3, "cluster")
    assert clusters.made_by == "MMseqs2 15-6f452 (30% identity over 80% of both)"
    assert (tmp_path / "seen").read_text() == ">0\nMKV\n>1\nWWW\n>2\nMKI\n>3\nGGG\n"
    command, *options = (tmp_path / "arguments").read_text().split()
    assert (command, options[:3]) == ("easy-cluster", ["in.fasta", "out", "tmp"])
    choices = dict(zip(options[3::2], options[4::2], strict=True))
    assert (choices["--min-seq-id"], choices["-c"]) == ("0.3", "0.8")
    assert not Path((tmp_path / "folder").read_text().strip()).exists()


def test_sequences_that_mmseqs_leaves_out_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, ANSWER.replace("{lines}", r"0\t0\n2\t2\n"), monkeypatch)
    with pytest.raises(InputError, match="mmseqs left 2 sequences out"):
        cluster(["MKV", "WWW", "MKI", "GGG"])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("echo one; echo two >&2; exit 3", "mmseqs fails: one"),
        ("exit 3", "mmseqs fails: status 3.*off the PATH"),
        ("echo; echo three; echo; exit 1", r"mmseqs fails: three\. Update"),
    ],
)
def test_what_mmseqs_says_last_is_quoted(
    body: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, body, monkeypatch)
    with pytest.raises(InputError, match=told):
        cluster(["MKV"])
