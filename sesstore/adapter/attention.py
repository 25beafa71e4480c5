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
from functools import cached_property, lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, scaled_dot_product_attention

from ..encoders.varlen import attend_varlen, takes

ROPE_BASE = 10000.0


class Rotation:
    """Rotary position embedding (Su et al. 2021, arXiv 2104.09864) of the residues of one batch.

    Each dimension i of a head is turned together with i + head_dim / 2. On a CPU in float32 the two
    are brought side by side (`arranged`) and turned as one complex number: one pass over memory,
    several times faster than by halves of some tens of numbers. Scores are the same, as queries
    and keys are arranged alike. Angles are computed in float64: in float32 they are off by 1e-4
    some thousand residues out.

    Parameters
    ----------
    positions : Tensor, shape=(T,)
        Place of each residue in its protein.
    heads : int
        H.
    head_dim : int
        Width of one head; even.
    dtype : torch.dtype
        Of queries and keys.
    """

    def __init__(self, positions: Tensor, heads: int, head_dim: int, dtype: torch.dtype) -> None:
        self.heads = heads
        self.side_by_side = positions.device.type == "cpu" and dtype == torch.float32
        rows = 1 << int(positions.max()).bit_length()
        kept = torch.complex64 if self.side_by_side else torch.complex128
        turns = _angles(rows, head_dim, kept, positions.device)[positions]
        if self.side_by_side:
            self._turn: tuple[Tensor, ...] = (turns.repeat(1, heads),)
        else:
            self._turn = tuple(part.to(dtype)[:, None] for part in (turns.real, turns.imag))

    @cached_property
    def _back(self) -> tuple[Tensor, ...]:
        """The turns back, which only a gradient needs."""
        if self.side_by_side:
            return (self._turn[0].conj().resolve_conj(),)
        cos, sin = self._turn
        return cos, -sin

    def arranged(self, rows: Tensor) -> Tensor:
        """Reorder the rows of a query or key projection, [d, ...], as `__call__` needs them."""
        if not self.side_by_side:
            return rows
        halves = rows.reshape(self.heads, 2, -1, *rows.shape[1:])
        return halves.transpose(1, 2).reshape(rows.shape)

    def __call__(self, x: Tensor) -> Tensor:
        """Turn queries or keys [T, d] of arranged projections."""
        turned: Tensor = _Rotate.apply(x, self)  # type: ignore[no-untyped-call]
        return turned

    def turned(self, x: Tensor, *, back: bool = False) -> Tensor:
        """Turn [T, d] forth, or back, without a gradient."""
        turn = self._back if back else self._turn
        if self.side_by_side:
            pairs = torch.view_as_complex(x.view(len(x), -1, 2))
            return torch.view_as_real(pairs * turn[0]).flatten(-2)
        cos, sin = (part.to(x.dtype) for part in turn)
        halves = x.view(len(x), self.heads, -1)
        made = torch.empty_like(halves, memory_format=torch.contiguous_format)
        (one, two), (first, second) = halves.chunk(2, -1), made.chunk(2, -1)
        torch.mul(one, cos, out=first).addcmul_(two, sin, value=-1)
        torch.mul(two, cos, out=second).addcmul_(one, sin)
        return made.flatten(-2)


@lru_cache(maxsize=16)
def _angles(rows: int, head_dim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Turns of the first places as complex numbers of length 1: [rows, head_dim / 2]."""
    with torch.inference_mode(False):  # kept beyond the call that first needs it
        steps = torch.arange(0, head_dim, 2, device=device, dtype=torch.float64)
        places = torch.arange(rows, device=device, dtype=torch.float64)
        angles = places[:, None] * ROPE_BASE ** (-steps / head_dim)
        return torch.polar(torch.ones_like(angles), angles).to(dtype)


class _Rotate(torch.autograd.Function):
    """A `Rotation` with its gradient, which is the rotation back."""

    @staticmethod
    def forward(ctx, x: Tensor, rotation: Rotation) -> Tensor:  # type: ignore[no-untyped-def, override]
        ctx.rotation = rotation
        return rotation.turned(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def, override]
        return ctx.rotation.turned(grad, back=True), None


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
        self, x: Tensor, tokens: Tensor, lengths: Sequence[int], rotate: Rotation
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
        rotate : Rotation
            Of this batch.

        Returns
        -------
        Tensor, shape=(T, d)
        """
        table = rotate.arranged(self.query(self.embedding.weight).T).T.contiguous()
        query = tokens.to(table.dtype) @ table if tokens.ndim == 2 else embedding(tokens, table)
        key, value = linear(x, *self._arranged_key_value(rotate)).chunk(2, -1)
        shape = (len(x), self.heads, -1)
        return attend(
            rotate(query).view(shape), rotate(key).view(shape), value.view(shape), lengths
        )

    def _arranged_key_value(self, rotate: Rotation) -> tuple[Tensor, Tensor]:
        """Weight [2 d, d] and bias [2 d] of the fused projection, the keys' rows arranged."""
        weight, bias = (
            torch.cat([rotate.arranged(key), value])
            for key, value in (
                rows.chunk(2) for rows in (self.key_value.weight, self.key_value.bias)
            )
        )
        return weight, bias
