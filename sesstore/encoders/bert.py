"""ProtBert and AntiBERTy (Elnaggar et al. 2022, Ruffolo et al. 2021): BERT's encoder, packed.

Of BERT (Devlin et al. 2019): post-norm layers, learned positions, ``[CLS]`` before and ``[SEP]``
after every sequence; their rows are not stored.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..attention.packed import attend_within
from ..errors import WeightsError
from . import weights as files
from .base import PackedEncoder, make_encoder
from .catalogue import EncoderSpec, Options
from .folders import Folder, read_folder
from .hidden_states import States
from .kernels import LayerNorm, Linear, Residual
from .tokeniser import PackedTokens, Tokeniser, read_tokeniser


def load(spec: EncoderSpec, options: Options) -> Bert:
    """Make a BERT encoder ready; see `registry.load`."""
    path = files.find_packaged(spec, options.weights) if spec.package else None
    return make_encoder(Bert, spec, options, path or files.find(spec, options.weights))


class Bert(PackedEncoder):
    """An encoder of the BERT family; see `PackedEncoder`."""

    def build(self) -> _Trunk:
        """Read the weights."""
        folder = read_folder(self.path)
        shape = tuple(folder.config.get(key) for key in ("num_hidden_layers", "hidden_size"))
        if shape != (self.spec.layers, self.spec.dim):
            raise WeightsError(
                f"'{self.path}' holds a BERT of {shape[0]} layers and width {shape[1]}; "
                f"{self.name} has {self.spec.layers} and {self.spec.dim}. Name the right folder "
                f"with --weights"
            )
        try:
            return _Trunk(folder, self.depth, self.device, self.dtype)
        except KeyError as missing:
            raise WeightsError(
                f"'{self.path}' is no BERT: it lacks {missing}. Get its files again"
            ) from None

    def tokeniser(self) -> Tokeniser:
        """Read the vocabulary."""
        return read_tokeniser(self.path, self.spec.reading)

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length (matrix products only)."""
        d, rows = self.dim, length + 2
        return self.depth * (24 * rows * d * d + 4 * rows * rows * d)


class _Trunk:
    """Embeddings and the first `depth` layers."""

    def __init__(
        self, folder: Folder, depth: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        config = folder.config
        state = {name.removeprefix("bert."): value for name, value in folder.state.items()}
        eps = float(config.get("layer_norm_eps", 1e-12))

        def weight(name: str) -> Tensor:
            return state[name].to(device, dtype)

        def exact(name: str) -> Tensor:
            return state[name].to(device, torch.float32)

        def linear(name: str, activation: str = "none") -> Linear:
            return Linear(weight(f"{name}.weight"), weight(f"{name}.bias"), activation)

        def norm(name: str) -> LayerNorm:
            # Old checkpoints call scale and shift gamma and beta.
            scale, shift = ("weight", "bias") if f"{name}.weight" in state else ("gamma", "beta")
            return LayerNorm(exact(f"{name}.{scale}"), exact(f"{name}.{shift}"), eps)

        self._dtype = dtype
        self._words = exact("embeddings.word_embeddings.weight")
        # All of one sequence: the type's embedding belongs to every position.
        kind = exact("embeddings.token_type_embeddings.weight")[0]
        self._places = exact("embeddings.position_embeddings.weight") + kind
        self._norm = norm("embeddings.LayerNorm")
        self._heads = int(config["num_attention_heads"])
        self._layers = []
        for layer in range(depth):
            prefix = f"encoder.layer.{layer}"
            parts = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
            weights, biases = (
                [weight(f"{part}.{kind}") for part in parts] for kind in ("weight", "bias")
            )
            self._layers.append(
                (
                    Linear(torch.cat(weights), torch.cat(biases)),
                    linear(f"{prefix}.attention.output.dense"),
                    norm(f"{prefix}.attention.output.LayerNorm"),
                    linear(f"{prefix}.intermediate.dense", "gelu"),
                    linear(f"{prefix}.output.dense"),
                    norm(f"{prefix}.output.LayerNorm"),
                )
            )

    def __call__(self, batch: PackedTokens, wanted: Collection[int]) -> States:
        """Yield the wanted layers' rows, [T, d]."""
        x = F.embedding(batch.ids, self._words)
        x += F.embedding(batch.lengths.positions, self._places)
        residual = Residual(x, self._dtype)
        rows = residual.renormalised(self._norm)
        if 0 in wanted:
            yield 0, residual.rows
        for number, layer in enumerate(self._layers, 1):
            qkv, out, after_attention, into, back, after_hidden = layer
            packed = qkv(rows).view(len(rows), 3, -1)
            residual.add(out, attend_within(packed, batch.lengths, self._heads))
            rows = residual.renormalised(after_attention)
            residual.add(back, into(rows))
            rows = residual.renormalised(after_hidden)
            if number in wanted:
                yield number, residual.rows
