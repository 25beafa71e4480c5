"""Readers of mmCIF and BinaryCIF files: what their tables say, as atoms and sequences.

A file that states sequences decides itself which residues are of a polymer, and in which order
(``label_seq_id``); of others only numbers, names and geometry are known, as of a PDB file.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from biotite import DeserializationError, InvalidFileError
from numpy.typing import NDArray

from ..errors import InputError
from .atoms import AtomTable, Bytes, Origin, Parsed
from .cif import Tables, read_binary_tables, read_tables
from .letters import one_letter
from .pdb import EXPERIMENTS

_UNSAID = (b".", b"?", b"")
_POLYMERS = ("polymer", "?", ".")
"""What the type of an entity with residues may be."""


def read_mmcif(raw: bytes) -> Parsed:
    """Atoms, sequences and origin of an mmCIF file.

    Raises
    ------
    InputError, ValueError, KeyError, IndexError, TypeError
        It is no mmCIF file, or a broken one.
    """
    return _in_plain_words(lambda: _parsed(read_tables(raw)))


def read_bcif(raw: bytes) -> Parsed:
    """Atoms, sequences and origin of a BinaryCIF file; raises as `read_mmcif`."""
    return _in_plain_words(lambda: _parsed(read_binary_tables(raw)))


def _in_plain_words(read: Callable[[], Parsed]) -> Parsed:
    """Turn biotite's own errors, which say little, into one that says more."""
    try:
        return read()
    except (DeserializationError, InvalidFileError) as problem:
        raise InputError(f"its tables are broken: {problem}") from None


def _parsed(tables: Tables) -> Parsed:
    if "atom_site" not in tables:
        raise InputError("it has no table of atoms (_atom_site)")
    column = tables.atoms
    coordinates = [_required(column(f"Cartn_{axis}"), f"Cartn_{axis}") for axis in "xyz"]
    size = len(coordinates[0])
    label, author = (_stated(column(f"{kind}_asym_id"), size) for kind in ("label", "auth"))
    chain = np.where(author == b"", label, author)
    entity = _stated(column("label_entity_id"), size)
    positions = _positions(column("label_seq_id"), size)
    sequences = _sequences(tables, chain, entity)
    model, record = column("pdbx_PDB_model_num"), column("group_PDB")
    atoms = AtomTable(
        model=np.ones(size, np.int64) if model is None else _integers(model, "pdbx_PDB_model_num"),
        chain=chain,
        segment=label,
        part=np.zeros(size, np.int64),
        residue_name=_first(column("label_comp_id"), column("auth_comp_id"), "label_comp_id"),
        atom_name=_first(column("label_atom_id"), column("auth_atom_id"), "label_atom_id"),
        insertion=_stated(column("pdbx_PDB_ins_code"), size),
        altloc=_stated(column("label_alt_id"), size),
        element=_stated(column("type_symbol"), size),
        number=_numbers(column("auth_seq_id"), column("label_seq_id")),
        position=positions,
        polymer=_of_polymers(tables, entity, positions),
        hetero=np.zeros(size, bool) if record is None else record == b"HETATM",
        xyz=np.stack([_decimals(c, "Cartn") for c in coordinates], axis=-1),
        bfactor=_optional("B_iso_or_equiv", column("B_iso_or_equiv"), size, np.nan),
        occupancy=_optional("occupancy", column("occupancy"), size, 1.0),
    )
    stated = bool(sequences) and bool((positions >= 0).any())
    metric = _metric(tables, atoms)
    if metric is not None:
        atoms = AtomTable(**{**vars(atoms), "bfactor": metric})
    origin = Origin(_experiment(tables), _confidence(tables))
    return Parsed(atoms, sequences, origin, _begins(tables), stated=stated)


def _required(values: Bytes | None, name: str) -> Bytes:
    if values is None:
        raise InputError(f"its table of atoms has no {name}")
    return values


def _first(values: Bytes | None, fallback: Bytes | None, name: str) -> Bytes:
    """A column, with another in its place where it says nothing."""
    if values is None or fallback is None:
        return _required(fallback if values is None else values, name)
    return np.where(np.isin(values, _UNSAID), fallback, values)


def _stated(values: Bytes | None, size: int) -> Bytes:
    """Column with ``.`` and ``?`` as nothing."""
    if values is None:
        return np.zeros(size, "S1")
    return np.where(np.isin(values, _UNSAID), b"", values)


def _decimals(values: Bytes, name: str) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # what is beyond all bounds is noticed later, not finite
            return values.astype(np.float32)
    except ValueError as problem:
        raise InputError(f"its column {name} holds no number: {problem}") from None


def _optional(name: str, values: Bytes | None, size: int, default: float) -> NDArray[np.float32]:
    if values is None:
        return np.full(size, default, np.float32)
    stated = _stated(values, size)
    return _decimals(np.where(stated == b"", str(default).encode(), stated), name)


def _numbers(author: Bytes | None, label: Bytes | None) -> NDArray[np.int64]:
    return _integers(_first(author, label, "auth_seq_id"), "auth_seq_id")


def _integers(values: Bytes, name: str) -> NDArray[np.int64]:
    """Whole numbers; what says nothing (ligands in some files) is 0."""
    stated = np.where(np.isin(values, _UNSAID), b"0", values)
    try:
        return stated.astype(np.int64)
    except (ValueError, OverflowError) as problem:
        raise InputError(f"its column {name} holds no whole number: {problem}") from None


