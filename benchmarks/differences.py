"""How far apart two arrays are."""

from __future__ import annotations

from typing import Any

import torch


def relative_error(values: Any, expected: Any) -> float:
    """Return the norm of the difference over the norm of what is expected, in float64."""
    computed, reference = (torch.as_tensor(x).detach().double().cpu() for x in (values, expected))
    return float((computed - reference).norm() / reference.norm().clamp(min=1e-30))
