"""Counts as people read them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A count with its noun, such as ``"1 row"`` or ``"1,200 rows"``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
