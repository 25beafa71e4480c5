"""``sesstore plan``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sesstore_cli.output import duration
from sesstore_cli.plan import say

from sesstore.jobs.embedding.plan import DeviceTime, WorkPlan


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


@pytest.mark.parametrize("store", ["nowhere", "s3://lab/embeddings"])
def test_a_store_that_is_named_and_not_there_is_said(cli, store: str) -> None:
    """Its tasks and what its segments took would be asked for in vain."""
    said = cli("plan", "--plm", "near", "--proteins", "human", "--store", store)
    assert (said.status, said.out) == (2, "")
    assert "there is no store at" in said.err


def test_a_plan_counts_layers_and_the_truncated_forward(cli: Any) -> None:
    words = ("plan", "--plm", "esm2_t12", "--proteins", "human", "--json")
    last, half, every = (cli(*words, "--layer", layers).json for layers in ("last", "6", "all"))
    assert half["flops"] == pytest.approx(last["flops"] / 2, rel=1e-6)
    assert every["flops"] == last["flops"]
    assert every["bytes"]["float16"] == 12 * half["bytes"]["float16"]


def test_a_layer_may_be_part_of_the_name_and_a_price_nothing(cli: Any) -> None:
    words = ("plan", "--proteins", "human", "--json", "--plm")
    layers = [cli(*words, plm).json["layers"] for plm in ("esm2_t12", "esm2_t12@6")]
    assert layers == [[12], [6]]
    assert cli(*words, "esm2_t12").json["transfer_price"] == {}
    free = cli(*words, "esm2_t12", "--price-per-gb", "0").json["transfer_price"]
    assert free == {"float16": 0, "float32": 0, "int8": 0}


def test_a_faster_line_takes_a_tenth_of_the_time(cli: Any) -> None:
    words = ("plan", "--plm", "esm2_t12", "--proteins", "uniref50")
    hours = cli(*words, "--json").json["transfer_hours"]["float16"]
    assert hours["1_gbit"] == pytest.approx(10 * hours["10_gbit"])
    (row,) = (line for line in cli(*words).out.splitlines() if line.strip().startswith("float16"))
    *_, slow, fast = (duration(3600 * hours[line]) for line in ("1_gbit", "10_gbit"))
    assert row.index(slow) < row.rindex(fast)
    assert slow != fast


PLAN = WorkPlan(
    "X", "mine", "counted", exact=True, proteins=1200, residues=34567, tokens=45678, flops=1.5e12,
    devices=[DeviceTime("H100", 1234.56, "a guess", 7890)],
    bytes={"float16": 1_500_000, "int8": 2_500_000},
    mean_bytes={"float16": 3_500_000, "float32": 4_500_000},
    segments={"float16": 1111, "int8": 2222},
    index_bytes=5_500_000, sequence_bytes=6_500_000,
    transfer_hours={
        "float16": {"1_gbit": 0.01, "10_gbit": 0.001}, "int8": {"1_gbit": 2, "10_gbit": 0.5},
    },
    transfer_price={"float16": 1234.5, "int8": 0.25},
    layers=[3, 6],
)  # fmt: skip


def test_every_figure_of_a_plan_is_in_its_place(shown) -> None:
    assert shown(say, PLAN) == [
        "X, layers 3, 6, over mine (counted)",
        "1,200 proteins, 34,567 residues, 45,678 tokens, 1.50e+12 operations",
        "device hours of one segments it writes basis",
        "H100 1,234.6 7,890 a guess",
        "stored as size full segments 1 Gbit/s 10 Gbit/s price of transfer",
        "float16 1.5 MB 1,111 36.0 s 3.6 s 1,234.50",
        "int8 2.5 MB 2,222 2.0 h 30 min 0.25",
        "means of proteins alone (`embed --reduce mean`): 3.5 MB as float16, 4.5 MB as float32",
        "opened store: 5.5 MB of memory; sequences: 6.5 MB on disk",
    ]
    guess = replace(PLAN, exact=False, devices=[], transfer_price={}, layers=[3])
    lines = shown(say, guess)
    assert lines[0].startswith("X, layer 3, over")
    assert lines[1].startswith("about 1,200 proteins")
    assert lines[2].startswith("a lookup")
    assert lines[3] == "stored as size full segments 1 Gbit/s 10 Gbit/s"
