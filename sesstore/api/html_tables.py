"""How results look in a notebook: plain HTML tables, without a style of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


class Rows(list[dict[str, Any]]):
    """Predictions: a list with a dict a protein, shown as a table in a notebook.

    ``pandas.DataFrame(rows)`` makes a data frame of it.
    """

    max_rows = 20
    """Rows a notebook shows."""

    def _repr_html_(self) -> str:
        rows = [list(row.values()) for row in self[: self.max_rows]]
        remark = (
            f"<p>and {len(self) - self.max_rows:,} more</p>" if len(self) > self.max_rows else ""
        )
        return html_table(list(self[0]) if self else [], rows) + remark


def html_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table with a header as HTML; whole numbers get thousands separators."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_format_cell(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _format_cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
