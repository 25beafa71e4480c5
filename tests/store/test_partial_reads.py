"""Somebody who wants to be told of damage is told, and goes on; nobody else does."""

from __future__ import annotations

import pytest

from sesstore.errors import CorruptStoreError, StoreAccessError
from sesstore.store.partial_reads import leaving_out


def test_damage_is_told_or_raised_and_nothing_else_is_damage() -> None:
    told: list[str] = []
    with leaving_out(told.append):
        raise CorruptStoreError("tasks/toy.jsonl is not what was written")
    assert told == ["tasks/toy.jsonl is not what was written"]
    with pytest.raises(CorruptStoreError, match="toy"), leaving_out(None):
        raise CorruptStoreError("toy")
    with pytest.raises(StoreAccessError), leaving_out(told.append):
        raise StoreAccessError("no permission")
    assert len(told) == 1
