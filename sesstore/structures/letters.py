"""Residue names of structure files to amino-acid letters.

The 20, then the modified residues and force-field names one meets most, then the PDB's Chemical
Component Dictionary (through biotite): a modified residue becomes the letter of its parent.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..alphabets import AMINO_ACIDS

_STANDARD = {
    "ALA": "A", "ARG": "R", "ASN": "N", "ASP": "D", "CYS": "C", "GLN": "Q", "GLU": "E",
    "GLY": "G", "HIS": "H", "ILE": "I", "LEU": "L", "LYS": "K", "MET": "M", "PHE": "F",
    "PRO": "P", "SER": "S", "THR": "T", "TRP": "W", "TYR": "Y", "VAL": "V",
    "SEC": "U", "PYL": "O", "ASX": "B", "GLX": "Z", "UNK": "X",
    "MSE": "M", "SEP": "S", "TPO": "T", "PTR": "Y", "HYP": "P", "CSO": "C", "CME": "C",
    "KCX": "K", "MLY": "K", "M3L": "K", "ALY": "K", "PCA": "E", "LLP": "K", "OCS": "C",
}  # fmt: skip

_FORCE_FIELDS = {
    "HID": "H", "HIE": "H", "HIP": "H", "HSD": "H", "HSE": "H", "HSP": "H", "CYX": "C",
    "CYM": "C", "ASH": "D", "GLH": "E", "LYN": "K", "ARN": "R", "TYM": "Y",
}  # fmt: skip
"""What molecular dynamics packages write for protonation states."""

_LETTERS = _STANDARD | _FORCE_FIELDS
STANDARD = np.array([name.encode() for name in list(_STANDARD)[:20]])
"""Names of the 20."""


@cache
def one_letter(name: str) -> str:
    """Letter of a residue; ``X`` for one without a parent among the amino acids."""
    letter = _LETTERS.get(name.strip().upper())
    if letter:
        return letter
    from biotite.structure import info

    letter = info.one_letter_code(name)
    return letter if letter and letter in AMINO_ACIDS.letters else "X"


@cache
def is_amino_acid(name: str) -> bool:
    """Whether a residue's name is one of an amino acid, modified ones among them."""
    if name.strip().upper() in _LETTERS:
        return True
    return name in _component_names()


@cache
def _component_names() -> frozenset[str]:
    from biotite.structure import info

    return frozenset(info.amino_acid_names())
