"""Arrays with one row a residue: embeddings and structure tokens.

The residue contract: row i is residue i of the normalised sequence, there are no BOS, EOS or CLS
rows, and nothing is cut. The shapes are checked when an object is made; the length against the
sequence where both are at hand (`check_length`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .alphabets import alphabet
from .errors import InputError
from .proteins import DIGEST_BYTES, Protein


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
    codes : mapping of str to ndarray, shape=(M, L), dtype=uint8
        For each alphabet the codes of M conformers (usually 1; a [L] array is taken as one).
    plddt : ndarray, shape=(L,), dtype=uint8, optional
        Predicted LDDT of each residue, 0 to 100.
    tool : str
        What made the tokens, with version.
    """

    digest: bytes
    source: str
    codes: Mapping[str, NDArray[np.uint8]]
    plddt: NDArray[np.uint8] | None = None
    tool: str = ""

    def __post_init__(self) -> None:
        _check_digest(self.digest)
        shaped = {name: np.atleast_2d(np.asarray(c, np.uint8)) for name, c in self.codes.items()}
        object.__setattr__(self, "codes", shaped)
        lengths = {c.shape[1] for c in shaped.values()}
        if self.plddt is not None:
            lengths.add(len(self.plddt))
        if len(lengths) != 1 or 0 in lengths:
            raise InputError(f"tokens of one protein must have one length, got {sorted(lengths)}")
        for name, codes in shaped.items():
            if int(codes.max()) > alphabet(name).mask:
                raise InputError(f"code {int(codes.max())} is not in the {name} alphabet")

    def __len__(self) -> int:
        return next(iter(self.codes.values())).shape[1] if self.codes else len(self.plddt or ())


def check_length(protein: Protein, rows: int, what: str) -> None:
    """Raise `InputError` unless `what` has one row a residue of the protein."""
    if rows != len(protein):
        raise InputError(
            f"{what} of '{protein.id}' has {rows} rows, its sequence {len(protein)} residues"
        )


def _check_digest(digest: bytes) -> None:
    if len(digest) != DIGEST_BYTES:
        raise InputError(f"a digest is {DIGEST_BYTES} bytes, got {len(digest)}")
