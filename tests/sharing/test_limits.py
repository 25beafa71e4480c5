"""A document may have a value for sixteen bytes, and some thousands whatever its size."""

from __future__ import annotations

import pytest

from sesstore.sharing import limits
from sesstore.sharing.limits import too_many_values

MIB, GIB = 1 << 20, 1 << 30


def test_what_was_published_within_the_limits_stays_within_them() -> None:
    """Lower ones would refuse stores that are there; higher ones are written and then refused."""
    values = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert values == {
        "INDEX_BYTES": 256 * MIB, "COMMIT_BYTES": 16 * MIB,
        "BYTES_A_VALUE": 16, "METADATA_BYTES": 16 * MIB, "ARRAY_BYTES": 256 * MIB,
        "TASK_BYTES": GIB, "BUNDLE_BYTES": 4 * GIB, "BUNDLE_RECORDS": 65_536,
        "FOOTER_BYTES": 32 * MIB, "RECORD_BYTES": GIB, "PROTEIN_BYTES": 4 * GIB,
        "IN_FLIGHT_BYTES": 64 * MIB,
    }  # fmt: skip


@pytest.mark.parametrize(("size", "most"), [(0, 4096), (1 << 16, 4096), (1 << 17, 8192)])
@pytest.mark.parametrize("mark", [b",", b"[", b"{"])
def test_as_many_values_as_bytes_allow(size: int, most: int, mark: bytes) -> None:
    assert not too_many_values((mark * most).ljust(size))
    assert too_many_values((mark * (most + 1)).ljust(size))
