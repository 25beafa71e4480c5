"""DSSP's files: what mkdssp writes where it is installed, and lines as it writes them."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from sesstore.alphabets import DSSP
from sesstore.errors import InputError
from sesstore.exchange.dsspfile import read_dssp
from sesstore.structures.chains import read_structure
from sesstore.structures.dssp import tokens_dssp

installed = pytest.mark.skipif(shutil.which("mkdssp") is None, reason="mkdssp is not installed")

HEAD = (
    "==== Secondary Structure Definition by the program DSSP, NKI version 4.0 ====\n"
    "  #  RESIDUE AA STRUCTURE BP1 BP2  ACC     N-H-->O    O-->H-N    N-H-->O    O-->H-N    TCO\n"
)


def line(number: str, chain: str, letter: str, state: str) -> str:
    return f"    1 {number:>5}{chain} {letter}  {state}     -A   24   0A   7     -2,-0.4\n"


CLASSIC = HEAD + "".join(
    [
        line("1 ", "A", "M", "H"),
        line("2 ", "A", "a", "P"),
        line("52A", "A", "K", " "),
        "    3        !              0   0    0      0, 0.0     0, 0.0\n",
        line("60 ", "A", "b", "S"),
        "    5        !*             0   0    0      0, 0.0     0, 0.0\n",
        line("-1 ", "b", "V", "E"),
    ]
)


@pytest.mark.parametrize("packed", [False, True])
def test_the_classic_table_is_read(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("1abc.dssp.gz" if packed else "1abc.dssp")
    path.write_bytes(gzip.compress(CLASSIC.encode()) if packed else CLASSIC.encode())
    one, two = read_dssp(path)
    assert one.labels == ("1abc_A", "1abc")
    assert one.chain.residues == "MCKC"
    assert (one.chain.numbers.tolist(), one.chain.insertions.tolist()) == (
        [1, 2, 52, 60],
        ["", "", "A", ""],
    )
    assert DSSP.decode(one.codes["dssp"][0]) == "HLLS"
    assert (two.labels[0], two.chain.numbers.tolist()) == ("1abc_b", [-1])


def table(*lines: str, count: int | None = None) -> str:
    """A classic file of some lines; its header states a count."""
    total = f"{count or 0:5d}  1  0  0  0 TOTAL NUMBER OF RESIDUES, NUMBER OF CHAINS ...\n"
    return HEAD.replace("\n", f"\n{total if count is not None else ''}", 1) + "".join(lines)


END = "    9        !*             0   0    0      0, 0.0     0, 0.0\n"
BREAK = END.replace("!*", "! ")


def read(tmp_path: Path, text: str, name: str = "1abc.dssp"):
    (tmp_path / name).write_text(text)
    return list(read_dssp(tmp_path / name))


def test_chains_of_two_letters_are_kept_apart(tmp_path: Path) -> None:
    """LL and L2 both read L; only the end of the chain is between them, whatever the numbers."""
    lines = [line("1 ", "L", "M", "H"), line("2 ", "L", "K", "H")]
    for second in (lines, [line("3 ", "L", "V", "E")]):
        one, two = read(tmp_path, table(*lines, END, *second, count=2 + len(second)))
        assert (one.labels[0], two.labels[0]) == ("1abc_L", "1abc_L-2")
        assert one.chain.residues == "MK"
        assert len(two.chain) == len(second)
    (one,) = read(tmp_path, table(*lines, BREAK, line("9 ", "L", "V", "E"), count=3))
    assert (one.chain.residues, one.chain.numbers.tolist()) == ("MKV", [1, 2, 9])


def test_a_number_may_fill_its_columns(tmp_path: Path) -> None:
    rows = [line("1 ", "A", letter, "H") for letter in "MKV"]
    rows = [row[:5] + number + row[10:] for row, number in
            zip(rows, ("12345", "-1000", "   -1"), strict=True)]  # fmt: skip
    (one,) = read(tmp_path, table(*rows))
    assert one.chain.numbers.tolist() == [12345, -1000, -1]


def test_a_chain_that_comes_again_is_another(tmp_path: Path) -> None:
    text = table(line("1 ", "A", "M", "H"), line("1 ", "B", "K", "H"), line("1 ", "A", "V", "E"))
    assert [one.chain.id for one in read(tmp_path, text)] == ["A", "B", "A-2"]


def test_the_authors_ids_behind_the_columns_count(tmp_path: Path) -> None:
    head = HEAD.rstrip("\n") + "            CHAIN AUTHCHAIN\n"
    width = len(HEAD.splitlines()[1])
    rows = [
        f"{line('1 ', 'L', letter, 'H').rstrip():<{width}}            {label:>5}{author:>10}\n"
        for letter, label, author in (("M", "A", "LL"), ("K", "A", "LL"), ("V", "C", "L2"))
    ]
    found = read(tmp_path, head + rows[0] + rows[1] + END + rows[2])
    assert [(one.chain.id, one.chain.residues) for one in found] == [("LL", "MK"), ("L2", "V")]
    numbered = [row.rstrip("\n") + "      1      7\n" for row in rows]
    text = head.replace("AUTHCHAIN", "AUTHCHAIN NUMBER RESNUM") + "".join(numbered)
    assert [one.chain.id for one in read(tmp_path, text)] == ["LL", "L2"]
    alone = [f"{row[:width]:<{width}}            {'LL':>5}\n" for row in rows]
    text = head.replace(" AUTHCHAIN", "") + "".join(alone)
    assert [one.chain.id for one in read(tmp_path, text)] == ["LL"]
    # One letter where there is no such column, also in a last line without an end.
    text = table(line("1 ", "A", "M", "H")).rstrip("\n")
    assert [one.chain.id for one in read(tmp_path, text)] == ["A"]


@pytest.mark.parametrize("count", [3, 4, 2000])
def test_a_table_cut_short_is_an_error(tmp_path: Path, count: int) -> None:
    lines = [line("1 ", "A", "M", "H"), END, line("1 ", "B", "K", "H")]
    with pytest.raises(InputError, match=f"has 2 residues, its header states {count:,}"):
        read(tmp_path, table(*lines, count=count))
    assert len(read(tmp_path, table(*lines, count=2))) == 2


@pytest.mark.parametrize("count", [None, 0, 129])
def test_a_header_alone_is_an_error(tmp_path: Path, count: int | None) -> None:
    with pytest.raises(InputError, match=r"has 0 residues, .* Get the file again"):
        read(tmp_path, table(count=count))


def test_a_line_cut_short_is_an_error(tmp_path: Path) -> None:
    whole = line("1 ", "A", "M", "H")
    with pytest.raises(InputError, match="is cut short in its line '1    2 A'"):
        read(tmp_path, table(whole, line("2 ", "A", "K", "H")[:12]))
    assert len(read(tmp_path, table(whole, "\n", "  \r\n"))[0].chain) == 1


@pytest.mark.parametrize("entry", ["1aki.pdb", "1igy.cif"])
def test_what_mkdssp_wrote_is_what_we_assign(
    shared_structures: Path, shared_cases: Path, entry: str
) -> None:
    """Files of mkdssp 4.2.2, with and without chains of two letters."""
    chains = read_structure(shared_structures / entry).chains
    expected = [DSSP.decode(codes[0]) for codes in tokens_dssp(chains)]
    names = {
        "1aki.pdb": [f"18-dssp-classic/{n}.dssp" for n in ("1aki", "crlf", "nohead", "stripped")],
        "1igy.cif": ["17-dssp-label-auth/1igy.dssp", "17-dssp-label-auth/1igy_plain.dssp"],
    }[entry]
    for name in names:
        found = list(read_dssp(shared_cases / name))
        assert [one.chain.residues for one in found] == [chain.residues for chain in chains]
        assert [DSSP.decode(one.codes["dssp"][0]) for one in found] == expected


@installed
@pytest.mark.parametrize("entry", ["1aki.pdb", "1igy.cif", "5zng.cif"])
@pytest.mark.parametrize("experimental", [False, True])
def test_what_mkdssp_writes_is_what_we_assign(
    shared_structures: Path, tmp_path: Path, entry: str, experimental: bool
) -> None:
    given = shared_structures / entry
    chains = read_structure(given).chains
    expected = {
        chain.id: DSSP.decode(codes[0])
        for chain, codes in zip(chains, tokens_dssp(chains), strict=True)
    }
    classic, annotated = tmp_path / "x.dssp", tmp_path / "x.cif"
    subprocess.run(["mkdssp", "--output-format", "dssp", given, classic], check=True)
    extra = ["--write-experimental"] if experimental else []
    command = ["mkdssp", *extra, "--output-format", "mmcif", given, annotated]
    subprocess.run(command, check=True)
    for path in (classic, annotated):
        found = {one.chain.id: DSSP.decode(one.codes["dssp"][0]) for one in read_dssp(path)}
        if path == annotated and not experimental:
            # Two bridges side by side cannot be told from a strand there.
            expected = {chain: states.replace("BB", "EE") for chain, states in expected.items()}
        assert found == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.dssp", "HEADER\n", "is no DSSP file"),
        ("x.dssp", HEAD + line("1 ", "A", "M", "?"), r"x\.dssp chain A: letter '\?'"),
        ("x.dssp", HEAD + line("one", "A", "M", "H"), "broken line"),
        ("x.txt", "", "none of .dssp"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        list(read_dssp(tmp_path / name))


def test_a_plain_structure_is_no_dssp_file(shared_structures: Path) -> None:
    with pytest.raises(InputError, match=r"has no DSSP states.*mkdssp"):
        list(read_dssp(shared_structures / "1aki.cif"))


@installed
def test_broken_tables_are_said(shared_structures: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.cif"
    command = ["mkdssp", "--write-experimental", "--output-format", "mmcif"]
    subprocess.run([*command, shared_structures / "5zng.cif", path], check=True)
    path.write_text(path.read_text().replace("_dssp_struct_summary.label_seq_id", "_dssp_x.y", 1))
    with pytest.raises(InputError, match=r"x\.cif' has broken tables"):
        list(read_dssp(path))
