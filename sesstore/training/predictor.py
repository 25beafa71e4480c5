"""A run at work: what its adapter says of proteins without labels, piece after piece.

Weights are read once; memory is that of the piece in hand. Of a training by several seeds all
adapters are asked and the mean of what they say is given, which is steadier than any one of them.
Predictions of a protein do not depend on the piece it comes in. `pooling_weights` says where an
adapter looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..adapter.model import Adapter
from ..adapter.pooling import Attention1d
from ..adapter.workers import workers
from ..encoders.devices import choose_device
from ..streaming.composition import Compositions
from ..streaming.means import mean_embeddings
from ..streaming.reader import EmbeddingRows, SplitData
from ..streaming.splittokens import TokenRows
from ..tasks import Problem
from .arithmetic import mixed_precision, reproducible
from .certainty import certainty_of
from .checkpoint import load_adapter
from .evaluate import check_encoder, predict_scores
from .linearterm import load_term, term_of
from .runs import Run


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a run says of some proteins.

    Parameters
    ----------
    scores : list of Tensor, length N
        For each protein probabilities [C] or a value [], for residue problems [L, C] or [L].
    structure : ndarray, shape=(N,), dtype=bool
        Whether structure tokens of the protein were used.
    unmasked : ndarray, shape=(N,), dtype=float64
        Share of its residues with a token in every alphabet the run uses.
    spread : list of Tensor, length N
        Standard deviation over seeds, shaped as `scores`; empty of one seed.
    distance : ndarray, shape=(N,), dtype=float64, or None
        To the nearest training protein, see `applicability`.
    """

    scores: list[Tensor]
    structure: NDArray[np.bool_]
    unmasked: NDArray[np.float64]
    spread: list[Tensor] = field(default_factory=list)
    distance: NDArray[np.float64] | None = None


class Predictor:
    """The adapters of a training.

    Parameters
    ----------
    runs : sequence of Run
        One, or those of several seeds, see `seeds.runs_at`.
    device : str or None
        As `FitConfig.device`.

    Raises
    ------
    MissingFileError, InputError
        Weights are absent or broken, or there is no such device.
    """

    def __init__(self, runs: Sequence[Run], device: str | None = None) -> None:
        self.run, self._runs = runs[0], runs
        self._device = choose_device(device)
        self._terms = [load_term(run) for run in runs]
        self._adapters = [load_adapter(run, self._device) for run in runs]
        self.certainty = certainty_of(runs)
        """How sure its predictions are."""

    def __call__(
        self,
        digests: NDArray[np.uint8],
        embeddings: EmbeddingRows,
        tokens: TokenRows | None,
        compositions: Compositions | None = None,
    ) -> Predictions:
        """Predict for some proteins.

        Parameters
        ----------
        digests : ndarray, shape=(N, 32), dtype=uint8
            The proteins, in the order wanted; repeats are fine. Those without structure tokens are
            predicted with masked ones.
        embeddings : EmbeddingRows
            That hold them, by the run's encoder.
        tokens : TokenRows or None
            Of the structures.
        compositions : Compositions, optional
            Of the proteins; runs with a linear term need them.

        Raises
        ------
        FingerprintMismatchError
            The embeddings are another encoder's.
        NotStoredError
            Proteins have no embedding.
        """
        problem = Problem(self.run.task["problem"])
        data = _data_of(self.run, self._adapters[0], digests, embeddings, tokens)
        with reproducible(self._device), workers(self._device) as pool:
            by_model = []
            for adapter, term, run in zip(self._adapters, self._terms, self._runs, strict=True):
                data.offset = term_of(term, data, compositions)
                by_model.append(predict_scores(adapter, data, problem, run.scale, pool))
        scores, spread, distance = by_model[0], list[Tensor](), None
        if len(by_model) > 1:
            each = [torch.stack(rows) for rows in zip(*by_model, strict=True)]
            scores, spread = [rows.mean(0) for rows in each], [rows.std(0) for rows in each]
        if self.certainty.training is not None:
            means = mean_embeddings(embeddings, embeddings.find(digests))
            distance = self.certainty.training.distances(means.numpy())
        return Predictions(scores, data.with_tokens, data.unmasked(), spread, distance)

    def pooling_weights(
        self, digests: NDArray[np.uint8], embeddings: EmbeddingRows, tokens: TokenRows | None
    ) -> list[NDArray[np.float64]] | None:
        """How much each residue counts, mean over the adapters; see `pooling_weights`.

        Adapters that add nothing to their linear model do not count.
        """
        data = _data_of(self.run, self._adapters[0], digests, embeddings, tokens)
        adapters = [
            a for a, run in zip(self._adapters, self._runs, strict=True) if not run.is_linear
        ]
        by_model = [_weights(adapter, data) for adapter in adapters]
        rows = [weights for weights in by_model if weights is not None]
        return [np.mean(each, axis=0) for each in zip(*rows, strict=True)] if rows else None


def pooling_weights(
    run: Run, digests: NDArray[np.uint8], embeddings: EmbeddingRows, tokens: TokenRows | None
) -> list[NDArray[np.float64]] | None:
    """How much each residue counts in what is pooled for its protein.

    Parameters
    ----------
    run : Run
        Trained on embeddings by the same encoder.
    digests : ndarray, shape=(N, 32), dtype=uint8
        The proteins; those without structure tokens get masked ones.
    embeddings : EmbeddingRows
        That hold them.
    tokens : TokenRows or None
        Of the structures.

    Returns
    -------
    list of ndarray, shape=(L,), or None
        Weights that sum to 1; None where there are none, see `attention_absence`.

    Raises
    ------
    FingerprintMismatchError
        The embeddings are another encoder's.
    NotStoredError
        Proteins have no embedding.
    """
    if run.is_linear:
        return None
    adapter = load_adapter(run)
    return _weights(adapter, _data_of(run, adapter, digests, embeddings, tokens))


def attention_absence(runs: Sequence[Run]) -> str:
    """Why runs on proteins do not weigh residues, as a verb and on; empty where they do."""
    if all(run.is_linear for run in runs):
        return "predicts by its linear model alone"
    pooling = runs[0].config["adapter"]["pooling"]
    return "" if pooling == "attention1d" else f"pools by {pooling}, not by attention1d"


def _data_of(
    run: Run,
    adapter: Adapter,
    digests: NDArray[np.uint8],
    embeddings: EmbeddingRows,
    tokens: TokenRows | None,
) -> SplitData:
    check_encoder(run, embeddings)
    return SplitData(
        embeddings,
        tokens,
        digests,
        alphabets=adapter.config.alphabets,
        min_plddt=run.config["fit"]["min_plddt"],
    )


def _weights(adapter: Adapter, data: SplitData) -> list[NDArray[np.float64]] | None:
    if not isinstance(adapter.pool, Attention1d):
        return None
    device = adapter.norm.weight.device
    batch = data.read(np.arange(len(data))).to(device)
    with torch.inference_mode(), mixed_precision(device):
        weights = adapter.pool.weights(adapter.residues(batch), batch.lengths)
    return [row.cpu().double().numpy() for row in weights]
