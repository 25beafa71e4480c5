"""Losses since the last check, summed where they are computed.

A GPU works on while the host prepares what comes next; reading a number makes the host wait until
everything it asked for is done. So sums stay on the GPU until somebody wants to see them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class RunningLoss:
    """Sums of losses over rows, for each of several learners.

    Parameters
    ----------
    count : int
        Learners.
    device : torch.device
        Where their losses are.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        sum_device = (
            device if device.type == "cuda" else torch.device("cpu")
        )  # Apple's has no float64
        self._sums = torch.zeros(count, dtype=torch.float64, device=sum_device)
        self._each = self._sums.unbind()
        self._rows = np.zeros(count)

    def add(self, place: int, loss: Tensor, rows: int) -> None:
        """Add a batch of so many rows with this mean loss; nothing is waited for."""
        self._each[place].add_(loss.to(self._sums.device), alpha=rows)
        self._rows[place] += rows

    def fetch(self) -> NDArray[np.float64]:
        """Wait for the device, and return sums and rows: shape=(learners, 2)."""
        return np.stack([self._sums.cpu().numpy(), self._rows], 1)

    def restore(self, values: Sequence[Sequence[float]]) -> None:
        """Go on from what `fetch` returned."""
        sums, rows = np.array(values, np.float64).T
        self._sums.copy_(torch.from_numpy(sums.copy()))
        self._rows = rows.copy()

    def clear(self, places: Sequence[int]) -> None:
        """Begin anew for some learners."""
        for place in places:
            self._each[place].zero_()
            self._rows[place] = 0
