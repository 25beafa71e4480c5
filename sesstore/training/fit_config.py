"""How to train: the settings, their defaults, and what options of the command line say of them.

A field's metadata are its option's: ``help``; ``least`` and ``most`` of a whole number;
``choices``; ``share`` for a number from 0 to below 1. Importable without torch, so help is quick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .defaults import CHECKS, Pace, pace_for

SCHEDULES = ("cosine", "constant")
RESIDENCIES = ("auto", "device", "ram", "disk")


@dataclass(frozen=True)
class FitConfig:
    """How to train.

    The optimiser follows the paper's scripts. The schedule does not: the rate falls to zero, so
    that a training of few epochs ends on small steps. What is None is chosen by the size of the
    training set, see `defaults.pace_for`.

    Parameters
    ----------
    lr : float, optional
        Learning rate of AdamW.
    weight_decay : float
        Of AdamW.
    epochs : int, optional
        At most so many.
    patience : int, optional
        Stop after so many checks on valid (see `checked`) without a better monitor.
    batch_tokens : int, optional
        Most residues of a batch.
    seed : int
        Of weights, shuffling and dropout.
    min_plddt : int
        Mask the tokens of residues predicted with less; 0 masks none.
    schedule : str
        ``"cosine"`` to zero, or ``"constant"`` as in the paper.
    warmup : float
        Share of training over which the learning rate rises from zero.
    clip : float
        Largest norm of the gradient; 0 does not clip.
    class_weights : "balanced", tuple of float or None
        See `losses.class_weights`.
    focal : float
        Exponent of focal loss; 0 for plain cross-entropy.
    device : str or None
        ``"cpu"``, ``"cuda"``, ...; the best there is by default.
    residency : str
        ``"auto"``, ``"device"``, ``"ram"`` or ``"disk"``: where embeddings are held.
    stop_after : int, optional
        Stop after this one of the epochs and keep its weights; there need be no valid. For a
        training on all rows, whose length others have told. 0 keeps the linear term alone.
    """

    lr: float | None = field(
        default=None, metadata={"help": "Learning rate [default: by the training set]."}
    )
    weight_decay: float = field(default=0.01, metadata={"help": "Of AdamW."})
    epochs: int | None = field(
        default=None,
        metadata={
            "help": "At most so many [default: as many as make enough updates, 7 at least].",
            "least": 1,
        },
    )
    patience: int | None = field(
        default=None,
        metadata={
            "help": "Stop after so many checks on valid without a better one; there are 30, or one "
            "an epoch if those are fewer [default: never].",
            "least": 1,
        },
    )
    batch_tokens: int | None = field(
        default=None,
        metadata={"help": "Most residues of a batch [default: by the training set].", "least": 1},
    )
    seed: int = field(
        default=0, metadata={"help": "The first; of weights, shuffling, dropout.", "least": 0}
    )
    min_plddt: int = field(
        default=0,
        metadata={"help": "Mask residues predicted with less.", "least": 0, "most": 100},
    )
    schedule: str = field(
        default="cosine", metadata={"help": "Of the learning rate.", "choices": SCHEDULES}
    )
    warmup: float = field(
        default=0.1,
        metadata={"help": "Share of training the rate rises over.", "share": True},
    )
    clip: float = field(default=0.0, metadata={"help": "Largest norm of the gradient; 0: any."})
    class_weights: str | tuple[float, ...] | None = None
    focal: float = field(default=0.0, metadata={"help": "Exponent of focal loss; 0: none."})
    device: str | None = None
    residency: str = field(
        default="auto",
        metadata={"help": "Where embeddings are held.", "choices": RESIDENCIES},
    )
    stop_after: int | None = None

    def __post_init__(self) -> None:
        for name in ("lr", "epochs", "patience", "batch_tokens"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise InputError(f"{name} must be positive, got {value}")
        for name in ("weight_decay", "clip", "focal", "min_plddt", "stop_after"):
            if (value := getattr(self, name)) is not None and value < 0:
                raise InputError(f"{name} must not be negative, got {value}")
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule '{self.schedule}' is none of {', '.join(SCHEDULES)}")
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup is a share of training from 0 to below 1, not {self.warmup}")

    def completed(self, lengths: NDArray[np.int64], *, structure: bool = False) -> FitConfig:
        """Return settings with all that is None chosen by the training set.

        Parameters
        ----------
        lengths : ndarray, shape=(N,)
            Residues of each training row.
        structure : bool
            Whether the adapter reads structure tokens.
        """
        pace = vars(pace_for(lengths, self.batch_tokens, structure=structure))
        return replace(self, **{k: v for k, v in pace.items() if getattr(self, k) is None})

    @property
    def pace(self) -> Pace:
        """What follows from the training set; raises `InputError` if some of it is still None."""
        values = {field.name: getattr(self, field.name) for field in fields(Pace)}
        if missing := [name for name, value in values.items() if value is None]:
            raise InputError(f"{', '.join(missing)} must be chosen: see `FitConfig.completed`")
        return Pace(**values)

    def rate(self, progress: float) -> float:
        """Learning rate when a share `done` of training lies behind."""
        lr = self.pace.lr
        if progress < self.warmup:
            return lr * progress / self.warmup
        if self.schedule == "constant":
            return lr
        return lr * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup))) / 2

    def checked(self, epoch: int) -> bool:
        """Whether valid is scored after an epoch (from 1): about `CHECKS` times in all.

        After each epoch where there are no more than that, and always after the last.
        """
        epochs = self.pace.epochs
        due = epoch * CHECKS // epochs > (epoch - 1) * CHECKS // epochs
        return due or epoch == self.last_epoch

    @property
    def last_epoch(self) -> int:
        """The epoch after which training ends, if patience does not end it before."""
        epochs = self.pace.epochs
        return epochs if self.stop_after is None else min(epochs, self.stop_after)
