"""How far a protein is from what a run was trained on: its applicability domain.

Distance is one minus the cosine of mean embeddings to the nearest training protein. Training
proteins themselves tell what is usual: the distance of each to the nearest other. Beyond the 99th
percentile of those a prediction rests on nothing like the protein.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from ..neighbours.cosine import nearest
from ..store.atomic_files import replace_file
from ..streaming.means import mean_embeddings
from ..streaming.reader import EmbeddingRows

FILE = "training-set.safetensors"
MOST = 20_000
"""Training proteins that are kept; of more so many are drawn."""
PERCENTILE = 99


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Means of a run's training proteins.

    Parameters
    ----------
    means : ndarray, shape=(N, d), dtype=float16
    limit : float
        The distance that `PERCENTILE` % of them keep to the nearest other.
    """

    means: NDArray[np.float16]
    limit: float

    def distances(self, means: NDArray[Any]) -> NDArray[np.float64]:
        """Distance of each protein to the nearest training protein, shape=(Q,); 0 to 2."""
        similarity = nearest(means, [self.means], 1).similarity[:, 0]
        distances: NDArray[np.float64] = np.maximum(1 - similarity.astype(np.float64), 0)
        return distances

    def save(self, folder: Path) -> None:
        """Write it beside a run."""
        tensors = {
            "means": torch.from_numpy(self.means),
            "limit": torch.tensor(self.limit, dtype=torch.float64),
        }
        replace_file(folder / FILE, save(tensors))

    @classmethod
    def load(cls, folder: Path) -> TrainingSet | None:
        """Read it from a run's folder, or the one above it, of all seeds; None if there is none."""
        for place in (folder, folder.parent):
            if (place / FILE).is_file():
                tensors = load((place / FILE).read_bytes())
                return cls(tensors["means"].numpy(), float(tensors["limit"]))
        return None


def training_set(
    view: EmbeddingRows, digests: NDArray[np.uint8], *, seed: int = 0
) -> TrainingSet | None:
    """Read the means of training proteins; None of fewer than two.

    Parameters
    ----------
    view : EmbeddingRows
        Under the run's encoder.
    digests : ndarray, shape=(N, 32), dtype=uint8
    seed : int
        Of the draw, where there are more than `MOST`.
    """
    distinct = np.unique(digests, axis=0)
    if len(distinct) > MOST:
        sample = np.random.default_rng(seed).choice(len(distinct), MOST, replace=False)
        distinct = distinct[np.sort(sample)]
    if len(distinct) < 2:
        return None
    means = mean_embeddings(view, view.find(distinct)).numpy()
    neighbours = nearest(means, [means], 1, without=np.arange(len(means)))
    limit = np.percentile(1 - neighbours.similarity[:, 0].astype(np.float64), PERCENTILE)
    return TrainingSet(means.astype(np.float16), float(max(limit, 0.0)))
