"""Where embeddings are held while an adapter trains: on the GPU, in memory, or in the store.

``device`` when the needed rows fit in the GPU's free memory, ``ram`` when they fit in what this
process may take (see `memory`), else ``disk``, where a thread reads ahead from the store's mapped
files.
"""

from __future__ import annotations

import torch

from ..attention.cuda import free_memory
from ..errors import InputError
from ..memory import size

RESIDENCIES = ("device", "ram", "disk")
SHARE = 0.5
"""Share of free memory that embeddings may take."""


def free_by_residency(device: torch.device) -> dict[str, int]:
    """Free bytes for this process and, for a GPU, of the device, as measured now."""
    free = {"ram": free_memory(torch.device("cpu"))}
    if device.type == "cuda":
        free["device"] = free_memory(device)
    return free


def choose_residency(residency: str, row_bytes: int, free: dict[str, int]) -> str:
    """Choose where to hold embeddings.

    Parameters
    ----------
    residency : str
        ``"auto"``, or one of `RESIDENCIES`.
    row_bytes : int
        Bytes of the rows.
    free : dict of str to int
        From `free_by_residency`.

    Raises
    ------
    InputError
        The name is unknown, or the rows do not fit there.
    """
    if residency == "auto":
        fits = [place for place in ("device", "ram") if row_bytes <= SHARE * free.get(place, 0)]
        return fits[0] if fits else "disk"
    if residency not in RESIDENCIES:
        raise InputError(
            f"residency '{residency}' is none of these: choose auto, {', '.join(RESIDENCIES)}"
        )
    if residency != "disk" and row_bytes > free.get(residency, 0):
        raise InputError(
            f"{size(row_bytes)} of embeddings do not fit residency '{residency}', for which "
            f"{size(free.get(residency, 0))} are free. Choose --residency disk"
        )
    return residency
