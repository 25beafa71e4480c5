"""DSSP's own files: the classic table (``.dssp``), and what mkdssp 4 adds to mmCIF.

In mmCIF ``_dssp_struct_summary`` has a state a residue. Where it is absent, ``_struct_conf`` has
stretches, if it says that DSSP found them (AlphaFold DB's files do, too); it calls bridges strands,
so a strand of one residue is read as B, and two bridges side by side as EE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from biotite import DeserializationError, InvalidFileError
from numpy.typing import NDArray

from ..alphabets import DSSP, MASK_LETTER
from ..datasets.readers import open_text
from ..errors import InputError
from ..structures.chains import parse_structure
from ..structures.damage import unpacked
from ..structures.files import StructureFile
from ..structures.mmcif import block_of
from ..structures.naming import protein_id, stem
from .foreigntokens import ForeignTokens, observed_chain

SUFFIXES = (".dssp", ".cif", ".mmcif")

_STATES = {
    "HELX_RH_AL_P": "H",
    "HELX_RH_3T_P": "G",
    "HELX_RH_PI_P": "I",
    "HELX_LH_PP_P": "P",
    "STRN": "E",
    "TURN_TY1_P": "T",
    "BEND": "S",
    "OTHER": "L",
}
_Residue = tuple[str, int]
"""Chain and place, as mmCIF's label_asym_id and label_seq_id have them."""


def read_dssp(path: Path) -> Iterator[ForeignTokens]:
    """Read the states of a DSSP file, classic or mmCIF (by its suffix); ``.gz`` may follow.

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        It has no DSSP states, or a broken line; says where.
    """
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in SUFFIXES:
        raise InputError(f"'{path}' is none of {', '.join(SUFFIXES)} (.gz may follow)")
    yield from _read_classic(path) if suffix == ".dssp" else _read_mmcif(path)


def _read_classic(path: Path) -> Iterator[ForeignTokens]:
    chains: dict[str, list[tuple[str, int, str, str]]] = {}
    with open_text(path) as lines:
        header = next((line for line in lines if line.startswith("  #  RESIDUE AA")), None)
        if header is None:
            raise InputError(f"'{path}' is no DSSP file: it has no line '  #  RESIDUE AA'")
        for line in lines:
            if len(line) < 17 or line[13] == "!":
                continue
            letter = "C" if line[13].islower() else line[13]  # bridged cysteines come in pairs
            try:
                residue = letter, int(line[5:10]), line[10].strip(), line[16]
            except ValueError:
                raise InputError(f"'{path}' has a broken line: {line.rstrip()[:40]}") from None
            chains.setdefault(_chain(line, header), []).append(residue)
    for name, residues in chains.items():
        letters, numbers, insertions, states = zip(*residues, strict=True)
        yield _tokens(
            path,
            name,
            len(chains),
            "".join(states),
            ("".join(letters), np.array(numbers, np.int64), np.array(insertions)),
        )


def _chain(line: str, header: str) -> str:
    """Chain of a residue: one letter, or a column of its own behind the others (longer names)."""
    place = header.find(" CHAIN")
    if place >= 0 and (words := line[place:].split()):
        return words[min(1, len(words) - 1)]
    return line[11].strip() or "A"


def _read_mmcif(path: Path) -> Iterator[ForeignTokens]:
    raw = StructureFile(path).read()
    chains = parse_structure(path, raw).chains
    try:
        block = block_of(unpacked(path, raw))
        summed = "dssp_struct_summary" in block
        found = _summary(block) if summed else _stretches(block)
        label_of = _labels(block["atom_site"])
    except (DeserializationError, InvalidFileError, ValueError, KeyError) as problem:
        raise InputError(f"'{path}' has broken tables: {problem}. Get the file again") from None
    if found is None:
        raise InputError(
            f"'{path}' has no DSSP states (_dssp_struct_summary, or _struct_conf by DSSP). "
            f"Annotate it with mkdssp, or tokenise it as a structure"
        )
    for chain in chains:
        if chain.positions is None or chain.id not in label_of:
            raise InputError(f"'{path}' chain {chain.id} has no label_seq_id to find its states by")
        label = label_of[chain.id]
        places = (chain.positions + 1).tolist()
        # Without a record: of a residue DSSP left out, or outside all stretches.
        absent = MASK_LETTER if summed else " "
        states = "".join(found.get((label, place), absent) for place in places)
        residues = (chain.residues, chain.numbers, chain.insertions)
        yield _tokens(path, chain.id, len(chains), states, residues)


def _summary(block: Any) -> Mapping[_Residue, str]:
    table = block["dssp_struct_summary"]
    names = ("label_asym_id", "label_seq_id", "secondary_structure")
    columns = (table[name].as_array(str) for name in names)
    return {
        (str(chain), int(place)): " " if state in ".?" else str(state)
        for chain, place, state in zip(*columns, strict=True)
    }


def _stretches(block: Any) -> Mapping[_Residue, str] | None:
    criteria = set[str]()
    if "struct_conf_type" in block and "criteria" in block["struct_conf_type"]:
        criteria = set(block["struct_conf_type"]["criteria"].as_array(str).tolist())
    if "struct_conf" not in block or "DSSP" not in {word.upper() for word in criteria}:
        return None
    found: dict[_Residue, str] = {}
    table = block["struct_conf"]
    kinds, chains = (table[name].as_array(str) for name in ("conf_type_id", "beg_label_asym_id"))
    bounds = (table[f"{end}_label_seq_id"].as_array(int) for end in ("beg", "end"))
    for kind, chain, first, last in zip(kinds, chains, *bounds, strict=True):
        state = _STATES.get(str(kind), "L")
        if state == "E" and first == last:
            state = "B"
        found |= {(str(chain), place): state for place in range(int(first), int(last) + 1)}
    return found


def _labels(atoms: Any) -> dict[str, str]:
    """label_asym_id of each author's chain, of its polymer."""
    pairs = np.stack([atoms["auth_asym_id"].as_array(str), atoms["label_asym_id"].as_array(str)])
    polymer = ~np.isin(atoms["label_seq_id"].as_array(str), (".", "?"))
    return {str(author): str(label) for author, label in np.unique(pairs[:, polymer], axis=1).T}


def _tokens(
    path: Path,
    chain: str,
    count: int,
    states: str,
    residues: tuple[str, NDArray[np.int64], NDArray[np.str_]],
) -> ForeignTokens:
    where = f"{path} chain {chain}"
    try:
        codes = DSSP.encode(states)
    except InputError as problem:
        raise InputError(f"{where}: {problem}") from None
    labels: Sequence[str] = (protein_id(path, chain, count), stem(path))
    return ForeignTokens(
        tuple(dict.fromkeys(labels)),
        where,
        {"dssp": codes[None]},
        observed_chain(*residues, name=chain),
    )
