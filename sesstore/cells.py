"""Cells of tables that people open with spreadsheet programs.

There a text that begins with ``=``, ``+``, ``-`` or ``@`` is a formula, which can run commands or
send data away ("CSV injection"); and ids, classes and reasons come from the files of others. Every
writer of such a table passes its cells through `cell`.
"""

from __future__ import annotations

import re
from typing import Any

_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]\s*\S")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def cell(value: Any) -> Any:
    """Return a value as it may stand in a cell.

    Parameters
    ----------
    value : object
        A text that would be a formula gets an apostrophe in front, as spreadsheet programs mark
        text themselves; numbers (also as text) and all else stay as they are.
    """
    if not isinstance(value, str) or not _FORMULA.match(value) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"
