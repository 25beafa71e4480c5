"""ESM-2 (Lin et al. 2023) from fair-esm checkpoints, with a packed forward of our own.

Residues of a batch lie back to back with each protein's BOS and EOS, which the model was trained
with and which are not stored. One matrix product makes queries, keys and values; attention runs
protein by protein on a CPU and in one variable-length kernel on a GPU; language-model and contact
heads are never built. The embedding is the last layer after the final LayerNorm, as fair-esm
returns it.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..errors import WeightsError
from ..provenance import Fingerprint
from . import weights as files
from .base import PackedEncoder
from .devices import PRECISIONS, choose_device, choose_precision
from .registry import EncoderSpec, Options
from .windows import policy

_LETTERS = "LAGVSERTIDPKQNFYMHWCXBUZO"
_BOS, _EOS, _FIRST = 0, 2, 4
_TOKEN_OF = np.full(128, _FIRST + _LETTERS.index("X"), np.int64)  # J, which ESM-2 lacks, becomes X
_TOKEN_OF[[ord(c) for c in _LETTERS]] = np.arange(_FIRST, _FIRST + len(_LETTERS))
MAPPING = "esm1b, J->X"
_KEPT = 1 - 0.15 * 0.8
"""Token dropout: ESM-2 scales its input by the share of tokens training left unmasked."""


def load(spec: EncoderSpec, options: Options) -> Esm2:
    """Make an ESM-2 ready; see `registry.load`."""
    path = files.find(spec, options.weights)
    place = choose_device(options.device)
    fingerprint = Fingerprint(
        encoder=spec.full_name,
        weights_sha256=files.sha256_of(path),
        layer=spec.layers,
        residue_mapping=MAPPING,
        long_policy=policy(spec.window, options.long),
        precision=choose_precision(options.precision, place),
    )
    return Esm2(spec, fingerprint, place, path, options.long)


class Esm2(PackedEncoder):
    """An ESM-2 model.

    Parameters
    ----------
    spec : EncoderSpec
        Which size; the checkpoint must have it.
    fingerprint : Fingerprint
        Its identity.
    device : torch.device
        bfloat16 on a GPU, float32 on a CPU.
    path : path
        fair-esm checkpoint.
    long : str
        See `windows`.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        fingerprint: Fingerprint,
        device: torch.device,
        path: Path,
        long: str = "windows",
    ) -> None:
        super().__init__(spec, fingerprint, spec.dim, device, window=spec.window, long=long)
        self._spec, self._path = spec, path

    @cached_property
    def _model(self) -> dict[str, Tensor]:
        dtype = PRECISIONS[self.fingerprint.precision]
        state = read_checkpoint(self._path, self._spec)
        return {name: value.to(self.device, dtype) for name, value in _fused(state, self._spec)}

    def forward(self, sequences: Sequence[str]) -> Tensor:
        """Encode sequences; packed [sum of L, d], in their order."""
        lengths = [len(sequence) + 2 for sequence in sequences]
        tokens = torch.from_numpy(np.concatenate([tokenise(s) for s in sequences]))
        model, heads = self._model, self._spec.heads
        x = F.embedding(tokens.to(self.device), model["embed_tokens.weight"]) * _KEPT
        turn = _rotation(lengths, self.dim // heads, x)
        for layer in range(self._spec.layers):
            x = _layer(x, model, f"layers.{layer}.", heads, lengths, turn)
        x = _norm(x, model, "emb_layer_norm_after.")
        ends = np.cumsum(lengths)
        inner = np.ones(len(x), bool)
        inner[ends - 1] = inner[ends - np.asarray(lengths)] = False
        return x[torch.from_numpy(inner).to(x.device)]

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length (matrix products only)."""
        d, rows = self.dim, length + 2
        return self._spec.layers * (24 * rows * d * d + 4 * rows * rows * d)


def tokenise(sequence: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """ESM-2 tokens of a normalised sequence with BOS and EOS, one a residue."""
    letters = np.frombuffer(sequence.encode("ascii"), np.uint8)
    return np.concatenate([[_BOS], _TOKEN_OF[letters], [_EOS]])


def read_checkpoint(path: Path, spec: EncoderSpec) -> dict[str, Tensor]:
    """Read the trunk's weights of a fair-esm checkpoint, without running pickled code.

    Raises
    ------
    WeightsError
        It is no such checkpoint, or of another size.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        raw = content["model"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as why:
        first = str(why).splitlines()[0] if str(why) else type(why).__name__
        raise WeightsError(
            f"'{path}' is no fair-esm checkpoint of {spec.full_name}: {first}"
        ) from None
    state = {
        name.removeprefix("encoder.").removeprefix("sentence_encoder."): value
        for name, value in raw.items()
    }
    layers = len({name.split(".")[1] for name in state if name.startswith("layers.")})
    embedding = state.get("embed_tokens.weight")
    dim = 0 if embedding is None else embedding.shape[1]
    if (layers, dim) != (spec.layers, spec.dim):
        raise WeightsError(
            f"'{path}' holds a model of {layers} layers and width {dim}; {spec.name} has "
            f"{spec.layers} and {spec.dim}. Name the right file with --weights"
        )
    return state


def _fused(state: dict[str, Tensor], spec: EncoderSpec) -> Any:
    """Names and weights of the packed forward: one matrix for queries, keys and values."""
    scale = (spec.dim // spec.heads) ** -0.5
    try:
        yield "embed_tokens.weight", state["embed_tokens.weight"]
        for kind in ("weight", "bias"):
            yield f"emb_layer_norm_after.{kind}", state[f"emb_layer_norm_after.{kind}"]
            for layer in range(spec.layers):
                old = f"layers.{layer}.self_attn."
                parts = [state[f"{old}{part}_proj.{kind}"] for part in "qkv"]
                # The scale of the scores goes into the queries once and for all.
                yield f"layers.{layer}.qkv.{kind}", torch.cat([parts[0] * scale, *parts[1:]])
                yield f"layers.{layer}.out.{kind}", state[f"{old}out_proj.{kind}"]
                for name in ("self_attn_layer_norm", "fc1", "fc2", "final_layer_norm"):
                    yield f"layers.{layer}.{name}.{kind}", state[f"layers.{layer}.{name}.{kind}"]
    except KeyError as missing:
        raise WeightsError(f"the checkpoint of {spec.full_name} lacks {missing}") from None


def _layer(
    x: Tensor,
    model: dict[str, Tensor],
    prefix: str,
    heads: int,
    lengths: list[int],
    turn: tuple[Tensor, Tensor],
) -> Tensor:
    """One pre-norm transformer layer on packed rows; `x` is changed in place."""
    qkv = _linear(_norm(x, model, f"{prefix}self_attn_layer_norm."), model, f"{prefix}qkv.")
    qkv = qkv.view(len(x), 3, heads, -1)
    _rotate(qkv[:, :2], turn)
    x += _linear(_attend(qkv, lengths), model, f"{prefix}out.")
    hidden = _linear(_norm(x, model, f"{prefix}final_layer_norm."), model, f"{prefix}fc1.")
    x += _linear(F.gelu(hidden), model, f"{prefix}fc2.")
    return x


def _linear(x: Tensor, model: dict[str, Tensor], name: str) -> Tensor:
    return F.linear(x, model[f"{name}weight"], model[f"{name}bias"])


def _norm(x: Tensor, model: dict[str, Tensor], name: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], model[f"{name}weight"], model[f"{name}bias"])


def _rotation(lengths: list[int], head_dim: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines [T, 1, 1, head_dim / 2] of each row's place in its protein."""
    steps = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
    angles = torch.arange(max(lengths))[:, None].float() * 10000.0**-steps
    places = torch.cat([torch.arange(length) for length in lengths])
    cos, sin = angles.cos()[places], angles.sin()[places]
    return tuple(t[:, None, None].to(like.device, like.dtype) for t in (cos, sin))  # type: ignore[return-value]


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> None:
    """Rotate queries and keys [T, 2, H, head_dim] in place, by halves."""
    cos, sin = turn
    first, second = x.chunk(2, -1)
    turned = first * cos
    turned.addcmul_(second, sin, value=-1)
    second.mul_(cos).addcmul_(first, sin)
    first.copy_(turned)


def _attend(qkv: Tensor, lengths: list[int]) -> Tensor:
    """Attention within each protein; queries are scaled already."""
    if qkv.is_cuda:
        from torch.nn.attention.varlen import varlen_attn

        ends = torch.tensor([0, *lengths], device=qkv.device).cumsum(0).to(torch.int32)
        longest = max(lengths)
        query, key, value = qkv.unbind(1)
        packed: Tensor = varlen_attn(query, key, value, ends, ends, longest, longest, scale=1.0)  # type: ignore[assignment]
        return packed.flatten(1)
    parts = [
        F.scaled_dot_product_attention(query, key, value, scale=1.0)[0]
        for query, key, value in (p.permute(1, 2, 0, 3)[:, None] for p in torch.split(qkv, lengths))
    ]
    return torch.cat([part.transpose(0, 1) for part in parts]).flatten(1)
