"""A bias of attention scores that depends on how far apart two places are (as T5 has it)."""

from __future__ import annotations

from torch import Tensor


class OffsetBias:
    """The bias of one packed batch; every pair's is made only for a kernel that needs it.

    Parameters
    ----------
    table : Tensor, shape=(H, 2 n + 1)
        By the key's place less the query's, from -n to n; n at least the longest sequence less 1.
    """

    def __init__(self, table: Tensor) -> None:
        self.table = table.contiguous()
        self._of_pairs: dict[int, Tensor] = {}

    def of_pairs(self, length: int) -> Tensor:
        """Bias of every pair of a sequence, [1, H, L, L]; kept for other layers."""
        if length not in self._of_pairs:
            self._of_pairs[length] = _toeplitz(self.table, length)
        return self._of_pairs[length]


def _toeplitz(by_offset: Tensor, length: int) -> Tensor:
    """Bias of every pair, [1, heads, L, L], from the bias of every offset."""
    middle = by_offset.shape[1] // 2
    offsets = by_offset[:, middle - length + 1 : middle + length]
    return offsets.unfold(1, length, 1).flip(1)[None].contiguous()
