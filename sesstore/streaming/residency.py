"""Where embeddings are held while an adapter trains: on the GPU, in memory, or in the store.

``device`` when the needed rows fit in the GPU's free memory, ``ram`` when they fit in what this
process may take (see `memory`), else ``disk``, where a thread reads ahead from the store's mapped
files.
"""

from __future__ import annotations

import torch

from ..attention.devices import free_device_memory
from ..errors import InputError
from ..memory import available_memory

RESIDENCIES = ("device", "ram", "disk")
SHARE = 0.5
"""Share of free memory that embeddings may take."""


def free_memory(device: torch.device) -> dict[str, int]:
    """Free bytes for this process and, for a GPU, of the device, as measured now."""
    free = {"ram": available_memory()}
    if device.type == "cuda":
        free["device"] = free_device_memory(device)
    return free


def choose_residency(wanted: str, needed: int, free: dict[str, int]) -> str:
    """Choose where to hold embeddings.

    Parameters
    ----------
    wanted : str
        ``"auto"``, or one of `RESIDENCIES`.
    needed : int
        Bytes of the rows.
    free : dict of str to int
        From `free_memory`.

    Raises
    ------
    InputError
        The name is unknown, or what is wanted does not fit.
    """
    if wanted == "auto":
        fits = [place for place in ("device", "ram") if needed <= SHARE * free.get(place, 0)]
        return fits[0] if fits else "disk"
    if wanted not in RESIDENCIES:
        raise InputError(f"residency '{wanted}' is none of auto, {', '.join(RESIDENCIES)}")
    if wanted != "disk" and needed > free.get(wanted, 0):
        raise InputError(
            f"{needed / 1e9:.1f} GB of embeddings do not fit residency '{wanted}', for which "
            f"{free.get(wanted, 0) / 1e9:.1f} GB are free. Choose --residency disk"
        )
    return wanted
