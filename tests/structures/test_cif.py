"""mmCIF as its grammar allows it, held against gemmi; files that declare more than they have."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
import pytest

from sesstore.errors import InputError, StructureError
from sesstore.structures.chains import parse_structure
from sesstore.structures.cif import read_binary_tables, read_tables


def _rows(pattern: str, by: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, by, text, flags=re.MULTILINE)


def _sequence_last(text: str) -> str:
    table = re.search(r"loop_\n_entity_poly_seq.*?#\n", text, re.DOTALL)[0]
    return text.replace(table, "") + table


SPELLINGS: dict[str, Callable[[str], str]] = {
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "capitals": lambda text: re.sub(r"_atom_site\.\S+", lambda m: m[0].upper(), text),
    "LOOP_": lambda text: text.replace("loop_", "LOOP_").replace("data_", "DATA_"),
    "tags in a row": lambda text: re.sub(
        r"loop_\n((?:_atom_site\.\S+\n)+)", lambda m: f"loop_ {m[1].replace(chr(10), ' ')}\n", text
    ),
    "comment": _rows(r"^(ATOM 100 )", r"# here\n\n\1"),
    "comment behind a row": _rows(r"^(ATOM 100 .*)$", r"\1 # here"),
    "indented": _rows(r"^(ATOM|_atom)", r"   \1"),
    "tabs": _rows(r" ", "\t"),
    "all in quotes": lambda text: re.sub(
        r"^(ATOM.*)$",
        lambda m: " ".join(f"'{word}'" for word in m[1].split()),
        text,
        flags=re.MULTILINE,
    ),
    "names in quotes": _rows(r"^(ATOM \d+ \S+) (\S+)", r"\1 '\2'"),
    "residues in quotes": _rows(r" ([A-Z]{3}) A 1 ", r' "\1" A 1 '),
    "chains in quotes": _rows(r" A (\d+)$", r' "A" \1'),
    "a text field": _rows(r"^(ATOM 100 .*) A (\d)$", r"\1\n;A\n;\n\2"),
    "a blank in quotes": _rows(r"^(ATOM 100 C) \S+", r"\1 'C 1'"),
    "an apostrophe": _rows(r"^(ATOM 100 C) \S+", '\\1 "C5\'"'),
    "rows in two lines": _rows(r"^(ATOM(?: \S+){10}) ", r"\1\n "),
    "no #": lambda text: text.replace("#\n", ""),
    "another block before": lambda text: f"data_first\n_x.y 1\n#\n{text}",
    "loop in a text": lambda text: text.replace(
        "data_draft\n", "data_draft\n_x.y\n;\ndata_fake\nloop_\n_atom_site.id\n1\n;\n"
    ),
    "comment first": lambda text: f"# made by a program\n{text}",
    "sequence last": _sequence_last,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_the_same_chain(draft, spelling: str) -> None:
    text = SPELLINGS[spelling](draft.cif().decode())
    (expected,) = draft.read("cif").chains
    (chain,) = parse_structure(Path("x.cif"), text.encode()).chains
    assert (chain.id, chain.residues, chain.sequence) == ("A", expected.residues, expected.sequence)
    changed = chain.backbone != expected.backbone
    changed &= np.isfinite(chain.backbone) & np.isfinite(expected.backbone)
    assert not changed.any()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_words_are_gemmis(draft, spelling: str) -> None:
    gemmi = pytest.importorskip("gemmi")
    text = SPELLINGS[spelling](draft.cif().decode())
    tables = read_tables(text.encode())
    block = next(b for b in gemmi.cif.read_string(text) if b.find_values("_atom_site.Cartn_x"))
    for name in ("label_atom_id", "label_comp_id", "auth_asym_id", "Cartn_z", "label_seq_id"):
        tag = next(t for t in (f"_atom_site.{name}", f"_ATOM_SITE.{name.upper()}") if
                   block.find_values(t))  # fmt: skip
        words = [gemmi.cif.as_string(word) for word in block.find_values(tag)]
        assert tables.words("atom_site", name) == words


def test_a_chain_may_be_called_underscore(draft) -> None:
    draft.change(draft.atoms, chain='"_"', label='"_"')
    (chain,) = draft.read("cif").chains
    assert (chain.id, len(chain)) == ("_", 60)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("_atom_site.id 1\n", "begins with '_atom_site.id' in place of data_"),
        ("data_x\nloop_\n_a.b\n_a.c\n1 2 3\n", "_a.b has 3 values for 2 columns"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_tables(text.encode())


@pytest.mark.parametrize(
    ("place", "name"), [(10, "Cartn"), (13, "occupancy"), (14, "B_iso_or_equiv")]
)
def test_a_column_that_holds_no_number_is_named(draft, place: int, name: str) -> None:
    lines = draft.cif().decode().splitlines()
    row = next(number for number, line in enumerate(lines) if line.startswith("ATOM "))
    words = lines[row].split(" ")
    lines[row] = " ".join([*words[:place], "odd", *words[place + 1 :]])
    with pytest.raises(StructureError, match=f"column {name}[a-z_]* holds no number"):
        parse_structure(Path("x.cif"), "\n".join(lines).encode() + b"\n")


def test_several_entries_in_one_file_are_an_error(draft) -> None:
    text = draft.cif() + draft.cif().replace(b"data_draft", b"data_other")
    with pytest.raises(StructureError, match=r"several tables of atoms\. Give each"):
        parse_structure(Path("x.cif"), text)


def test_a_word_too_long_for_a_column_takes_no_memory(draft) -> None:
    """Columns are arrays of one width: one word of a megabyte would be 480 of them."""
    text = draft.cif().replace(b" C CB ", b" C " + b"C" * 1_000_000 + b" ", 1)
    with pytest.raises(StructureError, match="label_atom_id holds a word of 1,000,000 letters"):
        parse_structure(Path("x.cif"), text)


def _declare(content: dict, rows: int, encoding: dict | None = None) -> bytes:
    (category,) = [c for c in content["dataBlocks"][0]["categories"] if c["name"] == "_atom_site"]
    category["rowCount"] = rows
    if encoding is not None:
        category["columns"][0]["data"]["encoding"].insert(0, encoding)
    return msgpack.packb(content)


@pytest.mark.parametrize("rows", [1 << 40, 10_000_000, -1])
def test_binary_cif_that_declares_more_than_it_holds_is_refused(draft, rows: int) -> None:
    content = msgpack.unpackb(draft.bcif(), raw=False)
    with pytest.raises(InputError, match=r"declares .* rows, more than the file's"):
        read_binary_tables(_declare(content, rows))


@pytest.mark.parametrize("size", [{"srcSize": 1 << 31}, {}])
def test_a_run_that_unpacks_to_gigabytes_is_refused(draft, size: dict) -> None:
    content = msgpack.unpackb(draft.bcif(), raw=False)
    run = {"kind": "RunLength", "srcType": 3, **size}
    with pytest.raises(InputError, match="more than the file's"):
        read_binary_tables(_declare(content, 480, run))


def test_strings_that_unpack_to_gigabytes_are_refused(draft) -> None:
    content = msgpack.unpackb(draft.bcif(), raw=False)
    for category in content["dataBlocks"][0]["categories"]:
        for column in category["columns"]:
            for step in column["data"]["encoding"]:
                if step["kind"] == "StringArray" and column["name"] == "label_atom_id":
                    step["stringData"] += "C" * 10_000_000
    with pytest.raises(InputError, match=r"_atom_site\.label_atom_id would take gigabytes"):
        read_binary_tables(msgpack.packb(content))


@pytest.mark.parametrize("raw", [b"\xdd\xff\xff\xff\xff", b"\x91" * 5000, b"\x01", b"\x80"])
def test_what_is_no_binary_cif_is_said(raw: bytes) -> None:
    with pytest.raises(InputError, match="is no BinaryCIF file"):
        read_binary_tables(raw)


@pytest.mark.parametrize("spelling", ["as it is", "comment behind a row"])
@pytest.mark.parametrize("place", ["before", "behind"])
def test_tables_of_another_block_say_nothing_of_the_atoms(draft, spelling: str, place: str) -> None:
    """Read at once and word by word; the block of the atoms has no method, and a sequence."""
    text = draft.cif().decode()
    text = SPELLINGS.get(spelling, str)(text)
    other = (
        "data_other\n_exptl.method 'SOLUTION NMR'\n#\nloop_\n_entity_poly_seq.entity_id\n"
        "_entity_poly_seq.num\n_entity_poly_seq.mon_id\n1 1 TRP\n#\n"
    )
    whole = f"{other}{text}" if place == "before" else f"{text}{other}"
    structure = parse_structure(Path("x.cif"), whole.encode())
    assert structure.origin.experiment == ""
    assert structure.chains[0].sequence == structure.chains[0].residues
