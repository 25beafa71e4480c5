"""A training beside simple models: the record that stays in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..store.atomic_files import replace_file
from .metrics import HIGHER_IS_WORSE
from .seeds import between

RECORD = "baselines.json"
MODELS = {
    "trivial": "the mean, or the classes' shares",
    "sequence": "linear, on composition and length",
    "neighbours": "nearest proteins by mean embedding",
    "linear": "linear, on mean embeddings",
}
"""What each simple model is; of residues, their own letter and embedding."""


@dataclass(frozen=True)
class BaselineReport:
    """Simple models on the rows of a training, and the adapter against the best of them.

    Parameters
    ----------
    split : str
        Which is reported: ``test``, or ``valid`` if there is no test.
    monitor : str
        The metric that is compared.
    metrics : dict of str to dict
        For each model, for each split, metric to value.
    intervals : dict of str to (float, float)
        95 % interval of each model's monitor on the reported split.
    seconds : dict of str to float
        Of fitting and predicting, by model.
    best : str
        The model with the best monitor on valid.
    difference, low, high : float
        Mean monitor of the adapter minus that of the best model, on the reported split, and its
        95 % interval; NaN where a metric is not defined.
    """

    split: str
    monitor: str
    metrics: dict[str, dict[str, dict[str, float]]]
    intervals: dict[str, tuple[float, float]]
    seconds: dict[str, float]
    best: str
    difference: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """Which is better, in a sentence."""
        sign = -1 if self.monitor in HIGHER_IS_WORSE else 1
        low, high = sorted((sign * self.low, sign * self.high))
        if low > 0:
            verdict = f"The adapter is better than the best simple model ({self.best})"
        elif high < 0:
            verdict = f"The adapter is worse than the best simple model ({self.best})"
        else:
            verdict = f"The adapter and the best simple model ({self.best}) are not told apart"
        return (
            f"{verdict}: {self.split} {self.monitor} {self.difference:+.4f} "
            f"(95 % interval {between((self.low, self.high), signed=True)})"
        )

    def save(self, folder: Path) -> None:
        """Write the record into a training's folder, in one step."""
        replace_file(folder / RECORD, json.dumps(self.to_json(), indent=1).encode() + b"\n")

    @classmethod
    def load(cls, folder: Path) -> BaselineReport | None:
        """Read the record of a training; None if no simple models were measured.

        Raises
        ------
        InputError
            It is broken.
        """
        try:
            return cls(**json.loads((folder / RECORD).read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as problem:
            raise InputError(
                f"{folder / RECORD} is no record of simple models: {problem}. Remove it"
            ) from None
