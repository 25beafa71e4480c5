"""Settings of a run in words."""

from __future__ import annotations

import pytest

from sesstore.reports.settings import settings_in_words, value_in_words


def test_settings_are_said_in_words(findings) -> None:
    words = settings_in_words(findings().run.config)
    assert words["learning rate"] == "0.0005"
    assert words["structure tokens"] == "foldseek, dssp"
    assert words["width of the adapter"] == "that of the embeddings"
    assert words["residues of a batch at most"] == "8,192"
    assert words["residues are masked below a pLDDT of"] == "none are"
    assert not any("_" in name for name in words)
    assert "dim" not in words


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("width", 128, "128"),
        ("min_plddt", 70, "70"),
        ("clip", 0.5, "0.5"),
        ("clip", 0.0, "any"),
        ("stop_after", None, "the best on valid"),
        ("stop_after", 0, "0"),
        ("class_weights", [1.0, 2.5], "1.0, 2.5"),
        ("class_weights", "balanced", "by the inverse of their number"),
        ("class_weights", None, "all alike"),
        ("alphabets", (), "none"),
        ("head", "paper", "nothing"),
        ("batch_tokens", 8192, "8,192"),
        ("something", None, "none"),
    ],
)
def test_a_value_in_words(name: str, value, words: str) -> None:
    assert value_in_words(name, value) == words
