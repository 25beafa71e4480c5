"""The methods paragraph."""

from __future__ import annotations

from sesstore.reports.methods import methods


def test_the_methods_paragraph_says_what_was_done(findings) -> None:
    said = methods(findings())
    assert "90 train, 40 valid, 40 test proteins" in said
    assert "98.9% of training proteins" in said
    assert "learning rate 0.0005" in said
    assert "mean over 2 seeds" in said
    assert "No structure was used." in methods(findings(alphabets=()))
