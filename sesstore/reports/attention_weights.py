"""Where a trained adapter looks: the weight of each residue in what is pooled for its protein."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..adapter.pooling import Attention1d
from ..streaming.reader import EmbeddingRows, SplitData
from ..streaming.splittokens import TokenRows
from ..training.checkpoint import load_adapter
from ..training.evaluate import check_encoder
from ..training.runs import Run


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
        Weights that sum to 1; None unless the run pools by ``attention1d``.

    Raises
    ------
    FingerprintMismatchError
        The embeddings are another encoder's.
    NotStoredError
        Proteins have no embedding.
    """
    check_encoder(run, embeddings)
    adapter = load_adapter(run)
    if not isinstance(adapter.pool, Attention1d):
        return None
    data = SplitData(
        embeddings,
        tokens,
        digests,
        alphabets=adapter.config.alphabets,
        min_plddt=run.config["fit"]["min_plddt"],
    )
    batch = data.read(np.arange(len(data)))
    with torch.inference_mode():
        weights = adapter.pool.weights(adapter.residues(batch), batch.lengths)
    return [row.double().numpy() for row in weights]
