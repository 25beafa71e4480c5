"""Lists as JSON, Python, numpy and torch print them."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from ..errors import InputError

_PRINTED = re.compile(r"(?:(?:np|numpy|torch)\.)?(?:array|tensor)\((.*)\)", re.S)
_FACTS = re.compile(r",\s*(?:dtype|device|requires_grad|shape)=.*", re.S)
"""What numpy and torch print around a list, and behind it."""


def parse_list(text: str) -> list[Any]:
    """Read a list as JSON, Python, numpy or torch print it.

    Raises
    ------
    InputError
        It was cut when it was printed, or holds lists.
    """
    inner = _unwrapped(text)
    if "..." in inner or "\u2026" in inner:
        raise InputError(
            f"label '{inner[:30]}' was cut when it was printed ('...'). Write all its values, such "
            f"as with json.dumps(list(label))"
        )
    values = parse_literal(inner)
    if values is None:
        body = inner[1:-1]
        values = re.split(r"[;,]", body) if re.search(r"[;,]", body) else body.split()
        values = [value.strip(" \t\r\n'\"") for value in values]
        values = [value for value in values if value != ""]
    if any(isinstance(v, list | tuple | dict | set) or "[" in str(v)[:1] for v in values):
        raise InputError(f"label '{inner[:30]}' is a list of lists. Give one list a row")
    return values


def parse_literal(text: str) -> list[Any] | None:
    """The list, tuple or set that text is in JSON or Python; None if it is none."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, set):
            return sorted(value, key=str)
        if isinstance(value, list | tuple):
            return list(value)
    return None


def _unwrapped(text: str) -> str:
    """The list within what numpy or torch print: ``tensor([0, 1], dtype=torch.int32)``."""
    match = _PRINTED.fullmatch(text.strip())
    return _FACTS.sub("", match[1]).strip() if match else text.strip()


def is_bracketed(text: str) -> bool:
    """Whether text is a list as something prints it, rather than a name with brackets."""
    inner = _unwrapped(text)
    if inner[:1] == "[":
        return inner[-1] == "]"
    # Parentheses and braces stand in names, too: (R)-lactate, {a}.
    return inner[:1] in ("(", "{") and "," in inner and parse_literal(inner) is not None
