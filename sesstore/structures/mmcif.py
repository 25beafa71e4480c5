"""Readers of mmCIF and BinaryCIF files.

The table of atoms is by far the largest part of an mmCIF file and almost always plain words in
rows, so it is cut out and split directly; everything else, and a table with quoted spaces, goes
through biotite's parser. Both formats then give the same columns to the same rules.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from biotite import DeserializationError, InvalidFileError
from biotite.structure.io import pdbx
from numpy.typing import NDArray

from ..errors import InputError
from .atoms import AtomTable, Bytes, Parsed
from .letters import one_letter

_ATOM_LOOP = re.compile(rb"^loop_\s*\n((?:_atom_site\.\S+[ \t]*\n)+)", re.MULTILINE)
_ROWS_END = re.compile(rb"^(?:#|_|loop_|data_|;)", re.MULTILINE)
_RECORDS = {b"ATOM", b"HETATM"}
_UNSAID = (b".", b"?")
_MODELLERS = ("alphafold", "esmfold", "colabfold", "omegafold", "rosettafold", "boltz", "chai")

Columns = Callable[[str], Bytes | None]


def read_mmcif(raw: bytes) -> Parsed:
    """Atoms, sequences and origin of an mmCIF file.

    Raises
    ------
    InputError, ValueError, KeyError, IndexError, TypeError
        It is no mmCIF file, or a broken one.
    """
    return _said_plainly(_read_text, raw)


def read_bcif(raw: bytes) -> Parsed:
    """Atoms, sequences and origin of a BinaryCIF file; raises as `read_mmcif`."""
    return _said_plainly(_read_binary, raw)


def _said_plainly(read: Callable[[bytes], Parsed], raw: bytes) -> Parsed:
    """Turn biotite's own errors, which say little, into one that says more."""
    try:
        return read(raw)
    except (DeserializationError, InvalidFileError) as problem:
        raise InputError(f"its tables are broken: {problem}") from None


def _read_text(raw: bytes) -> Parsed:
    raw = raw.replace(b"\r\n", b"\n")
    found = _ATOM_LOOP.search(raw)
    if found is None:
        return _from_biotite(raw)
    end = _ROWS_END.search(raw, found.end())
    stop = end.start() if end else len(raw)
    names = [line.strip().split(b".", 1)[1].decode() for line in found[1].splitlines()]
    words = raw[found.end() : stop].split()
    records = words[names.index("group_PDB") :: len(names)] if "group_PDB" in names else []
    if len(words) % len(names) or not _RECORDS.issuperset(records):
        return _from_biotite(raw)

    def column(name: str) -> Bytes | None:
        if name not in names:
            return None
        return np.array(words[names.index(name) :: len(names)], np.bytes_)

    rest = raw[: found.start()] + raw[stop:]
    block = block_of(_without_anisotropy(rest))
    return _parsed(column, block)


def _read_binary(raw: bytes) -> Parsed:
    block = pdbx.BinaryCIFFile.read(io.BytesIO(raw)).block
    return _parsed(_category_columns(block["atom_site"]), block)


def _from_biotite(raw: bytes) -> Parsed:
    block = block_of(raw)
    if block is None or "atom_site" not in block:
        raise InputError("it has no table of atoms (_atom_site)")
    return _parsed(_category_columns(block["atom_site"]), block)


