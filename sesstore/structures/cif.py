"""The tables of mmCIF and BinaryCIF files, as words.

The table of atoms is by far the largest part of an mmCIF file and almost always plain words in
rows, so it is cut out and split directly; everything else, and a table with blanks in quotes, text
fields or comments, is taken apart word by word. BinaryCIF is decoded by biotite, after what the
file declares was held against its size. Names of categories and columns are in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from .atoms import Bytes

ATOMS = "atom_site"
_ATOM_LOOP = re.compile(rb"^[ \t]*loop_\s+((?:_atom_site\.\S+\s+)+)", re.MULTILINE | re.IGNORECASE)
_ENDS = (b"\n#", b"\n_", b"\n;", b"\nloop_", b"\ndata_", b"\nsave_")
"""What ends the rows of a table, as archives write it; other spellings go word by word."""

_TABLES_NEXT = re.compile(rb"(?:\s|#[^\n]*(?:\n|\Z))*(?:_|loop_|data_|save_|\Z)", re.IGNORECASE)
_TOKEN = re.compile(
    rb"""^;([\s\S]*?)\n;"""  # 1: a text field
    rb"""|'((?:[^'\n]|'(?=\S))*)'(?!\S)"""  # 2 and 3: quoted; a quote inside a word ends nothing
    rb"""|"((?:[^"\n]|"(?=\S))*)"(?!\S)"""
    rb"""|(\#[^\n]*)"""  # 4: a comment
    rb"""|(\S+)""",  # 5: a plain word
    re.MULTILINE,
)
_COMMENT, _PLAIN = 4, 5
_TABLE = re.compile(rb"[ \t]*\n(?:loop_[ \t]*\n)?(?=_([a-z_]+)\.)")
_READ = (
    "atom_site", "entity", "entity_poly", "entity_poly_seq", "exptl", "ma_qa_metric",
    "ma_qa_metric_local", "struct_ref_seq", "dssp_struct_summary", "struct_conf",
    "struct_conf_type",
)  # fmt: skip
"""Tables that are read here and elsewhere."""

_SEVERAL = "it has several tables of atoms. Give each data block a file of its own"
_RECORDS = {b"ATOM", b"HETATM"}
_LONGEST = 256
"""Bytes of the longest word of a column of atoms: columns are arrays of words of one width."""

_STRINGS = 1 << 30
"""Bytes that a column of strings may take."""


@dataclass(frozen=True)
class Tables:
    """The tables of one data block.

    Parameters
    ----------
    columns : mapping of str to mapping of str to list of bytes
        Columns by name, by category.
    """

    columns: Mapping[str, Mapping[str, list[bytes]]]
    short: bool = False
    """Whether no row of atoms is so long that a word of it could be."""

    def __contains__(self, category: str) -> bool:
        return category in self.columns

    def has(self, category: str, *names: str) -> bool:
        """Whether a table is there, with these columns."""
        return category in self.columns and set(names) <= self.columns[category].keys()

    def words(self, category: str, name: str) -> list[str]:
        """A column as text; empty where it is absent."""
        column = self.columns.get(category, {}).get(name.lower(), [])
        return [word.decode("utf-8", "replace") for word in column]

    def rows(self, category: str, *names: str) -> Iterator[tuple[str, ...]]:
        """Some columns, row by row; nothing where one is absent."""
        if not self.has(category, *names):
            return iter(())
        return zip(*(self.words(category, name) for name in names), strict=True)

    def atoms(self, name: str) -> Bytes | None:
        """A column of the table of atoms as an array; None where it is absent.

        Raises
        ------
        InputError
            It holds a word that is none.
        """
        column = self.columns.get(ATOMS, {}).get(name.lower())
        if column is None:
            return None
        longest = 0 if self.short else max(map(len, column), default=0)
        if longest > _LONGEST:
            raise InputError(f"its column {name} holds a word of {longest:,} letters")
        return np.array(column, np.bytes_)


