"""ProtT5 and ProstT5 (Elnaggar et al. 2022, Heinzinger et al. 2024) and Ankh: T5's encoder, packed.

Of T5 (Raffel et al. 2020, arXiv 1910.10683) only the encoder runs. Positions enter as a bias of the
scores that depends on the distance of two residues, computed once a batch for all layers. Every
sequence ends in ``</s>``; ProstT5 reads ``<AA2fold>`` before amino acids and Ankh-3 ``[NLU]``; rows
of these are not stored.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..attention import fused, native
from ..attention.bias import OffsetBias
from ..attention.cuda import to_device
from ..attention.lengths import Lengths
from ..attention.packed import attend_within
from ..errors import WeightsError
from . import weights as files
from .base import PackedEncoder, make_encoder
from .catalogue import EncoderSpec, Options
from .devices import stored_type
from .folders import Folder, read_config, read_folder
from .hidden_states import States, pre_norm_states
from .kernels import Linear, Residual, RmsNorm, result_type
from .tokeniser import PackedTokens, Tokeniser, read_tokeniser


def load(spec: EncoderSpec, options: Options) -> T5:
    """Make a T5 encoder ready; see `registry.load`."""
    return make_encoder(T5, spec, options, files.find(spec, options.weights))


class T5(PackedEncoder):
    """An encoder of the T5 family; see `PackedEncoder`."""

    def build(self) -> _Trunk:
        """Read the weights."""
        folder = read_folder(self.path)
        config = folder.config
        shape = (config.get("num_layers"), config.get("d_model"))
        if shape != (self.spec.layers, self.spec.dim):
            raise WeightsError(
                f"'{self.path}' holds a T5 of {shape[0]} layers and width {shape[1]}; "
                f"{self.name} has {self.spec.layers} and {self.spec.dim}. Name the right folder "
                f"with --weights"
            )
        try:
            return _Trunk(folder, self.depth, self.device, self.dtype)
        except KeyError as missing:
            raise WeightsError(
                f"'{self.path}' is no T5 encoder: it lacks {missing}. Get its files again"
            ) from None

    def tokeniser(self) -> Tokeniser:
        """Read the vocabulary."""
        return read_tokeniser(self.path, self.spec.reading)

    @cached_property
    def _widths(self) -> tuple[int, int]:
        """Columns of all heads, which need not be as wide as the rows, and of the hidden layer."""
        config = read_config(self.path)
        try:
            return int(config["num_heads"]) * int(config["d_kv"]), int(config["d_ff"])
        except KeyError as missing:
            raise WeightsError(
                f"'{self.path / 'config.json'}' lacks {missing}. Get it again"
            ) from None

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length (matrix products only)."""
        rows = length + 2
        scores = 4 * self.depth * rows * rows * self._widths[0]
        return 2 * self.spec.parameters * rows * self.depth // self.spec.layers + scores

    def bytes_per_residue(self) -> int:
        """Heads and hidden layer may be far wider than rows; the bias of pairs may come on top.

        Where no kernel of the package attends, torch's needs it, and it grows with the square of
        the length.
        """
        heads, hidden = self._widths
        activations = (4 * self.dim + max(4 * heads, 2 * hidden)) * self.result_size
        size = max(super().bytes_per_residue(), activations + 4 * self.dim)
        head_dim = heads // self.spec.heads
        if self.device.type == "cpu":
            kernel = native.kernel()
        else:
            kernel = fused.biased_attention(self.device, self.dtype, head_dim)
        if kernel is not None:
            return size
        longest = self.window or 2000
        return size + 2 * self.spec.heads * longest * self.result_size


class _Trunk:
    """Embedding, the first `depth` layers, and the final norm if these are all."""

    def __init__(
        self, folder: Folder, depth: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        config = folder.config

        def weight(name: str) -> Tensor:
            return folder.state[name].to(device, dtype)

        def norm(name: str) -> RmsNorm:
            return RmsNorm(folder.state[name].to(device, torch.float32), eps)

        self._dtype, self._heads = dtype, int(config["num_heads"])
        eps = float(config.get("layer_norm_epsilon", 1e-6))
        name = "shared.weight" if "shared.weight" in folder.state else "encoder.embed_tokens.weight"
        self._embedding = folder.state[name].to(device, torch.float32)
        first = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        bias = folder.state[first].T.contiguous()  # [heads, buckets], in the type of queries
        self._bias = bias.to(device, result_type(dtype, device))
        self._distance = int(config.get("relative_attention_max_distance", 128))
        gated = str(config.get("feed_forward_proj", "relu")).startswith("gated")
        into, activation = (("wi_0", "wi_1"), "none") if gated else (("wi",), "relu")
        self._layers = []
        for layer in range(depth):
            block = f"encoder.block.{layer}.layer."
            attention = f"{block}0.SelfAttention."
            qkv = torch.cat([weight(f"{attention}{part}.weight") for part in "qkv"])
            hidden = f"{block}1.DenseReluDense."
            self._layers.append(
                _Layer(
                    self._heads,
                    norm(f"{block}0.layer_norm.weight"),
                    Linear(qkv),
                    Linear(weight(f"{attention}o.weight")),
                    norm(f"{block}1.layer_norm.weight"),
                    [Linear(weight(f"{hidden}{n}.weight"), None, activation) for n in into],
                    Linear(weight(f"{hidden}wo.weight")),
                )
            )
        whole = depth == int(config["num_layers"])
        self._norm = norm("encoder.final_layer_norm.weight") if whole else None

    def __call__(self, batch: PackedTokens, wanted: Collection[int]) -> States:
        """Yield the wanted layers' rows, [T, d]."""
        residual = Residual(F.embedding(batch.ids, self._embedding), self._dtype)
        bias = OffsetBias(self._by_offset(max(batch.lengths)))
        layers = [partial(layer, lengths=batch.lengths, bias=bias) for layer in self._layers]
        return pre_norm_states(residual, layers, self._norm, wanted, stored_type(self._dtype))

    def _by_offset(self, longest: int) -> Tensor:
        """Bias of keys `longest` - 1 before to as far behind the query: [heads, 2 longest - 1]."""
        offset = torch.arange(1 - longest, longest)
        buckets = bucket(offset, self._bias.shape[1], self._distance)
        return self._bias[:, to_device(buckets, self._bias.device)]


@dataclass
class _Layer:
    """Self-attention and feed-forward, each behind its norm."""

    heads: int
    before_attention: RmsNorm
    qkv: Linear
    out: Linear
    before_hidden: RmsNorm
    into: list[Linear]
    back: Linear

    def __call__(self, residual: Residual, lengths: Lengths, bias: OffsetBias) -> None:
        """Add both branches of the layer."""
        rows = residual.normalised(self.before_attention)
        qkv = self.qkv(rows).view(len(rows), 3, -1)
        residual.add(self.out, attend_within(qkv, lengths, self.heads, scale=1.0, bias=bias))
        rows = residual.normalised(self.before_hidden)
        hidden = self.into[0](rows)
        if len(self.into) == 2:
            hidden = F.gelu(hidden, approximate="tanh").mul_(self.into[1](rows))
        residual.add(self.back, hidden)


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
    distances = offset.abs()
    share = torch.log(distances.clamp(min=1).float() / exact) / math.log(distance / exact)
    wide = (exact + (share * (half - exact)).long()).clamp(max=half - 1)
    return (offset > 0) * half + torch.where(distances < exact, distances, wide)
