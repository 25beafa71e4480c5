"""A document may have a value for sixteen bytes, and some thousands whatever its size."""

from __future__ import annotations

import pytest

from sesstore.sharing.limits import too_many_values


@pytest.mark.parametrize(("size", "most"), [(0, 4096), (1 << 16, 4096), (1 << 17, 8192)])
@pytest.mark.parametrize("mark", [b",", b"[", b"{"])
def test_as_many_values_as_bytes_allow(size: int, most: int, mark: bytes) -> None:
    assert not too_many_values((mark * most).ljust(size))
    assert too_many_values((mark * (most + 1)).ljust(size))
