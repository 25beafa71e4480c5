"""Cross-attention of SES-Adapter (arXiv 2404.14850): structure tokens ask, the sequence answers.

For packed embeddings X [T, d] and tokens s [T] of one alphabet::

    Q = W_q E[s] + b_q      K = W_k X + b_k      V = W_v X + b_v
    A = softmax( RoPE(Q) RoPE(K)^T / sqrt(d / H) )     within each protein
    output = A V

E has one row a code, so Q is a table: ``W_q E + b_q`` is projected once, [codes, d], and rows are
looked up. RoPE counts places from 0 in each protein, with base 10,000; its angles are computed in
float64, as in float32 they are off by 1e-4 some thousand residues out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from ..attention.packed import attend
from ..attention.rotation import Rotation, frequencies
from ..products.affine import AffineMap
from .packed_operations import WIDEST, one_hot


def rotation(lengths: Sequence[int], head_dim: int, device: torch.device) -> Rotation:
    """Rotary embedding of a packed batch of proteins of these lengths."""
    return Rotation(_frequencies(head_dim), lengths, device)


@cache
def _frequencies(head_dim: int) -> Tensor:
    with torch.inference_mode(False):
        return frequencies(head_dim, torch.float64)


class TokenAttention(nn.Module):
    """Attention of one alphabet's tokens to the sequence.

    Parameters
    ----------
    codes : int
        Rows of the token embedding: the alphabet's codes with its mask.
    width : int
        d.
    heads : int
        H; divides d into heads of even width.
    """

    def __init__(self, codes: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.embedding = nn.Embedding(codes, width)
        self.query = nn.Linear(width, width)
        self.key_value = AffineMap(width, 2 * width)

    def forward(self, x: Tensor, tokens: Tensor, lengths: Sequence[int], turn: Rotation) -> Tensor:
        """Return the attention's output, before residual and norm.

        Parameters
        ----------
        x : Tensor, shape=(T, d)
            Packed embeddings.
        tokens : Tensor, shape=(T,) or (T, codes)
            Codes, or shares of codes over conformers; the query of shares is their expectation.
        lengths : sequence of int
            Residues of each protein.
        turn : Rotation
            Of this batch.

        Returns
        -------
        Tensor, shape=(T, d)
        """
        table = self.query(self.embedding.weight)
        if tokens.ndim == 1 and tokens.is_cuda and len(table) <= WIDEST:
            tokens = one_hot(tokens, len(table), table.dtype)
        query = tokens.to(table.dtype) @ table if tokens.ndim == 2 else embedding(tokens, table)
        key_value = self.key_value(x).view(len(x), 2, -1)
        return attend(query, key_value, lengths, self.heads, rotation=turn)
