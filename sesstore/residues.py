"""Arrays with one row a residue: embeddings and structure tokens.

The residue contract: row i is residue i of the normalised sequence, there are no BOS, EOS or CLS
rows, and nothing is cut. The shapes are checked when an object is made; the length against the
sequence where both are known (`check_length`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .alphabets import Codes, alphabet
from .errors import InputError
from .proteins import DIGEST_BYTES, Protein

STORAGE_TYPES = ("float16", "float32", "int8")
"""Types an embedding can be stored in."""

Cast = Callable[[NDArray[Any], str], NDArray[Any]]
"""Gives an array in another type."""


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
    output : int
        Of an encoder that keeps several layers: the layer's place among its fingerprints.
    """

    digest: bytes
    values: NDArray[np.generic]
    scales: NDArray[np.float16] | None = None
    output: int = 0

    def __post_init__(self) -> None:
        _check_digest(self.digest)
        if self.values.ndim != 2 or 0 in self.values.shape:
            raise InputError(
                f"an embedding is [L, d], got shape {self.values.shape}. Give one row a residue"
            )
        if (self.scales is not None) != (self.values.dtype == np.int8):
            raise InputError(
                "scales belong to int8 values and only to them. Make int8 values with `to_storage`"
            )
        if self.scales is not None and self.scales.shape != self.values.shape[:1]:
            raise InputError("int8 values need one scale a residue. Make them with `to_storage`")

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
            raise InputError(
                f"tokens of one protein must have one length, got {sorted(lengths)}. Tokenise the "
                f"structure again, all of it"
            )

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

    def confident(self, name: str, min_plddt: int) -> Codes | None:
        """Codes [M, L] in an alphabet, masked where pLDDT is known and lower; None as before."""
        codes = self.in_alphabet(name)
        if codes is None or not min_plddt or self.plddt is None:
            return codes
        letters = alphabet(name)
        return np.where(self.plddt < min_plddt, letters.dtype.type(letters.mask), codes)

    def __len__(self) -> int:
        for codes in self.codes.values():
            return int(codes.shape[1])
        return 0 if self.plddt is None else len(self.plddt)  # a truth value would be an error


def as_type(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return an array in another type, infinite where that cannot hold a value."""
    with np.errstate(over="ignore"):
        return values.astype(dtype, copy=False)


def to_storage(embedding: Embedding, dtype: str, *, cast: Cast = as_type) -> Embedding:
    """Return an embedding in the type it is to be stored in.

    Parameters
    ----------
    embedding : Embedding
        float16 or float32 values, or what this returned before.
    dtype : str
        ``"float16"``, ``"float32"``, or ``"int8"``: each residue is divided by a scale of its own,
        its largest magnitude over 127, and rounded.
    cast : callable
        Gives an array in another type, rounded to nearest; where there is torch, a faster one than
        NumPy's.

    Raises
    ------
    InputError
        The type is none of these, or a value is not finite or beyond what it can hold.
    """
    if dtype not in STORAGE_TYPES:
        raise InputError(
            f"storage type '{dtype}' is none of {', '.join(STORAGE_TYPES)}. Choose one of them"
        )
    if dtype == "int8":
        return embedding if embedding.scales is not None else _to_int8(embedding, cast)
    stored = cast(embedding.values, dtype)
    _check_finite(stored, embedding.values)
    return embedding if stored is embedding.values else replace(embedding, values=stored)


def _to_int8(embedding: Embedding, cast: Cast) -> Embedding:
    # Rounded to float16 before dividing, so that stored scale and stored codes belong together;
    # the smallest normal float16 keeps a residue of zeros at zero. A scale that was rounded down
    # gives at most 127 (1 + 2**-11), so codes need no clipping.
    values = cast(embedding.values, "float32")
    with np.errstate(over="ignore", invalid="ignore"):
        largest = np.maximum(values.max(1), -values.min(1))
        scales = np.maximum(largest / 127, 6.2e-5).astype(np.float16)
    _check_finite(scales, embedding.values)
    codes = values / scales.astype(np.float32)[:, None]
    codes = np.rint(codes, out=codes).astype(np.int8)
    return replace(embedding, values=codes, scales=scales)


def _check_finite(stored: NDArray[np.floating[Any]], values: NDArray[np.generic]) -> None:
    """Raise unless all stored values are finite; `values` is what they were cast from."""
    if is_finite(stored):
        return
    if np.isfinite(values).all():
        raise InputError(
            f"the encoder gave values that {stored.dtype} cannot hold (beyond "
            f"{np.finfo(stored.dtype).max:.0f}). Store them with --dtype float32"
        )
    raise InputError(
        "the encoder gave values that are not finite. Its weights may be damaged, or go beyond the "
        "precision it computes in: load them anew, or compute in float32"
    )


def is_finite(values: NDArray[Any]) -> bool:
    """Whether an array of floating-point numbers holds neither infinities nor NaNs.

    IEEE numbers sort by their bits: what is not finite has the largest ones of its sign. So two
    maxima of integers decide, 20 times as fast as looking at each number.
    """
    width = values.dtype.itemsize
    infinity = int(np.array(np.inf, values.dtype).view(f"u{width}"))
    sign = 1 << (8 * width - 1)
    return bool(
        values.view(f"i{width}").max(initial=0) < infinity
        and values.view(f"u{width}").max(initial=0) < infinity + sign
    )


def check_length(protein: Protein, rows: int, kind: str) -> None:
    """Raise `InputError` unless `kind` has one row a residue of the protein."""
    if rows != len(protein):
        raise InputError(
            f"{kind} of '{protein.id}' has {rows} rows, its sequence {len(protein)} residues. "
            f"Make it again from this very sequence"
        )


def _check_digest(digest: bytes) -> None:
    if len(digest) != DIGEST_BYTES:
        raise InputError(
            f"a digest is {DIGEST_BYTES} bytes, got {len(digest)}. Take it from `Protein.digest`"
        )
