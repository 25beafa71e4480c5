"""Layers out of one forward: a trunk yields those that are wanted, which are laid side by side.

A trunk is asked for some layer numbers and yields each with its rows [T, d], in order, before it
goes on; rows may be changed in place after. Residues' rows of all kept layers stand in one array
[R, k d], so that batches, windows and copies off a device know nothing of layers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import torch
from torch import Tensor

from ..provenance import Layer
from .kernels import LayerNorm, Residual

States = Iterator[tuple[int, Tensor]]
"""Number of a layer and its rows, shape=(T, d), valid until the next is asked for."""


class KeptLayers:
    """Which layers are kept, and what must be seen of a forward for that.

    Parameters
    ----------
    layers : sequence of int or str
        See `Layer`; at least one.
    last : int
        Number of the encoder's last layer.
    """

    def __init__(self, layers: Sequence[Layer], last: int) -> None:
        self._columns: dict[int, list[tuple[int, float]]] = {}
        """By layer number: blocks of columns it goes into, each with its weight there."""
        self.count = len(layers)
        for block, layer in enumerate(layers):
            numbers = [layer] if isinstance(layer, int) else _averaged(layer, last)
            for number in numbers:
                self._columns.setdefault(number, []).append((block, 1 / len(numbers)))
        self.numbers: Collection[int] = self._columns.keys()
        """Layers a trunk has to yield."""

    def collect(self, states: States, residues: Tensor, dtype: torch.dtype) -> Tensor:
        """Run a forward; return what is kept of it.

        Parameters
        ----------
        states : iterator
            What a trunk yields for `numbers`.
        residues : Tensor, shape=(R,), dtype=int32
            The rows that are residues.
        dtype : torch.dtype
            Of what is returned.

        Returns
        -------
        Tensor, shape=(R, k * d)
            The kept layers side by side, in their order.
        """
        if self.count == 1 and len(self.numbers) == 1:
            ((_, rows),) = states
            return rows.index_select(0, residues).to(dtype)
        kept: Tensor | None = None
        sums: dict[int, Tensor] = {}
        for number, rows in states:
            chosen = rows.index_select(0, residues)
            if kept is None:
                kept = chosen.new_empty(len(chosen), self.count, chosen.shape[1], dtype=dtype)
            for block, weight in self._columns[number]:
                if weight == 1:
                    kept[:, block] = chosen
                else:  # in float32, and rounded once
                    share = chosen.float() * weight
                    sums[block] = sums[block].add_(share) if block in sums else share
        assert kept is not None, "a trunk yields every layer it is asked for"
        for block, total in sums.items():
            kept[:, block] = total
        return kept.flatten(1)


def _averaged(layer: str, last: int) -> range:
    count = int(layer.removeprefix("mean:"))
    return range(last - count + 1, last + 1)


def pre_norm_states(
    residual: Residual,
    layers: Sequence[Callable[[Residual], None]],
    norm: LayerNorm | None,
    wanted: Collection[int],
    dtype: torch.dtype,
) -> States:
    """Run the layers of a pre-norm trunk; yield the wanted ones' outputs.

    Parameters
    ----------
    residual : Residual
        The first layer's input.
    layers : sequence of callable
        Each adds its branches.
    norm : LayerNorm, optional
        Of the last layer; None if the trunk ends before it.
    wanted : collection of int
        Layer numbers; 0 is the input.
    dtype : torch.dtype
        Of the last layer's rows; those of others are float32.
    """
    last = len(layers) if norm is not None else -1
    if 0 in wanted:
        yield 0, residual.settled()
    for number, layer in enumerate(layers, 1):
        layer(residual)
        if number in wanted and number != last:
            yield number, residual.settled()
    if norm is not None and last in wanted:
        yield last, residual.normalised(norm, dtype)
