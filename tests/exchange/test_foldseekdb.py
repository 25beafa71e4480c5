"""Foldseek's databases and tables, written here as its source and wiki describe them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.alphabets import FOLDSEEK
from sesstore.errors import InputError, MissingFileError
from sesstore.exchange.foldseekdb import read_foldseek_db, read_foldseek_table
from sesstore.structures.notices import Failure

Entries = list[tuple[str, str, str]]


def write_part(path: Path, texts: list[str], kind: int = 0, parts: int = 1) -> None:
    """Write one database, entries from the last to the first, its data in some parts."""
    raws = [f"{text}\n\0".encode() for text in texts]
    order = list(range(len(raws)))[::-1]
    index, start, cut = {}, 0, [b""] * parts
    for place, key in enumerate(order):
        index[key] = f"{key}\t{start}\t{len(raws[key])}\n"
        start += len(raws[key])
        cut[place * parts // len(order)] += raws[key]
    for number, raw in enumerate(cut):
        end = f".{number}" if parts > 1 else ""
        path.with_name(path.name + end).write_bytes(raw)
    path.with_name(f"{path.name}.index").write_text("".join(index[k] for k in sorted(index)))
    path.with_name(f"{path.name}.dbtype").write_bytes(kind.to_bytes(4, "little"))


def write_db(path: Path, entries: Entries, *, headers: bool = True, parts: int = 1) -> Path:
    names, residues, states = zip(*entries, strict=True)
    write_part(path, list(residues), parts=parts)
    write_part(path.with_name(f"{path.name}_ss"), list(states), parts=parts)
    if headers:
        write_part(path.with_name(f"{path.name}_h"), [f"{name} SOME PROTEIN" for name in names], 12)
    path.with_name(f"{path.name}.lookup").write_text(
        "".join(f"{key}\t{name}\t{key}\n" for key, name in enumerate(names))
    )
    return path


ENTRIES = [
    ("AF-P12345-F1-model_v4", "MKVL", "dVQd"),
    ("1aki.cif.gz_A", "KVFGRC", "DAPVQL"),
    ("d1asha_", "AC", "DD"),
]


@pytest.mark.parametrize(("headers", "parts"), [(True, 1), (False, 1), (True, 3)])
def test_a_database_is_read(tmp_path: Path, headers: bool, parts: int) -> None:
    database = write_db(tmp_path / "DB [1]", ENTRIES, headers=headers, parts=parts)
    found = list(read_foldseek_db(database))
    assert [one.labels[0] for one in found] == ["P12345", "1aki_A", "d1asha_"]
    assert found[1].labels == ("1aki_A", "1aki", "1aki.cif.gz_A")
    assert [one.chain.residues for one in found] == ["MKVL", "KVFGRC", "AC"]
    assert [FOLDSEEK.decode(one.codes["foldseek"][0]) for one in found] == ["DVQD", "DAPVQL", "DD"]


def test_parts_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Part 10 comes after part 9, not after part 1."""
    entries = [(f"p{n}", "MKVLA"[: 1 + n % 5], "DVPQA"[: 1 + n % 5]) for n in range(12)]
    database = write_db(tmp_path / "DB", entries, parts=12)
    (tmp_path / "DB.0.bak").write_text("a copy")
    (tmp_path / "DB.0.bak").unlink()
    found = list(read_foldseek_db(database))
    assert [one.labels[0] for one in found] == [name for name, _, _ in entries]
    assert [one.chain.residues for one in found] == [residues for _, residues, _ in entries]


def test_ends_of_entries_and_small_letters_are_none(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"one\tmkV\tdvP\r\ntwo\tMK\tDV\trest\n")
    one, two = read_foldseek_table(path)
    assert (one.chain.residues, FOLDSEEK.decode(one.codes["foldseek"][0])) == ("MKV", "DVP")
    assert two.chain.residues == "MK"
    assert (one.location, two.location) == (f"{path} entry one", f"{path} entry two")


def test_models_of_a_file_become_conformers_of_its_chains(tmp_path: Path) -> None:
    entries = [("0abc.pdb", "AC", "DD")]
    for model in (1, 2, 3):
        entries.append((f"1l2y.cif.gz_MODEL_{model}_A", "NLY", "DV" + "DVP"[model - 1]))
        entries.append((f"1l2y.cif.gz_MODEL_{model}_B", "GG", "DP"))
    entries.append(("2abc.pdb_MODEL_1_A", "MK", "DD"))
    found = list(read_foldseek_db(write_db(tmp_path / "DB", entries)))
    assert [one.labels[0] for one in found] == ["0abc", "1l2y_A", "1l2y_B", "2abc_A"]
    assert [one.codes["foldseek"].shape for one in found] == [(1, 2), (3, 3), (3, 2), (1, 2)]
    assert [FOLDSEEK.decode(row)[-1] for row in found[1].codes["foldseek"]] == list("DVP")


def test_models_of_the_pdbs_databases_need_no_suffix_and_no_order(tmp_path: Path) -> None:
    """Foldseek's PDB databases call them 1a0n_MODEL_1_B; createdb's threads mix them."""
    entries = [
        ("1a0n_MODEL_2_B", "AC", "DV"), ("2abc_A", "MK", "DD"), ("1a0n_MODEL_10_B", "AC", "DP"),
        ("1a0n_MODEL_1_A", "GG", "DD"), ("1a0n_MODEL_1_B", "AC", "DD"),
        ("job_model_1", "WW", "DD"), ("job_model_2", "WW", "DV"),
    ]  # fmt: skip
    found = list(read_foldseek_db(write_db(tmp_path / "DB", entries)))
    names = [one.labels[0] for one in found]
    assert names == ["1a0n_A", "1a0n_B", "2abc_A", "job_model_1", "job_model_2"]
    states = [FOLDSEEK.decode(row) for row in found[1].codes["foldseek"]]
    assert states == ["DD", "DV", "DP"]


