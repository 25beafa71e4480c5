"""Fixtures every test may use: the shared real data, where they are at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sesstore.alphabets import ALPHABETS

settings.register_profile(
    "sesstore", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("sesstore")

# Every `sesstore train` would draw a dozen figures; the test of reports asks for them.
os.environ.setdefault("SESSTORE_REPORT", "0")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"../shared/{name} is not at hand")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real labelled proteins with tokens."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_structures() -> Path:
    """Folder of real PDB and mmCIF files."""
    return _shared("structures")


@pytest.fixture(autouse=True)
def _declared_alphabets() -> Iterator[None]:
    """Alphabets are declared for as long as a process lives: those of a test are forgotten."""
    before = dict(ALPHABETS)
    yield
    ALPHABETS.clear()
    ALPHABETS.update(before)
