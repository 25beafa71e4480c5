"""What half precision costs: embeddings of a few proteins beside the same in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...attention.cuda import free_memory
from ...encoders.base import Encoder
from ...encoders.registry import spec
from ...errors import UnknownNameError
from ...memory import size
from ...proteins import Protein
from ...provenance import split_layer
from .missing_proteins import MissingProteins

SAMPLE = 8
"""Proteins that are encoded twice."""
FIRST = 64
"""They are the shortest of so many: long ones would cost time and tell the same."""


@dataclass(frozen=True)
class PrecisionCost:
    """How near embeddings in half precision are to those in float32.

    Parameters
    ----------
    precision : str
        Of the encoder, as in its fingerprint.
    proteins, residues : int
        Compared.
    cosine, lowest : float
        Cosine of a residue's two embeddings: mean, and that of the residue furthest off.
    """

    precision: str
    proteins: int
    residues: int
    cosine: float
    lowest: float

    @property
    def sentence(self) -> str:
        """As a line for people."""
        return (
            f"{self.precision}: cosine to float32 {self.cosine:.5f}, lowest {self.lowest:.5f} "
            f"({self.residues:,} residues of {self.proteins} proteins, encoded both ways)"
        )


def measure_precision(
    encoder: Encoder, missing: MissingProteins, make_reference: Callable[[], Encoder]
) -> PrecisionCost:
    """Encode a few proteins by an encoder and by its like in float32, and compare.

    Parameters
    ----------
    encoder : Encoder
        In half precision.
    missing : MissingProteins
        What it is about to encode.
    make_reference : callable
        Makes the same encoder in float32. It is let go again.

    Raises
    ------
    MemoryError
        Its weights do not fit beside the encoder's.
    """
    first = MissingProteins(missing.store, missing.digests[:FIRST], missing.lengths[:FIRST])
    proteins = sorted(first, key=len)[:SAMPLE]
    check_memory(encoder)
    half, full = _values(encoder, proteins), _values(make_reference(), proteins)
    common = sorted(half.keys() & full.keys())
    cosines = np.concatenate([_cosines(half[key], full[key]) for key in common] or [np.ones(0)])
    if not len(cosines):
        raise MemoryError("none of the first proteins could be encoded both ways")
    return PrecisionCost(
        encoder.fingerprint.precision,
        len({digest for digest, _ in common}),
        len(cosines),
        float(cosines.mean()),
        float(cosines.min()),
    )


def check_memory(encoder: Encoder) -> None:
    """Raise a MemoryError if the weights in float32 do not fit beside an encoder's."""
    try:
        parameters = spec(split_layer(encoder.full_name)[0]).parameters
    except UnknownNameError:  # an encoder that is none of ours
        return
    device = getattr(encoder, "device", torch.device("cpu"))
    free = free_memory(device)
    if 6 * parameters > free // 2:  # both sets of weights, and as much again for batches
        raise MemoryError(
            f"weights of {size(6 * parameters)} in both precisions would take more than half of "
            f"the {size(free)} that are free"
        )


def _values(
    encoder: Encoder, proteins: Sequence[Protein]
) -> dict[tuple[bytes, int], NDArray[np.float32]]:
    """Embeddings by digest and place of the layer."""
    return {
        (embedding.digest, embedding.output): embedding.values.astype(np.float32)
        for embedding in encoder.encode(proteins)
    }


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of each row of one with the same row of another; 1 where both are zero."""
    products, of_a, of_b = (
        np.einsum("ld,ld->l", x, y, dtype=np.float64) for x, y in ((a, b), (a, a), (b, b))
    )
    norms = np.sqrt(of_a * of_b)
    return np.where(norms > 0, products / np.where(norms > 0, norms, 1.0), 1.0)
