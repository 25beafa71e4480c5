"""Shared by the tests of exchange."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from sesstore.proteins import Protein

IDS = [
    "P1", "p1", "", ".", "..", ".hidden", "a/b", "a_b", "../../etc/passwd", "x\0y", "A" * 70_000,
    "tab\there", "sp|Q99966|CITE1_HUMAN Cbp/p300", "ü" * 150, 'quote"d', "con\\aux", "unnamed",
]  # fmt: skip


NAMED_PROTEINS = [Protein(name, "M" * (i + 1)) for i, name in enumerate(IDS)]


PAIRS = [(p, np.full((len(p), 3), i, np.float16)) for i, p in enumerate(NAMED_PROTEINS)]

PROTEINS = [Protein("P12345", "MKTAYIAK"), Protein("P1234", "MKV"), Protein("A.1|x", "GG")]


class Code:
    """An object that makes a folder when it is unpickled.

    Parameters
    ----------
    folder : path
        Whose presence says that code of a file has run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)