def block_of(raw: bytes) -> Any:
    """First block of an mmCIF file, as biotite has it (None if there is none)."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # names of authors in old files
    return pdbx.CIFFile.read(io.StringIO(text)).block


def _without_anisotropy(raw: bytes) -> bytes:
    """Leave out the other table that has a row an atom."""
    start = raw.find(b"loop_\n_atom_site_anisotrop.")
    if start < 0:
        return raw
    stop = raw.find(b"\n#", start)
    return raw[:start] + (raw[stop + 1 :] if stop >= 0 else b"")


def _category_columns(category: Mapping[str, Any]) -> Columns:
    def column(name: str) -> Bytes | None:
        if name not in category:
            return None
        return np.char.encode(category[name].as_array(str), "latin-1")

    return column


def _parsed(column: Columns, block: Any) -> Parsed:
    coordinates = [_needed(column, f"Cartn_{axis}") for axis in "xyz"]
    size = len(coordinates[0])
    chain = _first(column, "auth_asym_id", "label_asym_id")
    positions = _positions(column("label_seq_id"), size)
    numbers = _first(column, "auth_seq_id", "label_seq_id")
    model = column("pdbx_PDB_model_num")
    atoms = AtomTable(
        model=np.ones(size, np.int64) if model is None else _whole(model, "pdbx_PDB_model_num"),
        chain=chain,
        residue_name=_first(column, "label_comp_id", "auth_comp_id"),
        atom_name=_first(column, "label_atom_id", "auth_atom_id"),
        insertion=_said(column("pdbx_PDB_ins_code"), size),
        altloc=_said(column("label_alt_id"), size),
        element=_said(column("type_symbol"), size),
        number=_whole(numbers, "auth_seq_id"),
        position=positions,
        polymer=(positions >= 0) | (positions < 0).all(),
        xyz=np.stack([_decimals(c, "Cartn") for c in coordinates], axis=-1),
        bfactor=_optional(column("B_iso_or_equiv"), size, 0.0),
        occupancy=_optional(column("occupancy"), size, 1.0),
    )
    sequences = _sequences(block, chain, column("label_entity_id"))
    return Parsed(atoms, sequences, _is_predicted(block), _begins(block))


def _needed(column: Columns, name: str) -> Bytes:
    values = column(name)
    if values is None:
        raise InputError(f"its table of atoms has no {name}")
    return values


def _first(column: Columns, name: str, other: str) -> Bytes:
    values = column(name)
    return _needed(column, other) if values is None else values


def _said(values: Bytes | None, size: int) -> Bytes:
    """Column with ``.`` and ``?`` as nothing."""
    if values is None:
        return np.zeros(size, "S1")
    return np.where(np.isin(values, _UNSAID), b"", values)


def _decimals(values: Bytes, name: str) -> NDArray[np.float32]:
    try:
        return values.astype(np.float32)
    except ValueError as problem:
        raise InputError(f"its column {name} holds no number: {problem}") from None


def _optional(values: Bytes | None, size: int, default: float) -> NDArray[np.float32]:
    if values is None:
        return np.full(size, default, np.float32)
    said = _said(values, size)
    return _decimals(np.where(said == b"", str(default).encode(), said), "B_iso_or_equiv")


def _whole(values: Bytes, name: str) -> NDArray[np.int64]:
    """Whole numbers; what says nothing (ligands in some files) is 0."""
    said = np.where(np.isin(values, _UNSAID), b"0", values)
    try:
        return said.astype(np.int64)
    except ValueError as problem:
        raise InputError(f"its column {name} holds no whole number: {problem}") from None


def _positions(values: Bytes | None, size: int) -> NDArray[np.int64]:
    if values is None:
        return np.full(size, -1, np.int64)
    return _whole(values, "label_seq_id") - 1


def _sequences(block: Any, chain: Bytes, entity: Bytes | None) -> dict[str, str]:
    """Full sequence of each chain: one letter a residue of ``entity_poly_seq``."""
    if entity is None or block is None or "entity_poly_seq" not in block:
        return _sequences_of_strands(block)
    table = block["entity_poly_seq"]
    letters: dict[str, dict[int, str]] = {}
    columns = (table[name].as_array(str) for name in ("entity_id", "num", "mon_id"))
    for name, number, residue in zip(*columns, strict=True):
        letters.setdefault(str(name), {}).setdefault(int(number), one_letter(str(residue)))
    found = {}
    changes = (chain[1:] != chain[:-1]) | (entity[1:] != entity[:-1])
    for place in np.flatnonzero(np.r_[True, changes]).tolist():
        name = entity[place].decode()
        if name in letters:
            numbered = letters[name]
            found[chain[place].decode()] = "".join(numbered[n] for n in sorted(numbered))
    return found


def _sequences_of_strands(block: Any) -> dict[str, str]:
    if block is None or "entity_poly" not in block:
        return {}
    poly = block["entity_poly"]
    if not {"pdbx_strand_id", "pdbx_seq_one_letter_code_can"} <= set(poly.keys()):
        return {}
    found = {}
    codes = poly["pdbx_seq_one_letter_code_can"].as_array(str)
    for strands, code in zip(poly["pdbx_strand_id"].as_array(str), codes, strict=True):
        letters = "".join(c if c.isalpha() else "X" for c in "".join(code.split()).upper())
        for strand in strands.split(","):
            found[strand.strip()] = letters
    return found


def _is_predicted(block: Any) -> bool:
    """Model archives say so by their quality metrics, others by the software they name."""
    if block is None:
        return False
    if "ma_qa_metric" in block or "ma_qa_metric_local" in block:
        return True
    if "software" not in block or "name" not in block["software"]:
        return False
    names = " ".join(block["software"]["name"].as_array(str)).lower()
    return any(name in names for name in _MODELLERS)


def _begins(block: Any) -> dict[str, int]:
    """Where a chain begins in its database sequence."""
    if block is None or "struct_ref_seq" not in block:
        return {}
    table = block["struct_ref_seq"]
    if not {"pdbx_strand_id", "db_align_beg"} <= set(table.keys()):
        return {}
    begins: dict[str, int] = {}
    columns = (table[name].as_array(str) for name in ("pdbx_strand_id", "db_align_beg"))
    for strand, begin in zip(*columns, strict=True):
        if begin.isdigit():
            begins.setdefault(str(strand), int(begin) - 1)
    return begins
