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


STRETCHES = {
    "HELX_RH_AL_P": "H", "HELX_RH_3T_P": "G", "HELX_RH_PI_P": "I", "HELX_LH_PP_P": "P",
    "STRN": "E", "TURN_TY1_P": "T", "BEND": "S", "OTHER": "L",
}  # fmt: skip


def test_every_kind_of_stretch_is_its_state(shared_structures: Path, tmp_path: Path) -> None:
    from biotite.structure.io.pdbx import CIFCategory, CIFFile

    file = CIFFile.read(shared_structures / "1aki.cif")
    begins = [2 + 4 * i for i in range(len(STRETCHES))]
    file.block["struct_conf"] = CIFCategory(
        {
            "conf_type_id": [*STRETCHES, "STRN"],
            "id": [str(i) for i in range(len(STRETCHES) + 1)],
            "beg_label_asym_id": ["A"] * (len(STRETCHES) + 1),
            "beg_label_seq_id": [str(place) for place in [*begins, 100]],
            "end_label_seq_id": [str(place + 2) for place in begins] + ["100"],
        }
    )
    file.block["struct_conf_type"] = CIFCategory(
        {"id": [*STRETCHES], "criteria": ["DSSP"] * len(STRETCHES)}
    )
    file.write(tmp_path / "x.cif")
    (one,) = read_dssp(tmp_path / "x.cif")
    states = "".join(f" {letter * 3}" for letter in STRETCHES.values()).ljust(99) + "B"
    expected = states.ljust(len(one.chain)).replace("P", "L").replace(" ", "L")
    assert DSSP.decode(one.codes["dssp"][0]) == expected
