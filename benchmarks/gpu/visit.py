"""What the sections of a check share: the device, the sizes, the deadline and the results."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

TEMPORARY = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
"""Memory that looks like a disk, where there is any."""


@dataclass
class Visit:
    """What the sections share.

    Parameters
    ----------
    device : torch.device
        What is checked.
    tiny : bool
        Sizes for a laptop.
    out : path
        Folder of ``check.json``.
    deadline : float
        No section begins after it, by `time.perf_counter`.
    """

    device: torch.device
    tiny: bool
    out: Path
    deadline: float
    peak: float = 1e12
    """Floating-point operations a second of a large product in half precision."""

    results: dict[str, Any] = field(default_factory=dict)

    @property
    def gpu(self) -> bool:
        """Whether there is a GPU to wait for."""
        return self.device.type == "cuda"

    @property
    def half(self) -> torch.dtype:
        """The type that the device is fast in."""
        return torch.float16 if self.gpu else torch.float32

    @property
    def seconds_left(self) -> float:
        """Seconds before the deadline."""
        return self.deadline - time.perf_counter()

    def save(self) -> None:
        """Write what there is; done after each section, so that a crash loses one."""
        self.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.results, indent=1, default=str)
        (self.out / "check.json").write_text(text, "utf-8")
