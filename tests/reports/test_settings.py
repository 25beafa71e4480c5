"""Settings of a run in words."""

from __future__ import annotations

from sesstore.reports.settings import settings_in_words


def test_settings_are_said_in_words(findings) -> None:
    words = settings_in_words(findings().run.config)
    assert words["learning rate"] == "0.0005"
    assert words["structure tokens"] == "foldseek, dssp"
    assert words["width of the adapter"] == "that of the embeddings"
    assert words["residues of a batch at most"] == "8,192"
    assert words["residues are masked below a pLDDT of"] == "none are"
    assert not any("_" in name for name in words)
    assert "dim" not in words
