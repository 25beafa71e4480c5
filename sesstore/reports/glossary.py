"""What metrics say, in a sentence each, on every page that shows them."""

from __future__ import annotations

from collections.abc import Iterable

from ..training.metrics import explain
from .charts import NAMES
from .page import Page


def add_glossary(page: Page, metrics: Iterable[str]) -> None:
    """Add the sentences of some metrics to a page; those without one are left out."""
    rows = [[NAMES.get(name, name), sentence] for name, sentence in explain(metrics).items()]
    page.table(["metric", "what it says"], rows)
