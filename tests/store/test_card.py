"""The card is Markdown that others read and web sites show: text from outside is text."""

from __future__ import annotations

import re

import pytest

from sesstore.provenance import Fingerprint, Provenance
from sesstore.store.card import card, code, plain
from sesstore.store.summary import EncoderSummary, Summary, TaskSummary, TokenSummary

NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![](http://evil.example/track.png)",
    "a | b | c",
    "line\n\n# heading",
    "``` \nfence",
    "`code`",
    "**bold** _em_ ~~gone~~",
    "&lt;b&gt;",
]


def document(text: str) -> str:
    made = Provenance(Fingerprint(text, "ab" * 32, 6, "m", "w", "fp32"), 8, "float16", text, text)
    runs = [{"command": text, "date": text, "versions": {text: text}}]
    tokens = TokenSummary("pdb", 1, {"x": 1}, text, [{"tool": text, "circumstances": runs[0]}])
    task = TaskSummary("toy", "single_label", 2, {text: 3}, text)
    encoder = EncoderSummary(made, 1, 1, 1, 1, runs)
    return card(Summary("x", 1, [encoder], [tokens], [task]), text)


@pytest.mark.parametrize("text", NASTY)
def test_text_from_outside_is_text(text):
    """No HTML, link, image, heading, fence or cell comes of it, wherever it stands."""
    usual, shown = document("harmless"), document(text)
    assert shown.count("\n") == usual.count("\n")
    outside = re.sub(r"`[^`\n]*`", "", shown)
    assert "<" not in outside
    assert "](" not in outside
    assert outside.count("|") == re.sub(r"`[^`\n]*`", "", usual).count("|")
    assert shown.count("```") == usual.count("```")
    headings = [line for line in shown.splitlines() if line.startswith("#")]
    assert len(headings) == sum(line.startswith("#") for line in usual.splitlines())


@pytest.mark.parametrize("text", ["esm2_t33_650M_UR50D", "MIT", "ProtT5-XL", "Lin et al. (2023)"])
def test_usual_names_stay_readable(text):
    assert plain(text) == text
    assert code(text) == f"`{text}`"
