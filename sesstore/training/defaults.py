"""How long, how fast and in which batches to train, by the size of the training set.

What an adapter learns is a matter of updates, not of epochs: 50 proteins are five batches, and five
epochs of them twenty-five updates. So a number of updates is chosen and epochs follow. Small sets
get small batches, for then there are enough of them; large ones are seen a few times in large
batches. An adapter that reads structure tokens has more to learn with: it is taught more gently,
and not for as long, or it knows its training set by heart. Chosen on draws of real tasks, see
``docs/studies.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..streaming.plan import plan_epoch

CHECKS = 30
"""Times valid is scored over a training, or after each epoch if there are fewer."""
ROWS, UPDATES = (250, 500), (600, 1200)
"""Training rows, and the updates that so many take; more between, unless `EPOCHS` take more."""
EPOCHS, EPOCHS_WITH_STRUCTURE = 7, 5
"""A training set is seen so often at least."""
RATE, LOW_RATE = 1e-3, 5e-4
"""Learning rate; the lower one in large batches, and with structure."""
SMALL, LARGE = 2048, 8192
"""Residues of a batch: of small sets, and of large ones."""
LARGE_SET = 1 << 20
"""Residues of a training set from which on batches are large."""


@dataclass(frozen=True)
class Pace:
    """What follows from the size of a training set.

    Parameters
    ----------
    lr : float
        Learning rate.
    epochs : int
    patience : int
        Checks on valid without a better score after which training ends.
    batch_tokens : int
        Most residues of a batch.
    """

    lr: float
    epochs: int
    patience: int
    batch_tokens: int


def pace_for(
    lengths: NDArray[np.int64], batch_tokens: int | None = None, *, structure: bool = False
) -> Pace:
    """Choose how to train on some proteins.

    Parameters
    ----------
    lengths : ndarray, shape=(N,)
        Residues of each training row.
    batch_tokens : int, optional
        Size of a batch, if it is not to be chosen.
    structure : bool
        Whether the adapter reads structure tokens.
    """
    residues = int(lengths.sum())
    size = batch_tokens or (SMALL if residues < LARGE_SET else LARGE)
    updates = float(np.interp(len(lengths), ROWS, UPDATES))
    fewest = EPOCHS_WITH_STRUCTURE if structure else EPOCHS
    epochs = max(fewest, round(updates / max(batches(lengths, size), 1)))
    lr = LOW_RATE if structure or size >= LARGE else RATE
    return Pace(lr, epochs, patience=CHECKS, batch_tokens=size)


def batches(lengths: NDArray[np.int64], batch_tokens: int) -> int:
    """Number of batches of an epoch."""
    return len(plan_epoch(lengths, batch_tokens, seed=0, epoch=1).batches)


def in_words(pace: Pace, lengths: NDArray[np.int64]) -> str:
    """Say in a line how long a training on rows of these lengths is."""
    count = batches(lengths, pace.batch_tokens)
    return (
        f"{pace.epochs * count:,} updates: {pace.epochs:,} epochs of {count:,} batches of at most "
        f"{pace.batch_tokens:,} residues, at a learning rate of {pace.lr:g}"
    )
