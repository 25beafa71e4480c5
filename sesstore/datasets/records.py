"""One labelled record of a file, checked, with where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alphabets import DSSP, FOLDSEEK
from ..errors import InputError, RecordError
from ..proteins import Protein

TOKEN_COLUMNS = {"foldseek_seq": FOLDSEEK, "ss8_seq": DSSP}
"""Columns of SES-Adapter files that hold structure tokens. ``ss3_seq`` follows from ``ss8_seq`` and
is not read."""


@dataclass(frozen=True, eq=False)
class Record:
    """One protein of a file, with its label and tokens as far as the file has them.

    Parameters
    ----------
    protein : Protein
        Named after the record, or after its line where it has no name.
    label : object
        As the file has it; None where there is none.
    tokens : mapping of str to ndarray, shape=(L,), dtype=uint8
        Codes by alphabet.
    partial : tuple of str
        Alphabets whose tokens had the wrong length and are masked.
    split : str or None
        What the file's ``split`` column says.
    path, line : Path, int
        Where it stands.
    """

    protein: Protein
    label: Any
    tokens: Mapping[str, NDArray[np.uint8]]
    partial: tuple[str, ...]
    split: str | None
    path: Path
    line: int


def record_from(
    row: Mapping[str, Any], path: Path, line: int, *, allow_partial: bool = False
) -> Record:
    """Check one row of a file.

    Parameters
    ----------
    row : mapping
        ``aa_seq``, and any of ``name``, ``foldseek_seq``, ``ss8_seq``, ``label``, ``split``.
    path, line : Path, int
        Where it stands.
    allow_partial : bool
        Mask tokens whose number is not that of the residues, instead of refusing them.

    Raises
    ------
    RecordError
        The sequence is missing or holds another letter, or tokens do.
    """
    name = str(row.get("name") or f"{path.name}:{line}")
    sequence = row.get("aa_seq")
    try:
        if not isinstance(sequence, str):
            raise InputError(f"no aa_seq. Found: {', '.join(map(str, row)) or 'nothing'}")
        protein = Protein.parse(name, sequence)
        tokens, partial = _tokens(row, protein, allow_partial)
    except InputError as problem:
        raise RecordError(str(problem), path, line, name) from None
    split = row.get("split")
    return Record(
        protein, row.get("label"), tokens, partial, str(split) if split else None, path, line
    )


def _tokens(
    row: Mapping[str, Any], protein: Protein, allow_partial: bool
) -> tuple[dict[str, NDArray[np.uint8]], tuple[str, ...]]:
    tokens, partial = {}, []
    for column, alphabet in TOKEN_COLUMNS.items():
        text = row.get(column)
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            raise InputError(f"{column} is {type(text).__name__}, not text")
        codes = alphabet.encode(text)
        if len(codes) != len(protein):
            if not allow_partial:
                raise InputError(
                    f"{column} has {len(codes)} letters, aa_seq {len(protein)}. Re-tokenise the "
                    f"structure, or pass --allow-partial to mask its tokens"
                )
            codes = np.full(len(protein), alphabet.mask, np.uint8)
            partial.append(alphabet.name)
        tokens[alphabet.name] = codes
    return tokens, tuple(partial)
