"""The card is Markdown that others read and web sites show: text from outside is text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sesstore.provenance import Fingerprint, Provenance
from sesstore.store.card import _size, card, code, plain
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


def test_each_number_is_in_its_column():
    made = Provenance(
        Fingerprint("enc", "ab" * 32, 6, "m", "w", "fp32"), 8, "int8", "MIT", "E 2024"
    )
    counts = {"foldseek": 1111, "dssp": 22, "plddt": 3, "esm3": 4}
    run = {"command": "sesstore embed", "date": "2026-01-01", "versions": {"b": "2", "a": "1"}}
    summary = Summary(
        "x", 5555, [EncoderSummary(made, 7, 1234, 56_789, 3 << 20, [run])],
        [TokenSummary("pdb", 66, counts, "mini3di", [])],
        [TaskSummary("toy", "single_label", 9, {"train": 4000, "test": 5}, "T 2020")],
    )  # fmt: skip
    lines = card(summary, "Ours").splitlines()
    assert lines[0] == "# Ours"
    assert lines[2].endswith(" 5,555 proteins.")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    assert rows[1] == ["---"] * len(rows[0])
    short = made.fingerprint.short
    tables = [dict(zip(rows[i], rows[i + 2], strict=True)) for i in (0, 3, 6)]
    assert tables == [
        {"encoder": "enc", "fingerprint": f"`{short}`", "width": "8", "type": "int8",
         "proteins": "1,234", "residues": "56,789", "size": "3 MiB", "licence": "MIT"},
        {"source": "pdb", "proteins": "66", "foldseek": "1,111", "dssp": "22", "pLDDT": "3",
         "others": "esm3 4", "made by": "mini3di"},
        {"task": "toy", "problem": "single_label", "classes": "9", "rows": "train 4,000, test 5"},
    ]  # fmt: skip
    assert [x for x in lines if x.endswith(("2024", "2020"))] == ["- enc: E 2024", "- toy: T 2020"]
    assert lines[-1] == "- enc: 2026-01-01, `sesstore embed` (a 1, b 2)"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (5 << 30, "5 GiB"), (3 << 40, "3.0 TiB")],
)
def test_sizes_are_read_in_their_unit(count: int, text: str):
    assert _size(count) == text


FINGERPRINT = Fingerprint("enc", "ab" * 32, 6, "m", "w", "fp32")


def test_an_empty_store_has_a_card_without_tables():
    text = card(Summary("x", 0, [], [], []), "Ours")
    assert [line for line in text.splitlines() if line[:1] == "#"] == ["# Ours", "## How to use it"]
    assert "|" not in text
    assert "sesstore train" not in text
    assert "store.embeddings(" not in text
    assert text.endswith("reads everything under `embeddings/`.\n")


def test_what_is_not_known_is_said_and_what_was_not_cited_is_left_out():
    made = Provenance(FINGERPRINT, 8, "float16", "", "")
    summary = Summary(
        "x", 1, [EncoderSummary(made, 1, 1, 1, 1, [{}])], [TokenSummary("pdb", 1, {}, "", [])],
        [TaskSummary("first", "regression", 0, {}, ""), TaskSummary("second", "x", 1, {}, "S 1")],
    )  # fmt: skip
    text = card(summary, "Ours")
    rows = [line for line in text.splitlines() if line[:1] == "|"]
    assert rows[2].endswith("| not stated |")
    assert rows[5] == "| pdb | 1 | 0 | 0 | 0 | - | not stated |"
    cited = text.split("## Please cite\n\n")[1].split("\n\n")[0]
    assert cited == "- second: S 1"
    assert "sesstore train first --store" in text
    assert "- enc: no date, `` ()" in text


def test_the_python_of_means_says_so():
    made = Provenance(FINGERPRINT, 8, "float16", "MIT", "")
    for provenance, shape in (
        (made, "[residues, width]"),
        (replace(made, fingerprint=FINGERPRINT.of_means), "[one row: the mean, width]"),
    ):
        text = card(Summary("x", 1, [EncoderSummary(provenance, 1, 1, 1, 1, [])], [], []), "Ours")
        assert f'store.embeddings("{provenance.fingerprint.short}")' in text
        assert shape in text


@pytest.mark.parametrize(("count", "more"), [(18, None), (19, "1"), (1019, "1,001")])
def test_runs_are_listed_up_to_twenty_those_of_embeddings_first(count: int, more: str | None):
    made = Provenance(FINGERPRINT, 8, "float16", "MIT", "")
    runs = [{"command": f"run {i}", "date": "2026"} for i in range(count)]
    tokens = [{"tool": "t", "circumstances": {"command": f"tokens {i}"}} for i in range(2)]
    summary = Summary(
        "x", 1, [EncoderSummary(made, 1, 1, 1, 1, runs)], [TokenSummary("pdb", 1, {}, "t", tokens)],
        [],
    )  # fmt: skip
    lines = card(summary, "Ours").split("## What made it\n\n")[1].splitlines()
    expected = [f"- enc: 2026, `run {i}` ()" for i in range(count)]
    expected += [f"- tokens of pdb: no date, `tokens {i}` ()" for i in range(2)]
    last = [f"- and {more} more: `sesstore info --json`"] if more else []
    assert lines == expected[:20] + last