def read_tables(raw: bytes) -> Tables:
    """Tables of the data block with atoms (else of the first) of an mmCIF file.

    Raises
    ------
    InputError
        It is no mmCIF file, a table is broken, or several blocks hold atoms.
    """
    raw = raw.replace(b"\r\n", b"\n")
    loop = _ATOM_LOOP.search(raw, max(raw.rfind(b"loop_", 0, raw.find(b"_atom_site.") + 1) - 1, 0))
    if loop is None:
        return Tables(_tokenised(raw))
    stop = len(raw)
    for end in _ENDS:  # from just before the first row: it may be no row
        place = raw.find(end, loop.end() - 1, stop)
        stop = place + 1 if place >= 0 else stop
    names = [tag.split(b".", 1)[1].decode("latin-1").lower() for tag in loop[1].split()]
    atoms = _plain_rows(raw[loop.end() : stop], names)
    elsewhere = not _TABLES_NEXT.match(raw, stop) or b"_atom_site." in raw[stop:].lower()
    if atoms is None or elsewhere:
        return Tables(_tokenised(raw))
    # What precedes the atoms ends in their data block, what follows them begins in it.
    preceding = _tokenised(_without_unread(raw[: loop.start()]))
    following = _tokenised(_without_unread(raw[stop - 1 :]), within_block=True)
    short = max(map(len, raw[loop.end() : stop].splitlines()), default=0) <= 2 * _LONGEST
    return Tables({**preceding, **following, ATOMS: atoms}, short)


def _plain_rows(rows: bytes, names: list[str]) -> dict[str, list[bytes]] | None:
    """Columns of a table of words without blanks; None if it is another."""
    if b"#" in rows:
        return None
    words = rows.split()
    records = words[names.index("group_pdb") :: len(names)] if "group_pdb" in names else []
    quoted = b"'" in rows or b'"' in rows
    kinds = map(_unquoted, records) if quoted else records
    if len(words) % len(names) or not _RECORDS.issuperset(kinds):
        return None
    if quoted and any(word[0] in b"'\"" and _unquoted(word) is word for word in words):
        return None
    columns = {name: words[place :: len(names)] for place, name in enumerate(names)}
    return {name: list(map(_unquoted, c)) for name, c in columns.items()} if quoted else columns


def _unquoted(word: bytes) -> bytes:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in b"'\"" else word


def _without_unread(raw: bytes) -> bytes:
    """Leave out tables nobody asks for, where # divides tables: most of the text, in archives."""
    tables = raw.split(b"\n#")
    return b"\n#".join(table for table in tables if not _is_unread(table))


def _is_unread(text: bytes) -> bool:
    """Whether a text is surely one table, of plain rows, that nobody asks for."""
    start = _TABLE.match(text)
    if start is None or start[1].decode("latin-1") in _READ or b"\n;" in text:
        return False
    tags = text.count(b"\n_") + text[start.end() :].count(b"loop_")
    return tags == text.count(b"\n_" + start[1] + b".")


def _tokenised(raw: bytes, *, within_block: bool = False) -> dict[str, dict[str, list[bytes]]]:
    """All tables of the first data block that has atoms, else of the last (or of the first)."""
    tables: dict[str, dict[str, list[bytes]]] = {}
    with_atoms: dict[str, dict[str, list[bytes]]] = {}
    tags: list[bytes] = []
    values: list[bytes] = []
    looping, in_block = False, within_block
    for match in _TOKEN.finditer(raw):
        kind = match.lastindex
        word = match[kind] if kind else b""
        if kind == _COMMENT:
            continue
        keyword = word[:5].lower() if kind == _PLAIN else b""
        if keyword in (b"loop_", b"data_", b"save_"):
            _take(tables, tags, values)
            tags, values, looping = [], [], keyword == b"loop_"
            if keyword == b"data_":
                if within_block:
                    return tables
                with_atoms = _with_atoms(with_atoms, tables)
                tables, in_block = {}, True
        elif not in_block:
            raise InputError(f"it begins with '{_excerpt(word)}' in place of data_")
        elif kind == _PLAIN and word.startswith(b"_"):
            if values or not looping:
                _take(tables, tags, values)
                tags, values, looping = [], [], looping and not values
            tags.append(word)
        else:
            values.append(word)
    _take(tables, tags, values)
    return _with_atoms(with_atoms, tables) or tables


