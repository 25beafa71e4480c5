"""DSSP's own files: the classic table (``.dssp``), and what mkdssp 4 adds to mmCIF.

The classic table has one letter for a chain, whatever its name: ``!*`` ends a chain, and where the
file has the author's ids in columns behind the others, those count. Its header states how many
residues there are, so that a table cut short is noticed.

In mmCIF ``_dssp_struct_summary`` has a state a residue. Where it is absent, ``_struct_conf`` has
stretches, if it says that DSSP found them (AlphaFold DB's files do, too); it calls bridges strands,
so a strand of one residue is read as B, and two bridges side by side as EE.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from biotite import DeserializationError, InvalidFileError
from numpy.typing import NDArray

from ..alphabets import DSSP, MASK_LETTER
from ..datasets.readers import open_text
from ..errors import InputError
from ..file_names import data_suffix
from ..structures.chains import parse_structure
from ..structures.cif import Tables, read_tables
from ..structures.naming import protein_id, stem
from ..structures.structure_files import StructureFile
from ..structures.validation import unpack
from .imported_tokens import ForeignTokens, observed_chain

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
_Place = tuple[str, int]
"""Chain and place, as mmCIF's label_asym_id and label_seq_id have them."""

_Residue = tuple[str, int, str, str]
"""Letter, number, insertion code and state of a line of the classic table."""

_COUNT = re.compile(r"\s*(\d+)(?:\s+\d+){4} TOTAL NUMBER OF RESIDUES")
_LONGEST = 1_000_000
"""Residues of the longest stretch."""

_LINE = 17
"""Letters a line of a residue has at least: its state is the last of them."""


def read_dssp(path: Path) -> Iterator[ForeignTokens]:
    """Read the states of a DSSP file, classic or mmCIF (by its suffix); ``.gz`` may follow.

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        It has no DSSP states, a broken line, or fewer residues than its header states; says where.
    """
    suffix = data_suffix(path)
    if suffix not in SUFFIXES:
        raise InputError(
            f"'{path}' is none of {', '.join(SUFFIXES)} (.gz may follow). Name it as what it is"
        )
    yield from _read_classic(path) if suffix == ".dssp" else _read_mmcif(path)


def _read_classic(path: Path) -> Iterator[ForeignTokens]:
    count = 0
    with open_text(path) as lines:
        for header in lines:
            if total := _COUNT.match(header):
                count = int(total[1])
            if header.startswith("  #  RESIDUE AA"):
                break
        else:
            raise InputError(
                f"'{path}' is no DSSP file: it has no line '  #  RESIDUE AA'. Write it again"
            )
        chains = _classic_chains(lines, header, path)
    residues = sum(len(chain) for _, chain in chains)
    if residues < max(count, 1):
        stated = f"its header states {count:,}" if count else "it is cut short"
        raise InputError(f"'{path}' has {residues:,} residues, {stated}. Get the file again")
    for name, chain in chains:
        letters, numbers, insertions, states = zip(*chain, strict=True)
        yield _tokens(
            path,
            name,
            len(chains),
            "".join(states),
            ("".join(letters), np.array(numbers, np.int64), np.array(insertions)),
        )


def _classic_chains(
    lines: Iterable[str], header: str, path: Path
) -> list[tuple[str, list[_Residue]]]:
    """Id and residues of each chain; a second chain of one letter is called A-2."""
    chains: list[tuple[str, list[_Residue]]] = []
    at_end, previous = True, ""
    times: Counter[str] = Counter()
    for line in lines:
        if len(line.rstrip("\r\n")) < _LINE:
            if line.strip():
                raise InputError(
                    f"'{path}' is cut short in its line '{line.strip()}'. Get it again"
                )
            continue
        if line[13] == "!":
            at_end |= line[14] == "*"
            continue
        name = _chain(line, header)
        if at_end or name != previous:
            times[name] += 1
            label = f"{name}-{times[name]}" if times[name] > 1 else name
            chains.append((label, []))
        at_end, previous = False, name
        chains[-1][1].append(_residue(line, path))
    return chains


def _residue(line: str, path: Path) -> _Residue:
    letter = "C" if line[13].islower() else line[13]  # bridged cysteines come in pairs
    try:
        return letter, int(line[5:10]), line[10].strip(), line[16]
    except ValueError:
        raise InputError(
            f"'{path}' has a broken line: {line.rstrip()[:40]}. Get the file again"
        ) from None


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
        tables = read_tables(unpack(path, raw))
        summed = "dssp_struct_summary" in tables
        states_of = _summary(tables) if summed else _stretches(tables)
    except (DeserializationError, InvalidFileError, ValueError, KeyError) as problem:
        raise InputError(f"'{path}' has broken tables: {problem}. Get the file again") from None
    if states_of is None:
        raise InputError(
            f"'{path}' has no DSSP states (_dssp_struct_summary, or _struct_conf by DSSP). "
            f"Annotate it with mkdssp, or tokenise it as a structure"
        )
    for chain in chains:
        if chain.positions is None or not chain.segment:
            raise InputError(
                f"'{path}' chain {chain.id} has no label_seq_id to find its states by. Tokenise it "
                f"as a structure"
            )
        places = (chain.positions + 1).tolist()
        # Without a record: of a residue DSSP left out, or outside all stretches.
        absent = MASK_LETTER if summed else " "
        states = "".join(states_of.get((chain.segment, place), absent) for place in places)
        residues = (chain.residues, chain.numbers, chain.insertions)
        yield _tokens(path, chain.id, len(chains), states, residues)


def _summary(tables: Tables) -> Mapping[_Place, str]:
    names = ("label_asym_id", "label_seq_id", "secondary_structure")
    if not tables.has("dssp_struct_summary", *names):
        raise KeyError(f"_dssp_struct_summary has not all of {', '.join(names)}")
    return {
        (chain, int(place)): " " if state in ".?" else state
        for chain, place, state in tables.rows("dssp_struct_summary", *names)
    }


def _stretches(tables: Tables) -> Mapping[_Place, str] | None:
    criteria = {word.upper() for word in tables.words("struct_conf_type", "criteria")}
    if "struct_conf" not in tables or "DSSP" not in criteria:
        return None
    states_of: dict[_Place, str] = {}
    names = ("conf_type_id", "beg_label_asym_id", "beg_label_seq_id", "end_label_seq_id")
    if not tables.has("struct_conf", *names):
        raise KeyError(f"_struct_conf has not all of {', '.join(names)}")
    for kind, chain, begin, end in tables.rows("struct_conf", *names):
        first, last = int(begin), int(end)
        state = _STATES.get(kind, "L")
        if state == "E" and first == last:
            state = "B"
        if last - first > _LONGEST:
            raise ValueError(f"_struct_conf has a stretch of {last - first + 1:,} residues")
        states_of |= {(chain, place): state for place in range(first, last + 1)}
    return states_of


def _tokens(
    path: Path,
    chain: str,
    count: int,
    states: str,
    residues: tuple[str, NDArray[np.int64], NDArray[np.str_]],
) -> ForeignTokens:
    location = f"{path} chain {chain}"
    try:
        codes = DSSP.encode(states)
    except InputError as problem:
        raise InputError(f"{location}: {problem}") from None
    labels: Sequence[str] = (protein_id(path, chain, count), stem(path))
    return ForeignTokens(
        tuple(dict.fromkeys(labels)),
        location,
        {"dssp": codes[None]},
        observed_chain(*residues, name=chain),
    )
