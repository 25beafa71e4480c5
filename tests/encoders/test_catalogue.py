"""The catalogue of encoders."""

from __future__ import annotations

from sesstore.encoders import registry


def test_short_and_full_names():
    assert registry.spec("esm2_t33") is registry.spec("esm2_t33_650M_UR50D")


def test_names_are_unique():
    names = [n for s in registry.specs() for n in {s.name, s.full_name}]
    assert len(names) == len(set(names))
