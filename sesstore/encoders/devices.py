"""Where an encoder runs."""

from __future__ import annotations

import torch

from ..errors import InputError


def choose_device(name: str | None) -> torch.device:
    """Return the device of that name, or the best there is.

    Raises
    ------
    InputError
        It is no device, or not at hand.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as problem:
        first = str(problem).splitlines()[0]
        raise InputError(f"device '{name}' is not at hand: {first}") from None
    return device