def test_models_that_differ_in_their_residues_are_no_conformers(tmp_path: Path) -> None:
    entries = [("1a0n_MODEL_1_B", "AC", "DD"), ("1a0n_MODEL_2_B", "ACG", "DDV")]
    found = list(read_foldseek_db(write_db(tmp_path / "DB", entries)))
    assert [one.chain.residues for one in found] == ["AC", "ACG"]


@pytest.mark.parametrize(
    "line",
    ["", "\t", "\u00b2\tname\t0", "9" * 5000 + "\tname\t0", "-1\tname\t0", "1.5\tname", "x", "0",
     "1e9\tname\t0", "18446744073709551616\tname\t0"],
)  # fmt: skip
def test_odd_lines_of_a_lookup_are_no_names(tmp_path: Path, line: str) -> None:
    path = write_db(tmp_path / "DB", ENTRIES, headers=False)
    lookup = tmp_path / "DB.lookup"
    lookup.write_text(f"{line}\n{lookup.read_text()}{line}\n", encoding="utf-8")
    assert len(list(read_foldseek_db(path))) == 3


def test_a_lookup_that_lacks_names_is_one_error(tmp_path: Path) -> None:
    path = write_db(tmp_path / "DB", ENTRIES, headers=False)
    (tmp_path / "DB.lookup").write_bytes(b"0\tone\n1\t\n2\ttwo\n")
    wrong = [one for one in read_foldseek_db(path) if isinstance(one, Failure)]
    assert [one.reason for one in wrong] == [
        f"{path} entry 1 has an empty name. Make the database again"
    ]
    (tmp_path / "DB.lookup").write_bytes(b"0\tone\n")
    with pytest.raises(InputError, match=r"entry 1 of .* has no name. Copy 'DB_h' too"):
        list(read_foldseek_db(path))


def test_entries_that_do_not_fit_are_listed_and_the_others_read(tmp_path: Path) -> None:
    entries = [*ENTRIES, ("bad", "MKV", "DD"), ("odd", "MK", "D!"), ("good", "MK", "DD")]
    found = list(read_foldseek_db(write_db(tmp_path / "DB", entries)))
    failures = [one for one in found if isinstance(one, Failure)]
    assert failures[0].reason.endswith("entry bad has 2 states for 3 residues")
    assert "letter '!'" in failures[1].reason
    assert len(found) == 6


def test_what_is_wrong_with_a_database_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="foldseek createdb"):
        list(read_foldseek_db(tmp_path / "DB"))
    path = write_db(tmp_path / "DB", ENTRIES)
    (tmp_path / "DB_ss").write_bytes((tmp_path / "DB_ss").read_bytes()[:5])
    with pytest.raises(InputError, match="DB_ss' is cut short"):
        list(read_foldseek_db(path))
    for kind, said in ((1 << 31, "compressed"), (8 << 16, "padded for a GPU")):
        write_part(path, [entry[1] for entry in ENTRIES], kind)
        with pytest.raises(InputError, match=said):
            list(read_foldseek_db(path))
    write_db(path, ENTRIES)
    index = (tmp_path / "DB_ss.index").read_text().splitlines()
    for place in ("-3\t4", "0\t-1", "99999\t4"):
        (tmp_path / "DB_ss.index").write_text("\n".join([f"0\t{place}", *index[1:]]) + "\n")
        with pytest.raises(InputError, match="cut short: entry 0 is not in it"):
            list(read_foldseek_db(path))
    write_db(path, ENTRIES)
    (tmp_path / "DB.index").write_text("not an index")
    with pytest.raises(InputError, match=r"DB\.index' is no index"):
        list(read_foldseek_db(path))


def test_a_table_is_read_and_wrong_lines_listed(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("1aki_A LYSOZYME\tKVF\tDAP\t1.0,2.0\nbroken\n1xso_A\tAT\tdd\n")
    one, wrong, two = read_foldseek_table(path)
    assert (one.labels, one.chain.residues) == (("1aki_A",), "KVF")
    assert wrong.reason.startswith(f"{path}, line 2 has not the columns")
    assert FOLDSEEK.decode(two.codes["foldseek"][0]) == "DD"


@given(
    st.lists(
        st.integers(1, 30).flatmap(
            lambda n: st.tuples(
                st.text("ACDEFGHIKLMNPQRSTVWYX", min_size=n, max_size=n),
                st.text(FOLDSEEK.letters, min_size=n, max_size=n),
            )
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 3),
)
def test_any_database_comes_back(tmp_path_factory, pairs, parts: int) -> None:
    entries = [(f"p{i}", residues, states) for i, (residues, states) in enumerate(pairs)]
    path = write_db(tmp_path_factory.mktemp("db") / "DB", entries, parts=min(parts, len(entries)))
    found = list(read_foldseek_db(path))
    for one, (name, residues, states) in zip(found, entries, strict=True):
        assert (one.labels[0], one.chain.residues) == (name, residues)
        np.testing.assert_array_equal(one.codes["foldseek"][0], FOLDSEEK.encode(states))