def _with_atoms(
    first: dict[str, dict[str, list[bytes]]], second: dict[str, dict[str, list[bytes]]]
) -> dict[str, dict[str, list[bytes]]]:
    """Which of two data blocks has atoms (neither: none); raises if both have."""
    if first and ATOMS in second:
        raise InputError(_SEVERAL)
    return first or (second if ATOMS in second else {})


def _excerpt(word: bytes) -> str:
    return word[:40].decode("latin-1")


def _take(
    tables: dict[str, dict[str, list[bytes]]], tags: list[bytes], values: list[bytes]
) -> None:
    """Put the columns of a table, or one value of it, among the tables."""
    if not tags or not values:
        return
    if len(values) % len(tags):
        name = tags[0].decode("latin-1")
        raise InputError(
            f"its table of {name} has {len(values)} values for {len(tags)} columns: one is missing "
            f"or not in quotes"
        )
    for place, tag in enumerate(tags):
        category, _, name = tag[1:].decode("latin-1").lower().partition(".")
        tables.setdefault(category, {})[name] = values[place :: len(tags)]


def read_binary_tables(raw: bytes) -> Tables:
    """Tables of a BinaryCIF file's data block with atoms.

    Raises
    ------
    InputError
        It is none, or declares more than it can hold.
    """
    import msgpack  # type: ignore[import-untyped]
    from biotite.structure.io.pdbx import BinaryCIFFile

    try:
        content = msgpack.unpackb(raw, use_list=True, raw=False)
        blocks = content["dataBlocks"]
        with_atoms = [
            block
            for block in blocks
            if any(category["name"] == f"_{ATOMS}" for category in block["categories"])
        ]
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as problem:
        raise InputError(f"it is no BinaryCIF file: {str(problem) or 'it is cut short'}") from None
    if len(with_atoms) > 1:
        raise InputError(_SEVERAL)
    if not with_atoms:
        return Tables({})
    for category in with_atoms[0]["categories"]:
        _check_declared(category, len(raw))
    content["dataBlocks"] = with_atoms
    return Tables(_Decoded(BinaryCIFFile.deserialize(content).block))


def _check_declared(category: Mapping[str, Any], size: int) -> None:
    """Raise if the rows a category declares cannot be in a file of so many bytes."""
    name, rows = category["name"], category["rowCount"]
    declared = [rows]
    for column in category["columns"]:
        for part in filter(None, (column.get("data"), column.get("mask"))):
            for step in part["encoding"]:
                kind = step["kind"]
                nested = step.get("dataEncoding", []) + step.get("offsetEncoding", [])
                packed = [stage for stage in [step, *nested] if stage["kind"] == "RunLength"]
                declared += [stage.get("srcSize", size + 1) for stage in packed]
                text = len(step.get("stringData", "")) if kind == "StringArray" else 0
                if text * rows * 4 > _STRINGS and text > _LONGEST * rows:
                    raise InputError(f"its column {name}.{column['name']} would take gigabytes")
    if not all(isinstance(number, int) and 0 <= number <= size for number in declared):
        raise InputError(
            f"its table {name} declares {max(declared):,} rows, more than the file's {size:,} "
            f"bytes can hold"
        )


class _Decoded(Mapping[str, Mapping[str, list[bytes]]]):
    """Categories of a BinaryCIF block; each is decoded when it is asked for."""

    def __init__(self, block: Any) -> None:
        self._block = block
        self._names = {str(name).lower(): str(name) for name in block}

    def __getitem__(self, category: str) -> Mapping[str, list[bytes]]:
        return _DecodedColumns(self._block[self._names[category]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _DecodedColumns(Mapping[str, list[bytes]]):
    """Columns of one category, decoded one by one."""

    def __init__(self, category: Any) -> None:
        self._category = category
        self._names = {str(name).lower(): str(name) for name in category}

    def __getitem__(self, name: str) -> list[bytes]:
        column = self._category[self._names[name]]
        return [str(word).encode() for word in column.as_array(str).tolist()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
