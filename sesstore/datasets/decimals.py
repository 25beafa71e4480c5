"""Numbers as people write them: decimal commas, thousands, signs beyond ASCII."""

from __future__ import annotations

import math
import re
from typing import Any

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
NOTATION = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?")
"""A number with points, commas or both."""

_THOUSANDS = re.compile(r"(?<=\d)['\u2019 \u00a0\u2009\u202f](?=\d{3}(?!\d))")
GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
EUROPEAN = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})*,\d+|[+-]?\d+,\d+(?:[eE][+-]?\d+)?")


def number_of(raw: Any) -> float | None:
    """Value of a number, or of text that is nothing but one; None for anything else."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int | float):
        try:
            return float(raw)
        except OverflowError:  # JSON holds whole numbers of any size
            return math.inf
    text = str(raw).strip().replace("\u2212", "-")
    return float(text) if isinstance(raw, str) and NUMBER.fullmatch(text) else None


def is_written_number(text: str) -> bool:
    """Whether text is a number, in whatever notation of decimals and thousands."""
    return NOTATION.fullmatch(ungrouped(text)) is not None


def pointed(text: str) -> str:
    """A number with a decimal comma as one with a point."""
    return text.replace(".", "").replace(",", ".") if "," in text else text


def ungrouped(text: str) -> str:
    """A number without blanks or apostrophes between thousands, and with an ASCII minus."""
    text = text.replace("\u2212", "-")
    bare = _THOUSANDS.sub("", text)
    return bare if NOTATION.fullmatch(bare) else text


def ascending(text: str) -> bool:
    """Whether two numbers at a comma might be classes in order, rather than whole and fraction."""
    first, second = text.split(",")
    if not first.isdigit() or (len(second) > 1 and second.startswith("0")):
        return False
    return int(first) < int(second)
