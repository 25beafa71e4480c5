"""Attention of packed sequences, by the fastest kernel there is for where they lie."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from . import fused, native, varlen
from .bias import OffsetBias
from .rotation import Rotation


def attend(
    query: Tensor,
    key_value: Tensor,
    lengths: Sequence[int],
    heads: int,
    scale: float | None = None,
    rotation: Rotation | None = None,
    bias: OffsetBias | None = None,
) -> Tensor:
    """Softmax attention within each sequence, differentiable in queries, keys and values.

    On an x86-64 CPU in float32 our own kernel attends, on a GPU one of torch's two for sequences of
    any length, or one of our own if there is a bias, and elsewhere torch's plain one, sequence by
    sequence.

    Parameters
    ----------
    query : Tensor, shape=(T, d)
        Packed rows.
    key_value : Tensor, shape=(T, 2, d)
        Keys and values of the same rows.
    lengths : sequence of int
        Rows of each sequence; they sum to T.
    heads : int
        H; d is H heads of head_dim, side by side.
    scale : float, optional
        Of the scores; ``head_dim ** -0.5`` by default.
    rotation : Rotation, optional
        Of this batch; turns queries and keys.
    bias : OffsetBias, optional
        Of this batch; added to the scores, for inference only.

    Returns
    -------
    Tensor, shape=(T, d)
    """
    head_dim = query.shape[-1] // heads
    scale = head_dim**-0.5 if scale is None else scale
    if native.takes(query, heads):
        turns = None if rotation is None else rotation.table()
        table = None if bias is None else bias.table
        return native.attend(query, key_value, lengths, heads, scale, turns, table)
    shape = (len(query), heads, head_dim)
    query, key, value = (x.reshape(shape) for x in (query, *key_value.unbind(1)))
    if rotation is not None:
        query, key = rotation(query), rotation(key)
    # From here on the order is that of speed: the first kernel that takes these arguments attends.
    if bias is None and varlen.takes(query):
        return varlen.attend_varlen(query, key, value, lengths, scale)
    if bias is not None and (kernel := fused.biased_attention(query.device, query.dtype, head_dim)):
        ends = varlen.ends_of(lengths, query.device)
        attended: Tensor = kernel.attend(query, key, value, ends, max(lengths), scale, bias.table)
        return attended
    if bias is None and varlen.efficient_takes(query):
        return varlen.attend_efficient(query, key, value, lengths, scale)
    # Splitting, unlike slicing, has a gradient that is one concatenation.
    sizes = list(lengths)
    parts = []
    for sequence in zip(*(torch.split(x, sizes) for x in (query, key, value)), strict=True):
        q, k, v = (part.transpose(0, 1)[None] for part in sequence)
        mask = None if bias is None else bias.of_pairs(q.shape[2])
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
        parts.append(attended[0].transpose(0, 1))
    return torch.cat(parts).flatten(1)


def attend_within(
    qkv: Tensor,
    lengths: Sequence[int],
    heads: int,
    scale: float | None = None,
    rotation: Rotation | None = None,
    bias: OffsetBias | None = None,
) -> Tensor:
    """As `attend`, of queries, keys and values side by side; without gradients.

    Parameters
    ----------
    qkv : Tensor, shape=(T, 3, d)
        May be changed: where our CPU kernel does not attend, queries and keys are turned in place.
    lengths, heads, scale, rotation, bias
        As of `attend`.

    Returns
    -------
    Tensor, shape=(T, d)
    """
    query, key_value = qkv[:, 0], qkv[:, 1:]
    if rotation is not None and not native.takes(query, heads):
        rotation.turn_(qkv.view(len(qkv), 3 * heads, -1)[:, : 2 * heads])
        rotation = None
    return attend(query, key_value, lengths, heads, scale, rotation, bias)
