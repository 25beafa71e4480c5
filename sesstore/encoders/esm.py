"""ESM-2 (Lin et al. 2023), ESM-1b and ESM-1v (Rives et al. 2021, Meier et al. 2021), packed.

Residues of a batch lie back to back with each protein's BOS and EOS, which the models were trained
with and which are not stored. One matrix product makes queries, keys and values; language-model and
contact heads are never built. The embedding is the last layer after the final LayerNorm, as
fair-esm returns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..attention.packed import attend
from ..attention.rotation import Rotation, frequencies
from ..errors import WeightsError
from . import weights as files
from .base import PackedEncoder, prepared
from .catalogue import EncoderSpec, Options
from .checkpoints import Checkpoint, read_checkpoint
from .kernels import LayerNorm, Linear

_LETTERS = "LAGVSERTIDPKQNFYMHWCXBUZO"
_BOS, _EOS, _FIRST = 0, 2, 4
_TOKEN_OF = np.full(128, _FIRST + _LETTERS.index("X"), np.int64)  # J, which ESM lacks, becomes X
_TOKEN_OF[[ord(c) for c in _LETTERS]] = np.arange(_FIRST, _FIRST + len(_LETTERS))
_KEPT = 1 - 0.15 * 0.8
"""Token dropout: ESM scales its input by the share of tokens that training left unmasked."""
_PADDING = 1
"""Learned positions count from one past the padding token's."""


def load(spec: EncoderSpec, options: Options) -> Esm:
    """Make an ESM ready; see `registry.load`."""
    return prepared(Esm, spec, options, files.find(spec, options.weights))


class Esm(PackedEncoder):
    """A model of the ESM-2 or ESM-1 family; see `PackedEncoder`."""

    def build(self) -> _Trunk:
        """Read the weights."""
        read = read_checkpoint(self.path, self.spec)
        try:
            return _Trunk(_Weights(read, self.device, self.dtype), self.spec)
        except KeyError as missing:
            raise WeightsError(
                f"'{self.path}' is no checkpoint of {self.full_name}: it lacks {missing}"
            ) from None

    def forward(self, sequences: Sequence[str]) -> Tensor:
        """Encode sequences; packed [sum of L, d], in their order."""
        tokens = np.concatenate([tokenise(sequence) for sequence in sequences])
        lengths = [len(sequence) + 2 for sequence in sequences]
        trunk: _Trunk = self.model
        x = trunk(torch.from_numpy(tokens).to(self.device), lengths)
        ends = np.cumsum(lengths)
        return torch.cat(
            [x[end - length + 1 : end - 1] for end, length in zip(ends, lengths, strict=True)]
        )

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length (matrix products only)."""
        d, rows = self.dim, length + 2
        return self.spec.layers * (24 * rows * d * d + 4 * rows * rows * d)


def tokenise(sequence: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """ESM tokens of a normalised sequence with BOS and EOS, one a residue."""
    letters = np.frombuffer(sequence.encode("ascii"), np.uint8)
    return np.concatenate([[_BOS], _TOKEN_OF[letters], [_EOS]])


class _Weights:
    """A checkpoint's tensors by name, moved where they are to run."""

    def __init__(self, read: Checkpoint, device: torch.device, dtype: torch.dtype) -> None:
        self._state, self._eps = read.state, read.eps
        self.token_dropout = read.token_dropout
        self._device, self._dtype = device, dtype

    def __contains__(self, name: str) -> bool:
        return name in self._state

    def __getitem__(self, name: str) -> Tensor:
        return self._state[name].to(self._device, self._dtype)

    def raw(self, name: str) -> Tensor:
        """As stored."""
        return self._state[name]

    def linear(self, name: str, activation: str = "none") -> Linear:
        """Affine map of that name."""
        return Linear(self[f"{name}.weight"], self[f"{name}.bias"], activation)

    def norm(self, name: str) -> LayerNorm:
        """Layer normalisation of that name."""
        return LayerNorm(self[f"{name}.weight"], self[f"{name}.bias"], self._eps)


class _Trunk:
    """Embedding, layers and final norm."""

    def __init__(self, weights: _Weights, spec: EncoderSpec) -> None:
        self._heads = spec.heads
        self._embedding = weights["embed_tokens.weight"]
        if weights.token_dropout:
            self._embedding = self._embedding * _KEPT
        self._positions: Tensor | None = None
        self._first_norm: LayerNorm | None = None
        if "embed_positions.weight" in weights:
            self._positions = weights["embed_positions.weight"]
        if "emb_layer_norm_before.weight" in weights:
            self._first_norm = weights.norm("emb_layer_norm_before")
        self._frequencies = _frequencies(weights, spec) if self._positions is None else None
        self._layers = [
            _Layer(weights, f"layers.{layer}.", spec.heads) for layer in range(spec.layers)
        ]
        self._norm = weights.norm("emb_layer_norm_after")

    def __call__(self, tokens: Tensor, lengths: list[int]) -> Tensor:
        x = F.embedding(tokens, self._embedding)
        rotation = None
        if self._frequencies is not None:
            rotation = Rotation(self._frequencies, lengths, x.device)
        if self._positions is not None:
            first = _PADDING + 1
            x += torch.cat([self._positions[first : first + length] for length in lengths])
        if self._first_norm is not None:
            x = self._first_norm(x)
        for layer in self._layers:
            layer(x, lengths, rotation)
        return self._norm(x)


class _Layer:
    """A pre-norm transformer layer."""

    def __init__(self, weights: _Weights, prefix: str, heads: int) -> None:
        self._heads = heads
        query, key, value = (
            tuple(weights[f"{prefix}self_attn.{part}_proj.{kind}"] for kind in ("weight", "bias"))
            for part in "qkv"
        )
        weight, bias = (torch.cat(rows) for rows in zip(query, key, value, strict=True))
        self._qkv = Linear(weight, bias)
        self._out = weights.linear(f"{prefix}self_attn.out_proj")
        self._before_attention = weights.norm(f"{prefix}self_attn_layer_norm")
        self._before_hidden = weights.norm(f"{prefix}final_layer_norm")
        self._hidden = weights.linear(f"{prefix}fc1", "gelu")
        self._back = weights.linear(f"{prefix}fc2")

    def __call__(self, x: Tensor, lengths: list[int], rotation: Rotation | None) -> None:
        """Change rows [T, d] in place."""
        qkv = self._qkv(self._before_attention(x)).view(len(x), 3, -1)
        attended = attend(qkv[:, 0], qkv[:, 1:], lengths, self._heads, rotation=rotation)
        self._out.add(attended, x)
        self._back.add(self._hidden(self._before_hidden(x)), x)


def _frequencies(weights: _Weights, spec: EncoderSpec) -> Tensor:
    """Rotary frequencies as the checkpoint has them (some hold rounded ones), else the formula."""
    name = "layers.0.self_attn.rot_emb.inv_freq"
    if name in weights:
        return weights.raw(name).float()
    return frequencies(spec.dim // spec.heads)
