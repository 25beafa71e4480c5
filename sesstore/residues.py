"""Arrays with one row a residue: embeddings and structure tokens.

The residue contract: row i is residue i of the normalised sequence, there are no BOS, EOS or CLS
rows, and nothing is cut. The shapes are checked when an object is made; the length against the
sequence where both are at hand (`check_length`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .alphabets import Codes, alphabet
from .errors import InputError
from .proteins import DIGEST_BYTES, Protein

STORAGE_TYPES = ("float16", "float32", "int8")
"""Types an embedding can be stored in."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Per-residue embedding of one protein by one encoder.

    Parameters
    ----------
    digest : bytes
        Digest of the protein.
    values : ndarray, shape=(L, d), dtype=float16 | float32 | int8
        One row a residue.
    scales : ndarray, shape=(L,), dtype=float16, optional
        Only with int8 values: the embedding is ``values * scales[:, None]``.
    """

    digest: bytes
    values: NDArray[np.generic]
    scales: NDArray[np.float16] | None = None

    def __post_init__(self) -> None:
        _check_digest(self.digest)
        if self.values.ndim != 2 or 0 in self.values.shape:
            raise InputError(f"an embedding is [L, d], got shape {self.values.shape}")
        if (self.scales is not None) != (self.values.dtype == np.int8):
            raise InputError("scales belong to int8 values and only to them")
        if self.scales is not None and self.scales.shape != self.values.shape[:1]:
            raise InputError("int8 values need one scale a residue")

    def __len__(self) -> int:
        return int(self.values.shape[0])


@dataclass(frozen=True, eq=False)
class StructureTokens:
    """Structure tokens of one protein from one source.

    Parameters
    ----------
    digest : bytes
        Digest of the protein.
    source : str
        Where the structure came from, such as ``"alphafold2"``.
    codes : mapping of str to ndarray, shape=(M, L), dtype=uint8 | uint16
        For each alphabet the codes of M conformers (usually 1; a [L] array is taken as one), two
        bytes wide if the alphabet has so many.
    plddt : ndarray, shape=(L,), dtype=uint8, optional
        Predicted LDDT of each residue, 0 to 100.
    tool : str
        What made the tokens, with version.
    """

    digest: bytes
    source: str
    codes: Mapping[str, Codes]
    plddt: NDArray[np.uint8] | None = None
    tool: str = ""

    def __post_init__(self) -> None:
        _check_digest(self.digest)
        shaped = {name: np.atleast_2d(alphabet(name).checked(c)) for name, c in self.codes.items()}
        object.__setattr__(self, "codes", shaped)
        lengths = {c.shape[1] for c in shaped.values()}
        if self.plddt is not None:
            lengths.add(len(self.plddt))
        if len(lengths) != 1 or 0 in lengths:
            raise InputError(f"tokens of one protein must have one length, got {sorted(lengths)}")

    def in_alphabet(self, name: str) -> Codes | None:
        """Codes [M, L] in an alphabet: as stored, else as they follow from others that are.

        None if neither is there.
        """
        if name in self.codes:
            return self.codes[name]
        of = alphabet(name).of
        if of is None or of.alphabet not in self.codes:
            return None
        return alphabet(name).reduced(self.codes[of.alphabet])

    def __len__(self) -> int:
        for codes in self.codes.values():
            return int(codes.shape[1])
        return 0 if self.plddt is None else len(self.plddt)  # a truth value would be an error


def to_storage(embedding: Embedding, dtype: str) -> Embedding:
    """Return an embedding in the type it is to be stored in.

    Parameters
    ----------
    embedding : Embedding
        float16 or float32 values.
    dtype : str
        ``"float16"``, ``"float32"``, or ``"int8"``: each residue is divided by a scale of its own,
        its largest magnitude over 127, and rounded.

    Raises
    ------
    InputError
        The type is none of these, or a value is not finite or beyond what it can hold.
    """
    if dtype not in STORAGE_TYPES:
        raise InputError(f"storage type '{dtype}' is none of {', '.join(STORAGE_TYPES)}")
    if embedding.values.dtype == np.dtype(dtype):
        return embedding
    values = embedding.values.astype(np.float32, copy=False)
    if dtype == "int8":
        # Rounded to float16 before dividing, so that stored scale and stored codes belong together;
        # the smallest normal float16 keeps a residue of zeros at zero.
        with np.errstate(over="ignore"):
            scales = np.maximum(np.abs(values).max(1) / 127, 6.2e-5).astype(np.float16)
        _check_finite(scales)
        codes = np.rint(values / scales.astype(np.float32)[:, None]).clip(-127, 127)
        return Embedding(embedding.digest, codes.astype(np.int8), scales)
    with np.errstate(over="ignore"):
        stored = values.astype(dtype)
    _check_finite(stored)
    return Embedding(embedding.digest, stored)


def _check_finite(values: NDArray[np.floating[Any]]) -> None:
    if not np.isfinite(values).all():
        raise InputError(
            f"the encoder gave values that {values.dtype} cannot hold (not finite, or beyond "
            f"{np.finfo(values.dtype).max:.0f}). Store them with --dtype float32"
        )


def check_length(protein: Protein, rows: int, what: str) -> None:
    """Raise `InputError` unless `what` has one row a residue of the protein."""
    if rows != len(protein):
        raise InputError(
            f"{what} of '{protein.id}' has {rows} rows, its sequence {len(protein)} residues"
        )


def _check_digest(digest: bytes) -> None:
    if len(digest) != DIGEST_BYTES:
        raise InputError(f"a digest is {DIGEST_BYTES} bytes, got {len(digest)}")
