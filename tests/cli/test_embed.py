"""``sesstore embed``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sesstore_cli.embed import say_report

from sesstore.encoders import registry
from sesstore.encoders.base import Embedding, Encoder
from sesstore.jobs.embedding.embed import EmbedReport
from sesstore.proteins import Protein
from sesstore.store import Store

from .conftest import rows, write_jsonl


def test_a_second_embed_runs_no_encoder_and_says_so(cli, data: Path) -> None:
    cli("add", "deeploc_binary", "--data", data, "--source", "alphafold2")
    first = cli("embed", "--plm", "blosum62", "--json").json
    assert (first["encoded"], first["already_stored"]) == (40, 0)
    second = cli("embed", "--plm", "blosum62")
    assert "nothing to do" in second.err
    assert "embedding with" not in second.err
    assert cli("embed", "--plm", "blosum62", "--json").json["encoded"] == 0


def test_a_second_task_embeds_only_what_is_new(cli, data: Path) -> None:
    cli("add", "deeploc_binary", "--data", data, "--source", "alphafold2")
    cli("embed", "--plm", "blosum62")
    shared = [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()[:6]]
    fresh = [{**row, "label": 0.5} for row in [*shared, *rows(3, 77)]]
    other = Path("other")
    other.mkdir()
    for split in ("train", "valid", "test"):
        write_jsonl(other / f"{split}.jsonl", fresh)
    cli("add", "thermostability", "--data", other, "--source", "alphafold2")
    done = cli("embed", "thermostability", "--plm", "blosum62", "--json").json
    assert (done["proteins"], done["encoded"], done["already_stored"]) == (9, 3, 6)


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
         "threads": 1, "layers": None, "structure": None}
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


def test_every_figure_of_an_embedding_is_in_its_place(shown) -> None:
    failed = {f"p{n}": "too long" for n in range(11)} | {"q": "no tokens"}
    report = EmbedReport("X", "ab12", 11, 22, 1234, 5678, failed, 150.0, {"6": "ab12"})
    assert shown(say_report, report) == [
        "X ab12: 1,234 encoded, 5,678 already stored, 12 failed in 2 min",
        f"failed: {', '.join(f'p{n}' for n in range(10))} and 1 more: too long",
        "failed: q: no tokens",
    ]
    ten = replace(report, failed={f"p{n}": "x" for n in range(10)}, layers={"6": "ab", "12": "cd"})
    assert shown(say_report, ten)[0].startswith("X layer 6 ab, layer 12 cd: 1,234 encoded")
    assert "more" not in shown(say_report, ten)[1]
