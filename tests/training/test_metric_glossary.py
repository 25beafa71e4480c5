from __future__ import annotations

from pathlib import Path

from sesstore.training.metric_glossary import GLOSSARY, explain
from sesstore.training.metrics import METRICS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reports.md"


def test_every_metric_has_a_sentence_and_the_page_has_it_too() -> None:
    names = {name for metrics in METRICS.values() for name in metrics}
    assert names == set(GLOSSARY)
    page = PAGE.read_text("utf-8")
    for name, sentence in GLOSSARY.items():
        assert f"| `{name}` | {sentence} |" in page


def test_only_what_is_shown_is_explained() -> None:
    assert list(explain(["mcc", "unheard_of", "accuracy"])) == ["mcc", "accuracy"]
