"""Lengths of a batch's proteins with what a GPU reads of them, made where the batch is copied.

All of it is one array of small integers and one copy, which nobody waits for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..attention.cuda import to_device
from ..attention.lengths import Lengths


class BatchLengths(Lengths):
    """Residues of each protein, as a tuple, and three tensors on the batch's device.

    Attributes
    ----------
    ends : Tensor, shape=(B + 1,), dtype=int32
        0, and where each protein ends.
    positions : Tensor, shape=(T,), dtype=int32
        Place of each residue in its protein.
    owners : Tensor, shape=(T,), dtype=int32
        Number of the protein that each residue is of.
    """

    owners: Tensor


def lengths_on(lengths: Sequence[int], device: torch.device) -> BatchLengths:
    """Return the lengths of a batch that lies on a device."""
    sizes = np.asarray(lengths, np.int32)
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    owners = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    positions = np.arange(len(owners), dtype=np.int32) - ends[owners]
    packed = to_device(torch.from_numpy(np.concatenate([ends, positions, owners])), device)
    parts = torch.split(packed, [len(ends), len(positions), len(owners)])
    batch_lengths = BatchLengths(lengths, parts[0], parts[1])
    batch_lengths.owners = parts[2]
    return batch_lengths
