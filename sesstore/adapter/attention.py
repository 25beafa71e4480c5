"""Cross-attention of SES-Adapter (arXiv 2404.14850): structure tokens ask, the sequence answers.

For packed embeddings X [T, d] and tokens s [T] of one alphabet::

    Q = W_q E[s] + b_q      K = W_k X + b_k      V = W_v X + b_v
    A = softmax( RoPE(Q) RoPE(K)^T / sqrt(d / H) )     within each protein
    output = A V

E has one row a code, so Q is a table: ``W_q E + b_q`` is projected once, [codes, d], and rows are
looked up. Proteins are attended to one by one on a CPU, whose kernel reads the packed rows in
place; on a GPU in half precision one variable-length kernel takes them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, scaled_dot_product_attention

from ..encoders.varlen import attend_varlen, takes

ROPE_BASE = 10000.0


def rotation(positions: Tensor, head_dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary position embedding (Su et al. 2021, arXiv 2104.09864).

    Angles are computed in float64: in float32 they are off by 1e-4 some thousand residues out.

    Parameters
    ----------
    positions : Tensor, shape=(T,)
        Place of each residue in its protein.
    head_dim : int
        Width of one head; even.
    dtype : torch.dtype
        Of the result.

    Returns
    -------
    tuple of Tensor, shape=(T, 1, head_dim / 2)
    """
    rows = 1 << int(positions.max()).bit_length()
    cos, sin = _angles(rows, head_dim, dtype, positions.device)
    return cos[positions], sin[positions]


@lru_cache(maxsize=16)
def _angles(
    rows: int, head_dim: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # kept beyond the call that first needs it
        steps = torch.arange(0, head_dim, 2, device=device, dtype=torch.float64)
        places = torch.arange(rows, device=device, dtype=torch.float64)
        angles = places[:, None, None] * ROPE_BASE ** (-steps / head_dim)
        return angles.cos().to(dtype), angles.sin().to(dtype)


class _Rotate(torch.autograd.Function):
    """Half-rotation of [T, H, head_dim]; its gradient is the rotation back."""

    @staticmethod
    def forward(ctx, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # type: ignore[no-untyped-def, override]
        ctx.save_for_backward(cos, sin)
        return _rotated(x, cos, sin)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def, override]
        cos, sin = ctx.saved_tensors
        return _rotated(grad, cos, -sin), None, None


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    turned = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    (one, two), (first, second) = x.chunk(2, -1), turned.chunk(2, -1)
    torch.mul(one, cos, out=first).addcmul_(two, sin, value=-1)
    torch.mul(two, cos, out=second).addcmul_(one, sin)
    return turned


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Apply rotary position embedding to heads [T, H, head_dim]."""
    turned: Tensor = _Rotate.apply(x, *turn)  # type: ignore[no-untyped-call]
    return turned


def attend(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int]) -> Tensor:
    """Softmax attention within each protein of a packed batch.

    Parameters
    ----------
    query, key, value : Tensor, shape=(T, H, head_dim)
        Packed residues.
    lengths : sequence of int
        Residues of each protein; they sum to T.

    Returns
    -------
    Tensor, shape=(T, H * head_dim)
    """
    if takes(query):
        return attend_varlen(query, key, value, lengths)
    # Splitting, unlike slicing, has a gradient that is one concatenation.
    sizes = list(lengths)
    parts = [
        scaled_dot_product_attention(*(part.transpose(0, 1)[None] for part in protein))
        for protein in zip(*(torch.split(x, sizes) for x in (query, key, value)), strict=True)
    ]
    return torch.cat([part[0].transpose(0, 1) for part in parts]).flatten(1)


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
        self.key_value = nn.Linear(width, 2 * width)

    def forward(
        self, x: Tensor, tokens: Tensor, lengths: Sequence[int], turn: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Return the attention's output, before residual and norm.

        Parameters
        ----------
        x : Tensor, shape=(T, d)
            Packed embeddings.
        tokens : Tensor, shape=(T,) or (T, codes)
            Codes, or shares of codes over conformers; the query of shares is their expectation.
        lengths : sequence of int
            Residues of each protein.
        turn : tuple of Tensor
            From `rotation`.

        Returns
        -------
        Tensor, shape=(T, d)
        """
        table = self.query(self.embedding.weight)
        query = tokens.to(table.dtype) @ table if tokens.ndim == 2 else embedding(tokens, table)
        key, value = self.key_value(x).chunk(2, -1)
        heads = (self.heads, -1)
        return attend(
            rotate(query.unflatten(-1, heads), turn),
            rotate(key.unflatten(-1, heads), turn),
            value.unflatten(-1, heads),
            lengths,
        )
