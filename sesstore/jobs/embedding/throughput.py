"""Measure for some seconds what an encoder does on this machine."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from ...encoders import registry
from ...encoders.catalogue import EncoderSpec
from ...proteins import Protein
from .embed import made_on
from .plan import Throughput, tokens_and_flops
from .protein_sets import ProteinSet

_LETTERS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", np.uint8)
_FIRST = 8
"""Proteins of the first pass, which loads the encoder and is not counted, and of the second."""


def measure_throughput(
    spec: EncoderSpec, proteins: ProteinSet, *, weights: Path | None = None, seconds: float = 8.0
) -> Throughput:
    """Encode random sequences with a set's lengths, ever more of them until it took long enough.

    Parameters
    ----------
    spec : EncoderSpec
    proteins : ProteinSet
        Whose lengths are drawn.
    weights : path, optional
        See `registry.load`.
    seconds : float
        A pass that takes a third of this is long enough.

    Raises
    ------
    WeightsError
        The encoder's weights are not there.
    """
    encoder = registry.load(spec.name, weights=weights)
    rng, count = np.random.default_rng(0), _FIRST
    for _ in encoder.encode(_sample_proteins(proteins, count, rng)):
        pass
    while True:
        sample = _sample_proteins(proteins, count, rng)
        start = time.perf_counter()
        for _ in encoder.encode(sample):
            pass
        seconds_taken = time.perf_counter() - start
        if seconds_taken >= seconds / 3:
            break
        count *= 2
    flops = sum(tokens_and_flops(spec, len(protein))[1] for protein in sample)
    residues = sum(map(len, sample))
    device = str(made_on(encoder)["device"])
    basis = f"measured: {residues / seconds_taken:,.0f} residues/s in {seconds_taken:.1f} s"
    return Throughput(f"this machine ({device})", flops / seconds_taken, basis)


def _sample_proteins(proteins: ProteinSet, count: int, rng: np.random.Generator) -> list[Protein]:
    lengths = rng.choice(proteins.lengths, count, p=proteins.counts / proteins.counts.sum())
    return [
        Protein(f"probe{i}", _LETTERS[rng.integers(0, 20, n)].tobytes().decode())
        for i, n in enumerate(lengths)
    ]
