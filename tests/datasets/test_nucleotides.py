"""What looks like DNA or RNA, at the bounds of it."""

from __future__ import annotations

import pytest

from sesstore.datasets.nucleotides import looks_like_nucleotides

BASES = "ACGT" * 10


@pytest.mark.parametrize(
    ("sequence", "is_so"),
    [
        (BASES[:20], True),
        (BASES[:19], False),  # short
        (BASES[:19] + "E", True),  # 95 %
        (BASES[:18] + "EE", False),
        (BASES[:16] + "RYKM", True),  # 80 %, and the others are codes for bases
        (BASES[:15] + "RYKMB", False),
        (BASES[:16] + "RYKE", False),  # one is none
        ("AC" * 10, False),  # two bases alone
        ("ACN" * 10, False),  # any base is none of the three
        ("ACU" * 10, True),
        ("NNNN" + BASES[:16], True),
    ],
)
def test_bases_by_their_share(sequence: str, is_so: bool) -> None:
    assert looks_like_nucleotides(sequence) is is_so
