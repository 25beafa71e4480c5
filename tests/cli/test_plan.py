"""``sesstore plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sesstore_cli.output import duration


def test_plan(cli) -> None:
    said = cli("plan", "--plm", "esm2_t36", "--proteins", "uniref50", "--price-per-gb", "0.1")
    assert said.status == 0
    assert "60,000,000 proteins" in said.out
    assert "H100" in said.out
    Path("a.fasta").write_text(">a\nMKV\n>b\nMKVL\n")
    said = cli("plan", "--plm", "near", "--proteins", "a.fasta", "--json")
    assert (said.json["residues"], said.json["exact"]) == (7, True)
    said = cli("plan", "--plm", "near", "--proteins", "swisprot")
    assert (said.status, "Did you mean 'swissprot'" in said.err) == (2, True)


def test_a_plan_counts_layers_and_the_truncated_forward(cli: Any) -> None:
    words = ("plan", "--plm", "esm2_t12", "--proteins", "human", "--json")
    last, half, every = (cli(*words, "--layer", layers).json for layers in ("last", "6", "all"))
    assert half["flops"] == pytest.approx(last["flops"] / 2, rel=1e-6)
    assert every["flops"] == last["flops"]
    assert every["bytes"]["float16"] == 12 * half["bytes"]["float16"]


def test_a_faster_line_takes_a_tenth_of_the_time(cli: Any) -> None:
    words = ("plan", "--plm", "esm2_t12", "--proteins", "uniref50")
    hours = cli(*words, "--json").json["transfer_hours"]["float16"]
    assert hours["1_gbit"] == pytest.approx(10 * hours["10_gbit"])
    (row,) = (line for line in cli(*words).out.splitlines() if line.strip().startswith("float16"))
    *_, slow, fast = (duration(3600 * hours[line]) for line in ("1_gbit", "10_gbit"))
    assert row.index(slow) < row.rindex(fast)
    assert slow != fast