def _positions(values: Bytes | None, size: int) -> NDArray[np.int64]:
    if values is None:
        return np.full(size, -1, np.int64)
    return _integers(values, "label_seq_id") - 1


def _of_polymers(tables: Tables, entity: Bytes, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Atoms that may be a polymer's: by the type of their entity, and by a place in it."""
    polymer: NDArray[np.bool_] = (positions >= 0) | (positions < 0).all()
    non_polymers = {
        name for name, kind in tables.rows("entity", "id", "type") if kind.lower() not in _POLYMERS
    }
    if "entity_poly_seq" in tables:
        polymers = set(tables.words("entity_poly_seq", "entity_id"))
        stated = {name.decode() for name in np.unique(entity).tolist()} - {""}
        if stated & polymers:
            non_polymers |= stated - polymers
    if non_polymers:
        polymer &= ~np.isin(entity, np.array(sorted(non_polymers)).astype(np.bytes_))
    return polymer


def _sequences(tables: Tables, chain: Bytes, entity: Bytes) -> dict[str, str]:
    """Full sequence of each chain: one letter a residue of ``entity_poly_seq``."""
    letters: dict[str, dict[int, str]] = {}
    for name, number, residue in tables.rows("entity_poly_seq", "entity_id", "num", "mon_id"):
        letters.setdefault(name, {}).setdefault(int(number), one_letter(residue))
    if not letters or not (entity != b"").any():
        return _sequences_of_strands(tables)
    stated: dict[str, str] = {}
    changes = (chain[1:] != chain[:-1]) | (entity[1:] != entity[:-1])
    for place in np.flatnonzero(np.r_[True, changes][: len(chain)]).tolist():
        name = entity[place].decode()
        if name in letters:
            numbered = letters[name]
            stated[chain[place].decode()] = "".join(numbered[n] for n in sorted(numbered))
    return stated


def _sequences_of_strands(tables: Tables) -> dict[str, str]:
    stated: dict[str, str] = {}
    names = ("pdbx_strand_id", "pdbx_seq_one_letter_code_can")
    for strands, code in tables.rows("entity_poly", *names):
        letters = "".join(c if c.isalpha() else "X" for c in "".join(code.split()).upper())
        if letters.strip("X"):
            stated |= {strand.strip(): letters for strand in strands.split(",")}
    return stated


def _experiment(tables: Tables) -> str:
    """Experimental methods, as ``_exptl`` has them; empty where there are none."""
    methods = [method.upper() for method in tables.words("exptl", "method")]
    return ", ".join(method for method in methods if EXPERIMENTS.search(method))


def _confidence(tables: Tables) -> bool | None:
    """Whether the file declares pLDDT among its metrics; None where it declares no metric."""
    if "ma_qa_metric" not in tables:
        return True if "ma_qa_metric_local" in tables else None
    return any(
        "plddt" in word.lower()
        for name in ("name", "type", "description")
        for word in tables.words("ma_qa_metric", name)
    )


def _metric(tables: Tables, atoms: AtomTable) -> NDArray[np.float32] | None:
    """The pLDDT of each atom's residue by ``_ma_qa_metric_local``; None where that has none."""
    names = ("label_asym_id", "label_seq_id", "metric_value")
    if not tables.has("ma_qa_metric_local", *names):
        return None
    local = {
        identity
        for identity, *words in zip(
            *(_words(tables, "ma_qa_metric", name) for name in ("id", "name", "type", "mode")),
            strict=False,
        )
        if "plddt" in " ".join(words[:2]).lower() and words[2].lower() != "global"
    }
    if not local and tables.words("ma_qa_metric", "id"):
        return None
    values: dict[tuple[bytes, int], float] = {}
    metrics = tables.words("ma_qa_metric_local", "metric_id")
    models = tables.words("ma_qa_metric_local", "model_id")
    for row, (chain, place, value) in enumerate(tables.rows("ma_qa_metric_local", *names)):
        of_plddt = not local or not metrics or metrics[row] in local
        of_first_model = not models or models[row] == models[0]
        if of_plddt and of_first_model and place.isdecimal() and value not in ".?":
            values.setdefault((chain.encode(), int(place) - 1), float(value))
    return _by_residue(values, atoms)


def _words(tables: Tables, category: str, name: str) -> list[str]:
    """A column of a table, of empty words where the table lacks it."""
    rows = len(tables.words(category, "id"))
    return tables.words(category, name) or [""] * rows


def _by_residue(
    values: dict[tuple[bytes, int], float], atoms: AtomTable
) -> NDArray[np.float32] | None:
    """Value of each atom's residue, NaN where there is none; None where no residue has one."""
    for chain in (atoms.segment, atoms.chain):
        keys = zip(chain.tolist(), atoms.position.tolist(), strict=True)
        metric = np.array([values.get(key, np.nan) for key in keys], np.float32)
        if not np.isnan(metric).all():
            return metric
    return None


def _begins(tables: Tables) -> dict[str, int]:
    """Where a chain begins in its database sequence."""
    begins: dict[str, int] = {}
    for strand, begin in tables.rows("struct_ref_seq", "pdbx_strand_id", "db_align_beg"):
        if begin.isdecimal():
            begins.setdefault(strand, int(begin) - 1)
    return begins
