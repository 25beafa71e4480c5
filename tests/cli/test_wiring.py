"""Options reach what they are for, and numbers the column they are printed in."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sesstore.encoders import registry
from sesstore.encoders.base import Embedding, Encoder
from sesstore.proteins import Protein
from sesstore.store import Store

ADAPTER = {
    "--structure": ("dssp", "alphabets", ["dssp"]),
    "--pooling": ("mean", "pooling", "mean"),
    "--heads": ("2", "heads", 2),
    "--width": ("8", "width", 8),
    "--dropout": ("0.25", "dropout", 0.25),
    "--modality-dropout": ("0.3", "modality_dropout", 0.3),
}
FIT = {
    "--lr": ("0.003", "lr", 0.003),
    "--weight-decay": ("0.07", "weight_decay", 0.07),
    "--epochs": ("2", "epochs", 2),
    "--patience": ("4", "patience", 4),
    "--batch-tokens": ("333", "batch_tokens", 333),
    "--min-plddt": ("61", "min_plddt", 61),
    "--schedule": ("constant", "schedule", "constant"),
    "--warmup": ("0.2", "warmup", 0.2),
    "--clip": ("1.5", "clip", 1.5),
    "--focal": ("2.0", "focal", 2.0),
    "--residency": ("disk", "residency", "disk"),
    "--seed": ("7", "seed", 7),
    "--device": ("cpu", "device", "cpu"),
}
SWEPT = {"--clip", "--focal", "--lr", "--weight-decay", "--schedule", "--dropout", "--width"}
SWEPT |= {"--structure", "--pooling", "--heads", "--modality-dropout"}
SHARED = {"--epochs", "--patience", "--batch-tokens", "--residency", "--seed", "--device"}
OF_STUDIES = {"--lr", "--epochs", "--patience", "--batch-tokens", "--seed", "--device"}
OF_STUDIES |= {"--heads", "--width"}


def words(names: Iterable[str]) -> list[str]:
    return [word for name in names for word in (name, ({**ADAPTER, **FIT})[name][0])]


def check(config: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        part = "adapter" if name in ADAPTER else "fit"
        _, key, value = ({**ADAPTER, **FIT})[name]
        assert config[part][key] == value, name


def test_every_option_of_train_reaches_the_run(cli, trained: Path) -> None:
    every = [*ADAPTER, *FIT]
    said = cli("train", "deeploc_binary", *words(every), "--balanced", "--out", "set", "--json")
    assert said.status == 0, said.err
    config = json.loads(Path("set/run.json").read_text())["config"]
    check(config, every)
    assert config["fit"]["class_weights"] == "balanced"
    plain = json.loads((trained / "run.json").read_text())["config"]["fit"]
    assert plain["class_weights"] is None


def test_every_option_of_sweep_and_study_reaches_the_runs(cli, trained: Path) -> None:
    given = sorted(SWEPT | SHARED)
    swept = cli(
        "sweep", "deeploc_binary", *words(given), "--balanced", "--seeds", "1", "--out", "s"
    )
    assert swept.status == 0, swept.err
    (record,) = Path("s").glob("*/seed-7/run.json")
    config = json.loads(record.read_text())["config"]
    check(config, given)
    assert config["fit"]["class_weights"] == "balanced"
    studied = cli(
        "study", "scaling", "deeploc_binary", *words(sorted(OF_STUDIES - {"--width"})),
        "--widths", "8", "--seeds", "1", "--out", "t",
    )  # fmt: skip
    assert studied.status == 0, studied.err
    records = [json.loads(record.read_text())["config"] for record in Path("t").rglob("run.json")]
    for config in records:
        check(config, OF_STUDIES - {"--width"})
    assert {config["adapter"]["width"] for config in records} == {None, 8}


def test_train_prints_each_number_in_its_place(cli, trained: Path) -> None:
    line = ["train", "deeploc_binary", "--epochs", "3", "--heads", "2", "--seeds", "3"]
    said = cli(*line, "--structure", "none", "--lr", "0.0003", "--out", "three")
    assert said.status == 0, said.err
    records = [json.loads(p.read_text()) for p in sorted(Path("three").glob("seed-*/run.json"))]
    for split in ("valid", "test"):
        values = [record["metrics"][split]["accuracy"] for record in records]
        mean = sum(values) / 3
        spread = (sum((v - mean) ** 2 for v in values) / 2) ** 0.5
        row = next(r.split() for r in said.out.splitlines() if r.split()[:2] == [split, "accuracy"])
        assert row[2:5] == [f"{mean:.4f}", "±", f"{spread:.4f}"]
        if split == "valid":
            assert len(row) == 5  # the interval is of test
            continue
        low, to, high = row[5:]
        assert to == "to"
        assert float(low) <= mean <= float(high)
    assert "epochs of" in said.out
    assert "(3 seeds together)" in said.out


def test_an_evaluation_says_what_its_counts_are(cli, trained: Path) -> None:
    cli(
        *[
            "train",
            "deeploc_binary",
            "--epochs",
            "1",
            "--heads",
            "2",
            "--seeds",
            "2",
            "--out",
            "two",
        ]
    )
    said = cli("evaluate", "two").out
    assert "Confusion matrix: counts are of proteins, summed over 2 seeds" in said
    assert "summed over" not in cli("evaluate", trained).out
    report = cli("evaluate", "two", "--json").json
    assert sum(sum(row) for row in report["confusion"]) == 2 * report["rows"]


class Choosy:
    """An encoder that cannot do one protein."""

    def __init__(self, encoder: Encoder, hated: str) -> None:
        self._encoder, self._hated = encoder, hated
        self.failures: dict[bytes, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, proteins: Iterable[Protein]) -> Iterator[Embedding]:
        listed = list(proteins)
        for protein in listed:
            if protein.sequence == self._hated:
                self.failures[protein.digest] = "it is too odd"
        yield from self._encoder.encode([p for p in listed if p.sequence != self._hated])


def test_every_option_of_embed_reaches_the_encoder(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("new.fasta").write_text(">one\nMKVLA\n")
    Path("w.pt").write_bytes(b"")
    loaded, settings = registry.load, []
    monkeypatch.setattr(
        registry, "load", lambda name, **given: settings.append(given) or loaded(name)
    )
    words = "--weights w.pt --device cpu --long nterm --precision bf16 --threads 1 --dtype float32"
    said = cli("embed", "new.fasta", "--plm", "blosum62", *words.split())
    assert said.status == 0, said.err
    assert settings == [
        {"weights": Path("w.pt"), "device": "cpu", "long": "nterm", "precision": "bf16",
         "threads": 1, "layers": None}
    ]  # fmt: skip
    assert [stored.dtype for stored in Store.open("store").encoders()] == ["float32"]


def test_what_could_not_be_embedded_is_listed_and_the_status_says_so(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("new.fasta").write_text(">good\nMKVLA\n>odd\nWWWWW\n")
    loaded = registry.load
    monkeypatch.setattr(registry, "load", lambda *a, **k: Choosy(loaded(*a, **k), "WWWWW"))
    said = cli("embed", "new.fasta", "--plm", "blosum62")
    assert said.status == 1
    assert "1 encoded, 0 already stored, 1 failed" in said.out
    assert "failed: odd: it is too odd" in said.out


@pytest.mark.parametrize(
    ("words", "minutes", "goes"),
    [((), 59, False), ((), 61, True), (("--older-than", "5"), 4, False),
     (("--older-than", "5"), 6, True)],
)  # fmt: skip
def test_ages_are_in_minutes(
    cli, trained: Path, words: tuple[str, ...], minutes: int, goes: bool
) -> None:
    (encoder,) = [p for p in Path("store/embeddings").iterdir() if p.is_dir()]
    left = encoder / ".20261127T000000000000-0000000000000000"
    left.mkdir()
    then = time.time() - 60 * minutes
    os.utime(left, (then, then))
    cli("gc", *words)
    assert left.exists() is not goes


def test_ctrl_c_is_130(cli, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the signal came")

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Interrupted()))
    # Of a job in the background a shell has the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        said = cli("predict", trained, "-", "--json")
    finally:
        signal.signal(signal.SIGINT, before)
    assert said.status == 130
    assert said.err.splitlines()[-1] == "error: interrupted"
    assert said.json == {"error": "interrupted", "kind": "Interrupted"}
