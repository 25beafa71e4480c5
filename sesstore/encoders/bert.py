"""ProtBert (Elnaggar et al. 2022): BERT's encoder (Devlin et al. 2019), packed.

Post-norm layers, learned positions, ``[CLS]`` before and ``[SEP]`` after every sequence; their rows
are not stored. The embedding is the last layer's output.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..attention.packed import attend
from ..errors import WeightsError
from . import weights as files
from .base import PackedEncoder, prepared
from .catalogue import EncoderSpec, Options
from .folders import Folder, read_folder
from .kernels import LayerNorm, Linear
from .letters import Letters


def load(spec: EncoderSpec, options: Options) -> Bert:
    """Make a BERT encoder ready; see `registry.load`."""
    return prepared(Bert, spec, options, files.find(spec, options.weights))


class Bert(PackedEncoder):
    """An encoder of the BERT family; see `PackedEncoder`."""

    def build(self) -> _Trunk:
        """Read the weights and the vocabulary."""
        folder = read_folder(self.path)
        shape = tuple(folder.config.get(key) for key in ("num_hidden_layers", "hidden_size"))
        if shape != (self.spec.layers, self.spec.dim):
            raise WeightsError(
                f"'{self.path}' holds a BERT of {shape[0]} layers and width {shape[1]}; "
                f"{self.name} has {self.spec.layers} and {self.spec.dim}. Name the right folder "
                f"with --weights"
            )
        self._letters = Letters(self.path, self.spec.reading)
        try:
            return _Trunk(folder, self.device, self.dtype)
        except KeyError as missing:
            raise WeightsError(
                f"'{self.path}' is no BERT: it lacks {missing}. Get its files again"
            ) from None

    def forward(self, sequences: Sequence[str]) -> Tensor:
        """Encode sequences; packed [sum of L, d], in their order."""
        trunk: _Trunk = self.model
        tokens = [self._letters(sequence) for sequence in sequences]
        lengths = [len(ids) for ids in tokens]
        x = trunk(torch.from_numpy(np.concatenate(tokens)).to(self.device), lengths)
        return torch.cat([row[1:-1] for row in torch.split(x, lengths)])

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length (matrix products only)."""
        d, rows = self.dim, length + 2
        return self.spec.layers * (24 * rows * d * d + 4 * rows * rows * d)


class _Trunk:
    """Embeddings and layers."""

    def __init__(self, folder: Folder, device: torch.device, dtype: torch.dtype) -> None:
        config = folder.config
        state = {name.removeprefix("bert."): value for name, value in folder.state.items()}
        eps = float(config.get("layer_norm_eps", 1e-12))

        def weight(name: str) -> Tensor:
            return state[name].to(device, dtype)

        def linear(name: str, activation: str = "none") -> Linear:
            return Linear(weight(f"{name}.weight"), weight(f"{name}.bias"), activation)

        def norm(name: str) -> LayerNorm:
            # Old checkpoints call scale and shift gamma and beta.
            scale, shift = ("weight", "bias") if f"{name}.weight" in state else ("gamma", "beta")
            return LayerNorm(weight(f"{name}.{scale}"), weight(f"{name}.{shift}"), eps)

        self._words = weight("embeddings.word_embeddings.weight")
        # All of one sequence: the type's embedding belongs to every position.
        kind = weight("embeddings.token_type_embeddings.weight")[0]
        self._places = weight("embeddings.position_embeddings.weight") + kind
        self._norm = norm("embeddings.LayerNorm")
        self._heads = int(config["num_attention_heads"])
        self._layers = []
        for layer in range(int(config["num_hidden_layers"])):
            own = f"encoder.layer.{layer}"
            parts = [f"{own}.attention.self.{part}" for part in ("query", "key", "value")]
            weights, biases = (
                [weight(f"{part}.{kind}") for part in parts] for kind in ("weight", "bias")
            )
            self._layers.append(
                (
                    Linear(torch.cat(weights), torch.cat(biases)),
                    linear(f"{own}.attention.output.dense"),
                    norm(f"{own}.attention.output.LayerNorm"),
                    linear(f"{own}.intermediate.dense", "gelu"),
                    linear(f"{own}.output.dense"),
                    norm(f"{own}.output.LayerNorm"),
                )
            )

    def __call__(self, tokens: Tensor, lengths: list[int]) -> Tensor:
        x = F.embedding(tokens, self._words)
        x += torch.cat([self._places[:length] for length in lengths])
        x = self._norm(x)
        for qkv, out, after_attention, into, back, after_hidden in self._layers:
            packed = qkv(x).view(len(x), 3, -1)
            attended = attend(packed[:, 0], packed[:, 1:], lengths, self._heads)
            x = after_attention(x + out(attended))
            x = after_hidden(x + back(into(x)))
        return x
