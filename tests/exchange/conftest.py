"""Shared by the tests of exchange."""

from __future__ import annotations

import numpy as np

from sesstore.proteins import Protein

IDS = [
    "P1", "p1", "", ".", "..", ".hidden", "a/b", "a_b", "../../etc/passwd", "x\0y", "A" * 70_000,
    "tab\there", "sp|Q99966|CITE1_HUMAN Cbp/p300", "ü" * 150, 'quote"d', "con\\aux", "unnamed",
]  # fmt: skip


NAMED_PROTEINS = [Protein(name, "M" * (i + 1)) for i, name in enumerate(IDS)]


PAIRS = [(p, np.full((len(p), 3), i, np.float16)) for i, p in enumerate(NAMED_PROTEINS)]

PROTEINS = [Protein("P12345", "MKTAYIAK"), Protein("P1234", "MKV"), Protein("A.1|x", "GG")]
