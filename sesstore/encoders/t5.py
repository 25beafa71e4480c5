"""ProtT5 and ProstT5 (Elnaggar et al. 2022, Heinzinger et al. 2024) and Ankh: T5's encoder, packed.

Of T5 (Raffel et al. 2020, arXiv 1910.10683) only the encoder runs. Positions enter as a bias of the
scores that depends on the distance of two residues, computed once a batch for all layers. Every
sequence ends in ``</s>``; ProstT5 reads ``<AA2fold>`` before amino acids and Ankh-3 ``[NLU]``; rows
of these are not stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..attention import native
from ..attention.bias import OffsetBias
from ..attention.packed import attend
from ..errors import WeightsError
from . import weights as files
from .base import PackedEncoder, prepared
from .catalogue import EncoderSpec, Options
from .folders import Folder, read_folder
from .kernels import Linear
from .letters import Letters


def load(spec: EncoderSpec, options: Options) -> T5:
    """Make a T5 encoder ready; see `registry.load`."""
    return prepared(T5, spec, options, files.find(spec, options.weights))


class T5(PackedEncoder):
    """An encoder of the T5 family; see `PackedEncoder`."""

    def build(self) -> _Trunk:
        """Read the weights and the vocabulary."""
        folder = read_folder(self.path)
        config = folder.config
        shape = (config.get("num_layers"), config.get("d_model"))
        if shape != (self.spec.layers, self.spec.dim):
            raise WeightsError(
                f"'{self.path}' holds a T5 of {shape[0]} layers and width {shape[1]}; "
                f"{self.name} has {self.spec.layers} and {self.spec.dim}. Name the right folder "
                f"with --weights"
            )
        self._letters = Letters(self.path, self.spec.reading)
        try:
            return _Trunk(folder, self.device, self.dtype)
        except KeyError as missing:
            raise WeightsError(
                f"'{self.path}' is no T5 encoder: it lacks {missing}. Get its files again"
            ) from None

    def forward(self, sequences: Sequence[str]) -> Tensor:
        """Encode sequences; packed [sum of L, d], in their order."""
        trunk: _Trunk = self.model
        tokens = [self._letters(sequence) for sequence in sequences]
        lengths = [len(ids) for ids in tokens]
        x = trunk(torch.from_numpy(np.concatenate(tokens)).to(self.device), lengths)
        first, last = self._letters.before, self._letters.after
        rows = torch.split(x, lengths)
        return torch.cat([row[first : len(row) - last] for row in rows])

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length (matrix products only)."""
        rows = length + 2
        return 2 * self.spec.parameters * rows + 4 * self.spec.layers * rows * rows * self.dim

    def bytes_per_residue(self) -> int:
        """Torch's kernel needs the bias of every pair: the square of the length."""
        if self.device.type == "cpu" and native.kernel() is not None:
            return super().bytes_per_residue()
        longest = self.window or 2000
        return super().bytes_per_residue() + 2 * self.spec.heads * longest * self.dtype.itemsize


class _Trunk:
    """Embedding, layers and final norm."""

    def __init__(self, folder: Folder, device: torch.device, dtype: torch.dtype) -> None:
        config = folder.config

        def weight(name: str) -> Tensor:
            return folder.state[name].to(device, dtype)

        self._heads = int(config["num_heads"])
        self._eps = float(config.get("layer_norm_epsilon", 1e-6))
        name = "shared.weight" if "shared.weight" in folder.state else "encoder.embed_tokens.weight"
        self._embedding = weight(name)
        first = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        self._bias = weight(first).T.contiguous()  # [heads, buckets]
        self._distance = int(config.get("relative_attention_max_distance", 128))
        gated = str(config.get("feed_forward_proj", "relu")).startswith("gated")
        into, activation = (("wi_0", "wi_1"), "none") if gated else (("wi",), "relu")
        self._layers = []
        for layer in range(int(config["num_layers"])):
            block = f"encoder.block.{layer}.layer."
            attention = f"{block}0.SelfAttention."
            qkv = torch.cat([weight(f"{attention}{part}.weight") for part in "qkv"])
            hidden = f"{block}1.DenseReluDense."
            self._layers.append(
                _Layer(
                    self._heads,
                    self._eps,
                    weight(f"{block}0.layer_norm.weight"),
                    Linear(qkv),
                    Linear(weight(f"{attention}o.weight")),
                    weight(f"{block}1.layer_norm.weight"),
                    [Linear(weight(f"{hidden}{n}.weight"), None, activation) for n in into],
                    Linear(weight(f"{hidden}wo.weight")),
                )
            )
        self._norm = weight("encoder.final_layer_norm.weight")

    def __call__(self, tokens: Tensor, lengths: list[int]) -> Tensor:
        x = F.embedding(tokens, self._embedding)
        bias = OffsetBias(self._by_offset(max(lengths)))
        for layer in self._layers:
            layer(x, lengths, bias)
        return F.rms_norm(x, x.shape[-1:], self._norm, self._eps)

    def _by_offset(self, longest: int) -> Tensor:
        """Bias of keys `longest` - 1 before to as far behind the query: [heads, 2 longest - 1]."""
        offset = torch.arange(1 - longest, longest)
        buckets = bucket(offset, self._bias.shape[1], self._distance)
        return self._bias[:, buckets.to(self._bias.device)]


@dataclass
class _Layer:
    """Self-attention and feed-forward, each behind its norm."""

    heads: int
    eps: float
    before_attention: Tensor
    qkv: Linear
    out: Linear
    before_hidden: Tensor
    into: list[Linear]
    back: Linear

    def __call__(self, x: Tensor, lengths: list[int], bias: OffsetBias) -> None:
        """Change rows [T, d] in place."""
        qkv = self.qkv(F.rms_norm(x, x.shape[-1:], self.before_attention, self.eps))
        qkv = qkv.view(len(x), 3, -1)
        attended = attend(qkv[:, 0], qkv[:, 1:], lengths, self.heads, scale=1.0, bias=bias)
        self.out.add(attended, x)
        rows = F.rms_norm(x, x.shape[-1:], self.before_hidden, self.eps)
        hidden = self.into[0](rows)
        if len(self.into) == 2:
            hidden = F.gelu(hidden, approximate="tanh").mul_(self.into[1](rows))
        self.back.add(hidden, x)


def bucket(offset: Tensor, count: int, distance: int) -> Tensor:
    """Bucket of the distance of two places (Raffel et al. 2020, section 2.1), both directions.

    Parameters
    ----------
    offset : Tensor, dtype=int64
        Place of the key less that of the query.
    count : int
        Number of buckets; half are for keys behind the query. Of a half, half are for single
        distances, the others widen by a constant factor.
    distance : int
        From here on all distances share the last bucket.
    """
    half, exact = count // 2, count // 4
    far = offset.abs()
    share = torch.log(far.clamp(min=1).float() / exact) / math.log(distance / exact)
    wide = (exact + (share * (half - exact)).long()).clamp(max=half - 1)
    return (offset > 0) * half + torch.where(far < exact, far, wide)
