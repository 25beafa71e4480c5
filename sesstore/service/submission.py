"""What somebody sends to be predicted for: one sequence, FASTA, or one structure file.

Sequences are read and checked at once, so that whoever sent them hears of a wrong letter, with its
record and position, before anything waits. A structure is read when its turn comes, as tokenising
takes seconds.
"""

from __future__ import annotations

import gzip
import io
import re
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..datasets.fasta import SUFFIXES as FASTA_SUFFIXES
from ..datasets.fasta import is_fasta, parse_fasta
from ..datasets.nucleotides import NucleotideCheck
from ..datasets.text import open_text
from ..errors import InputError
from ..file_names import unpacked_name
from ..proteins import Protein
from ..structures.chains import SUFFIXES, structure_suffix
from .job_limits import ServiceLimits, TooLargeError

_TEXT = "text"
"""What messages call FASTA that was typed."""
PASTED = "sequence"
"""Name of a sequence without one."""

_GZIP = b"\x1f\x8b"
_MOST_NAME = 100
_STRUCTURE_TEXT = re.compile(rb"\s*(?:HEADER|ATOM  |HETATM|MODEL  |REMARK|CRYST1|data_)")


@dataclass(frozen=True)
class Submission:
    """What a job predicts for.

    Parameters
    ----------
    name : str
        What it is called: of the file, or of a lone protein.
    proteins : tuple of Protein
        Of sequences; empty for a structure.
    structure : bytes
        Contents of a structure file, unpacked; empty for sequences.
    warnings : tuple of str
        What is odd about it.
    """

    name: str
    proteins: tuple[Protein, ...] = ()
    structure: bytes = b""
    warnings: tuple[str, ...] = field(default=())


def read_submission(data: bytes, name: str, limits: ServiceLimits) -> Submission:
    """Read what was sent.

    Parameters
    ----------
    data : bytes
        A sequence, FASTA, or a structure file; gzip is unpacked.
    name : str
        Of the file; its suffix says what a structure is. Empty for text that was typed.
    limits : ServiceLimits

    Raises
    ------
    InputError
        It is none of these, or a record is wrong; says which and where.
    TooLargeError
        It is beyond the limits.
    """
    name = _plain(name)
    data = _unpacked(data, limits)
    if not data.strip():
        raise InputError("nothing was sent. Give a sequence, FASTA or a structure file")
    path = Path(unpacked_name(name))
    if structure_suffix(path) in SUFFIXES:
        return Submission(path.name, structure=data)
    if path.name and not is_fasta(path):
        raise InputError(
            f"'{path.name}' is neither FASTA ({', '.join(FASTA_SUFFIXES)}) nor a structure "
            f"({', '.join(SUFFIXES)}). Name it as what it is, or convert it"
        )
    if _STRUCTURE_TEXT.match(data):
        raise InputError(
            "this is a structure as text. Send it as a file, so that its name says whether it is "
            "PDB (.pdb) or mmCIF (.cif)"
        )
    if not path.name and b">" not in data:
        return _sequence(data, limits)
    return _fasta(data, path.name, limits)


def _plain(name: str) -> str:
    """Last part of a name, without what no file name or table should hold."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    letters = "".join(c if c.isprintable() else "_" for c in last).lstrip(".")
    return letters if len(letters) <= _MOST_NAME else letters[-_MOST_NAME:].lstrip(".")


def _unpacked(data: bytes, limits: ServiceLimits) -> bytes:
    if data.startswith(_GZIP):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(limits.upload_bytes + 1)
        except (zlib.error, OSError, EOFError) as problem:
            raise InputError(f"the gzip file is broken: {problem}. Send it again") from None
    if len(data) > limits.upload_bytes:
        raise TooLargeError(f"that is more than a job may have. {limits.sentence}")
    return data


def _sequence(data: bytes, limits: ServiceLimits) -> Submission:
    protein = Protein.parse(PASTED, data.decode("utf-8-sig", "replace"))
    warnings: list[str] = []
    check = NucleotideCheck(Path(PASTED))
    check.look(protein)
    check.report(warnings.append)
    return Submission(PASTED, _within([protein], limits), warnings=tuple(warnings))


def _fasta(data: bytes, name: str, limits: ServiceLimits) -> Submission:
    """Records of a file; of text that was typed, whose name is empty."""
    warnings: list[str] = []
    with tempfile.NamedTemporaryFile(prefix="sesstore-", suffix=".fasta") as file:
        file.write(data)
        file.flush()
        with open_text(Path(file.name), warnings.append, name=name or _TEXT) as lines:
            proteins = _within(parse_fasta(lines, Path(name or _TEXT), warnings.append), limits)
    label = proteins[0].id if len(proteins) == 1 else name or f"{len(proteins):,} proteins"
    return Submission(label, proteins, warnings=tuple(warnings))


def _within(proteins: Iterable[Protein], limits: ServiceLimits) -> tuple[Protein, ...]:
    """The proteins, read no further than a job may have."""
    members: list[Protein] = []
    residues = 0
    for protein in proteins:
        members.append(protein)
        residues += len(protein)
        check_size(len(members), residues, limits)
    return tuple(members)


def check_size(proteins: int, residues: int, limits: ServiceLimits) -> None:
    """Raise `TooLargeError` if a job has more than it may."""
    if proteins > limits.proteins or residues > limits.residues:
        raise TooLargeError(f"that is more than a job may have. {limits.sentence}")
