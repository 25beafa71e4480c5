"""ESM-2 (Lin et al. 2023), ESM-1b and ESM-1v (Rives et al. 2021, Meier et al. 2021), packed.

Residues of a batch lie back to back with each protein's BOS and EOS, which the models were trained
with and which are not stored. One matrix product makes queries, keys and values; language-model and
contact heads are never built. The last layer stands after the final LayerNorm and the others do
not, as fair-esm returns them.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..attention.lengths import Lengths
from ..attention.packed import attend_within
from ..attention.rotation import Rotation, frequencies
from ..errors import WeightsError
from . import weights as files
from .base import PackedEncoder, make_encoder
from .catalogue import EncoderSpec, Options
from .checkpoints import Checkpoint, read_checkpoint
from .devices import stored_type
from .hidden_states import States, pre_norm_states
from .kernels import LayerNorm, Linear, Residual
from .tokeniser import PackedTokens, Tokeniser

_LETTERS = "LAGVSERTIDPKQNFYMHWCXBUZO"
_BOS, _EOS, _FIRST = 0, 2, 4
_TOKEN_OF = np.full(128, _FIRST + _LETTERS.index("X"), np.int32)  # J, which ESM lacks, becomes X
_TOKEN_OF[[ord(c) for c in _LETTERS]] = np.arange(_FIRST, _FIRST + len(_LETTERS))
TOKENISER = Tokeniser(_TOKEN_OF, (_BOS,), (_EOS,))
"""One token a residue, between BOS and EOS."""
_UNMASKED_SHARE = 1 - 0.15 * 0.8
"""Token dropout: ESM scales its input by the share of tokens that training left unmasked."""
_PADDING = 1
"""Learned positions count from one past the padding token's."""


def load(spec: EncoderSpec, options: Options) -> Esm:
    """Make an ESM ready; see `registry.load`."""
    return make_encoder(Esm, spec, options, files.find(spec, options.weights))


class Esm(PackedEncoder):
    """A model of the ESM-2 or ESM-1 family; see `PackedEncoder`."""

    def build(self) -> _Trunk:
        """Read the weights."""
        read = read_checkpoint(self.path, self.spec)
        try:
            return _Trunk(_Weights(read, self.device, self.dtype), self.spec, self.depth)
        except KeyError as missing:
            raise WeightsError(
                f"'{self.path}' is no checkpoint of {self.full_name}: it lacks {missing}. Get the "
                f"file again"
            ) from None

    def tokeniser(self) -> Tokeniser:
        """The one of all ESM models."""
        return TOKENISER

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length (matrix products only)."""
        d, rows = self.dim, length + 2
        return self.depth * (24 * rows * d * d + 4 * rows * rows * d)


class _Weights:
    """A checkpoint's tensors by name, moved where they are to run."""

    def __init__(self, read: Checkpoint, device: torch.device, dtype: torch.dtype) -> None:
        self._state, self._eps = read.state, read.eps
        self.token_dropout = read.token_dropout
        self._device, self.dtype = device, dtype

    def __contains__(self, name: str) -> bool:
        return name in self._state

    def __getitem__(self, name: str) -> Tensor:
        return self._state[name].to(self._device, self.dtype)

    def raw(self, name: str) -> Tensor:
        """As stored."""
        return self._state[name]

    def exact(self, name: str) -> Tensor:
        """In float32, for what is no factor of a product."""
        return self._state[name].to(self._device, torch.float32)

    def linear(self, name: str, activation: str = "none") -> Linear:
        """Affine map of that name."""
        return Linear(self[f"{name}.weight"], self[f"{name}.bias"], activation)

    def norm(self, name: str) -> LayerNorm:
        """Layer normalisation of that name."""
        return LayerNorm(self.exact(f"{name}.weight"), self.exact(f"{name}.bias"), self._eps)


class _Trunk:
    """Embedding, the first `depth` layers, and the final norm if these are all."""

    def __init__(self, weights: _Weights, spec: EncoderSpec, depth: int) -> None:
        self._dtype = weights.dtype
        self._embedding = weights.exact("embed_tokens.weight")
        if weights.token_dropout:
            self._embedding = self._embedding * _UNMASKED_SHARE
        self._positions: Tensor | None = None
        self._first_norm: LayerNorm | None = None
        if "embed_positions.weight" in weights:
            self._positions = weights.exact("embed_positions.weight")[_PADDING + 1 :]
        if "emb_layer_norm_before.weight" in weights:
            self._first_norm = weights.norm("emb_layer_norm_before")
        self._frequencies = _frequencies(weights, spec) if self._positions is None else None
        self._layers = [_Layer(weights, f"layers.{layer}.", spec.heads) for layer in range(depth)]
        self._norm = weights.norm("emb_layer_norm_after") if depth == spec.layers else None

    def __call__(self, batch: PackedTokens, wanted: Collection[int]) -> States:
        """Yield the wanted layers' rows, [T, d]."""
        x = F.embedding(batch.ids, self._embedding)
        rotation = None
        if self._frequencies is not None:
            rotation = Rotation(self._frequencies, batch.lengths, x.device)
        if self._positions is not None:
            x += F.embedding(batch.lengths.positions, self._positions)
        if self._first_norm is not None:
            x = self._first_norm(x)
        layers = [
            partial(layer, lengths=batch.lengths, rotation=rotation) for layer in self._layers
        ]
        residual = Residual(x, self._dtype)
        return pre_norm_states(residual, layers, self._norm, wanted, stored_type(self._dtype))


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

    def __call__(self, residual: Residual, lengths: Lengths, rotation: Rotation | None) -> None:
        """Add both branches of the layer."""
        rows = residual.normalised(self._before_attention)
        qkv = self._qkv(rows).view(len(rows), 3, -1)
        attended = attend_within(qkv, lengths, self._heads, rotation=rotation)
        residual.add(self._out, attended)
        residual.add(self._back, self._hidden(residual.normalised(self._before_hidden)))


def _frequencies(weights: _Weights, spec: EncoderSpec) -> Tensor:
    """Rotary frequencies as the checkpoint has them (some hold rounded ones), else the formula."""
    name = "layers.0.self_attn.rot_emb.inv_freq"
    if name in weights:
        return weights.raw(name).float()
    return frequencies(spec.dim // spec.heads)
