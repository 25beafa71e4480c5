"""What is wrong with a structure file before a parser sees it, and with the atoms that come out.

Parsers read on over much that is broken and give a smaller or another protein. Downloads cut short,
files of another kind under a structure's name, text in another encoding, swapped columns: each is
an error here.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import StructureError
from .atoms import AtomTable

_GZIP = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
MOST_BYTES = 1 << 31
"""Bytes of the largest structure file that is read."""

_SMALL, _MOST_RATIO = 1 << 25, 100
_NO_TEXT = re.compile(rb"[\x80-\xff]{200}")
_N, _CA, _C, _CB = 0, 1, 2, 3
_BONDED = (1.35, 1.6)
"""Angstrom the median N-CA bond is surely within (it is 1.46)."""

_ENOUGH = 10
"""Residues whose handedness says something about a structure."""


def unpack(path: Path, raw: bytes) -> bytes:
    """Bytes of a file without its gzip.

    Raises
    ------
    StructureError
        The gzip is broken, or unpacks to more than a structure can be; or there is nothing in the
        file; names the file.
    """
    if path.name.lower().endswith(".gz") or raw.startswith(_GZIP):
        bound = most_bytes(len(raw))
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
                text = file.read(bound + 1)
        except (OSError, EOFError, zlib.error) as problem:
            raise StructureError(
                f"'{path}' is a broken gzip file: {problem}. Get it again"
            ) from None
        if len(text) > bound:
            raise StructureError(
                f"'{path}' has {len(raw):,} bytes and unpacks to more than {bound:,}, which no "
                f"structure does. Leave it out"
            )
        raw = text
    if not raw.strip():
        raise StructureError(f"'{path}' is empty. Get the file again")
    return raw


def most_bytes(packed: int) -> int:
    """Bytes that a packed structure file may unpack to; structures pack to a tenth at best."""
    return min(max(_SMALL, _MOST_RATIO * packed), MOST_BYTES)


def check_text(path: Path, raw: bytes, *, mmcif: bool) -> bytes:
    """Text of a PDB or mmCIF file, if it is one and is whole as far as one can see.

    Parameters
    ----------
    path : path
        What errors call it.
    raw : bytes
        Without gzip.
    mmcif : bool
        Whether its name says mmCIF; PDB otherwise.

    Raises
    ------
    StructureError
        It is of another kind, holds zero bytes, or is cut short; names the file.
    """
    if raw.startswith(_UTF16_MARKS):
        raise StructureError(f"'{path}' is UTF-16 text. Save it as ASCII or UTF-8")
    raw = raw.removeprefix(_UTF8_MARK)
    begin = raw[:200].lstrip()
    if begin.startswith(b"<"):
        raise StructureError(f"'{path}' is a web page or XML, no structure. Get the file again")
    if b"\0" in raw or _NO_TEXT.search(raw):
        raise StructureError(f"'{path}' holds bytes that are no text: it was damaged. Get it again")
    if mmcif and not begin.startswith(b"data_") and _is_pdb(raw):
        raise StructureError(f"'{path}' is a PDB file by its content. Name it .pdb")
    if not mmcif and begin.startswith(b"data_"):
        raise StructureError(f"'{path}' is an mmCIF file by its content. Name it .cif")
    (_check_mmcif_end if mmcif else _check_pdb_end)(path, raw)
    return raw


def _is_pdb(raw: bytes) -> bool:
    if raw.startswith((b"HEADER", b"ATOM  ")):
        return True
    return b"\nATOM  " in raw and b"_atom_site" not in raw


def _check_pdb_end(path: Path, raw: bytes) -> None:
    # Files that state sequences come from archives, which end each with END.
    if b"\nSEQRES" not in raw:
        return
    last = raw[-2000:].rstrip().splitlines()[-1][:6].rstrip()
    if last != b"END":
        raise StructureError(
            f"'{path}' has SEQRES but does not end with END: it is cut short. Get it again (or, if "
            f"it is whole, add a line END)"
        )


def _check_mmcif_end(path: Path, raw: bytes) -> None:
    # Likewise: a file with sequences whose tables are divided by # ends with one.
    if b"\n_entity_poly_seq." not in raw or b"\n#" not in raw:
        return
    if raw[-2000:].rstrip().splitlines()[-1].strip() != b"#":
        raise StructureError(
            f"'{path}' does not end with # as its other tables do: it is cut short. Get it again "
            f"(or, if it is whole, add a line #)"
        )


def check_geometry(heads: AtomTable, backbone: NDArray[np.float32]) -> None:
    """Raise if bonds or handedness are no protein's: swapped columns, another unit.

    Parameters
    ----------
    heads : AtomTable
        One atom of each residue of the first model.
    backbone : ndarray, shape=(M, L, 5, 3), dtype=float32
        N, CA, C, CB, O in Angstrom.

    Raises
    ------
    StructureError
        N and CA are not a bond apart, or most residues are mirror images.
    """
    n, ca, c, cb = (backbone[0, :, place].astype(np.float64) for place in (_N, _CA, _C, _CB))
    bonds = np.linalg.norm(n - ca, axis=-1)
    bonds = bonds[np.isfinite(bonds)]
    if not len(bonds):
        return
    usual = float(np.median(bonds))
    if not _BONDED[0] <= usual <= _BONDED[1]:
        raise StructureError(
            f"has no protein's geometry: N and CA are {usual:.3g} apart, not 1.46 Angstrom. Are "
            f"its columns in order, and its unit Angstrom?"
        )
    volumes = np.einsum("ij,ij->i", np.cross(n - ca, c - ca), cb - ca)
    volumes = volumes[np.isfinite(volumes) & np.isin(heads.residue_name, _L_AMINO_ACIDS)]
    if len(volumes) >= _ENOUGH and (volumes < 0).mean() > 0.5:
        raise StructureError(
            "is a mirror image: most of its residues are D-amino acids under the names of L ones. "
            "Are its columns x, y and z in order?"
        )


_L_AMINO_ACIDS = np.array(
    b"ALA ARG ASN ASP CYS GLN GLU HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL".split()
)
"""Names that mean the L form (D-alanine is DAL)."""
