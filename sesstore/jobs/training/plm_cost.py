"""What an epoch would cost with the PLM in the loop: the figure that says what a store saves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...encoders import registry
from ...encoders.base import Encoder
from ...store import Store
from ...streaming.plan import plan_epoch
from ...training.fit_config import FitConfig
from ..inputs import Inputs


@dataclass(frozen=True)
class PlmCost:
    """What an epoch would cost with the PLM in the loop.

    Parameters
    ----------
    encoder : str
    seconds : float
        Estimated time of the encoder's pass over the train proteins, batches in random order.
    epoch : float
        Seconds of an epoch with that pass in the loop.
    ratio : float
        Of that to an epoch from the store.
    measured_residues : int
        What the estimate comes from; the rest by count of floating-point operations.
    """

    encoder: str
    seconds: float
    epoch: float
    ratio: float
    measured_residues: int


def own_encoder(
    inputs: Inputs, *, weights: Path | None = None, device: str | None = None
) -> Encoder:
    """Make ready the encoder that made the embeddings; weights and device as in `registry.load`.

    Raises
    ------
    InputError
        It is none of ours (imported embeddings have such), or not the one of the embeddings.
    WeightsError
        Its weights are not at hand.
    """
    fingerprint = inputs.embeddings.provenance.fingerprint
    return registry.load_same(fingerprint, weights=weights, device=device)


def measure_plm(
    store: Store,
    inputs: Inputs,
    encoder: Encoder,
    seconds_per_epoch: float,
    config: FitConfig,
    *,
    batches: int = 3,
) -> PlmCost:
    """Estimate what an epoch would cost with the PLM in the loop, from a few batches.

    Parameters
    ----------
    store, inputs
        What was trained on.
    encoder : Encoder
        From `own_encoder`.
    seconds_per_epoch : float
        Of one adapter from the store: of several seeds on one stream, their share of its epoch.
    config : FitConfig
        Whose batches would be encoded.
    batches : int
        How many to measure, after one that is not counted.
    """
    digests = inputs.task.split("train").digests
    lengths = inputs.embeddings.lengths[inputs.embeddings.find(digests)]
    size = config.completed(lengths).pace.batch_tokens
    plan = plan_epoch(lengths, size, seed=config.seed, epoch=1).batches
    spent, measured, residues = 0.0, 0, 0
    for number, rows in enumerate(plan[: batches + 1]):
        proteins = list(store.proteins([digests[row].tobytes() for row in np.unique(rows)]))
        began = time.perf_counter()
        for _ in encoder.encode(proteins):
            pass
        if number or len(plan) == 1:
            spent += time.perf_counter() - began
            measured += sum(encoder.flops(len(p)) or len(p) for p in proteins)
            residues += sum(map(len, proteins))
    total = sum(encoder.flops(int(n)) or int(n) for n in lengths)
    plm = spent * total / measured
    epoch = seconds_per_epoch + plm
    return PlmCost(encoder.name, plm, epoch, epoch / seconds_per_epoch, residues)
