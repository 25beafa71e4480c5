"""The adapter as its paper writes it: padded, every residue projected, nothing clever.

A slow second write-up of section 6 of the plan, straight from the formulas (arXiv 2404.14850), to
which the packed adapter must be equal. It reads the packed adapter's parameters by name, so that
gradients of one can be compared with gradients of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from sesstore.adapter.adapter_config import AdapterConfig

Parameters = Mapping[str, Tensor]


def padded_logits(
    config: AdapterConfig,
    p: Parameters,
    proteins: Sequence[Tensor],
    tokens: Mapping[str, Sequence[Tensor]],
) -> Tensor:
    """Logits of proteins [L, d] with codes [L] (or shares [L, codes]), padded to the longest."""
    longest = max(len(x) for x in proteins)
    real = torch.stack([torch.arange(longest) < len(x) for x in proteins])
    x = torch.stack([F.pad(x, (0, 0, 0, longest - len(x))) for x in proteins])
    if config.width:
        x = x @ p["project.weight"].T + p["project.bias"]
    if not config.alphabets:
        x = _norm(x, p)
    for name in config.alphabets:
        x = _norm(x + _attention(config, p, name, x, tokens[name], real), p)
    if config.pooling == "residue":
        x = torch.cat([row[mask] for row, mask in zip(x, real, strict=True)])
    else:
        x = _POOL[config.pooling](x, real, p)
    hidden = torch.relu(x @ p["hidden.weight"].T + p["hidden.bias"])
    return hidden @ p["logits.weight"].T + p["logits.bias"]


def _norm(x: Tensor, p: Parameters) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * p["norm.weight"] + p["norm.bias"]


def _attention(
    config: AdapterConfig,
    p: Parameters,
    name: str,
    x: Tensor,
    tokens: Sequence[Tensor],
    real: Tensor,
) -> Tensor:
    at = f"attentions.{name}."
    table = p[at + "embedding.weight"]
    rows = [t @ table if t.ndim == 2 else table[t] for t in tokens]
    embedded = torch.stack([F.pad(r, (0, 0, 0, x.shape[1] - len(r))) for r in rows])
    key_weight, value_weight = p[at + "key_value.weight"].chunk(2)
    key_bias, value_bias = p[at + "key_value.bias"].chunk(2)
    query = embedded @ p[at + "query.weight"].T + p[at + "query.bias"]
    key = x @ key_weight.T + key_bias
    value = x @ value_weight.T + value_bias
    query, key, value = (t.unflatten(-1, (config.heads, -1)) for t in (query, key, value))
    query, key = _rope(query), _rope(key)
    scores = torch.einsum("bihc,bjhc->bhij", query, key) / query.shape[-1] ** 0.5
    scores = scores.masked_fill(~real[:, None, None, :], -torch.inf)
    return torch.einsum("bhij,bjhc->bihc", scores.softmax(-1), value).flatten(2)


def _rope(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    frequency = 10000.0 ** -(torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * frequency
    cos = angle.cos().to(x.dtype)[:, None]
    sin = angle.sin().to(x.dtype)[:, None]
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def _attention1d(x: Tensor, real: Tensor, p: Parameters) -> Tensor:
    scores = (x @ p["pool.score.weight"].T)[..., 0].masked_fill(~real, -torch.inf)
    return (scores.softmax(1)[..., None] * x).sum(1)


def _mean(x: Tensor, real: Tensor, p: Parameters) -> Tensor:
    return (x * real[..., None]).sum(1) / real.sum(1, keepdim=True)


def _light_attention(x: Tensor, real: Tensor, p: Parameters) -> Tensor:
    x = (x * real[..., None]).transpose(1, 2)
    feature, attention = (
        F.conv1d(x, p[f"pool.{n}.weight"], p[f"pool.{n}.bias"], padding="same")
        for n in ("feature", "attention")
    )
    weights = attention.masked_fill(~real[:, None], -torch.inf).softmax(-1)
    highest = feature.masked_fill(~real[:, None], -torch.inf).amax(-1)
    return torch.cat([(feature * weights).sum(-1), highest], -1)


_POOL = {"attention1d": _attention1d, "mean": _mean, "light_attention": _light_attention}
