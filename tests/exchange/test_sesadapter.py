"""Rows as SES-Adapter reads them: the first of several conformers, masks without tokens."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.exchange.sesadapter import write_sesadapter
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.tasks import Problem, Split, Task

PROTEINS = [Protein("a", "MKVL"), Protein("b", "MKV"), Protein("c", "MK")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create(tmp_path / "s")
    made.add_proteins(PROTEINS)
    codes = {
        "foldseek": np.stack([FOLDSEEK.encode("DVPL"), FOLDSEEK.encode("AAAA")]),
        "dssp": np.stack([DSSP.encode("HHLL"), DSSP.encode("EEEE")]),
    }
    made.add_tokens([StructureTokens(PROTEINS[0].digest, "nmr", codes)], {})
    only_3di = {"foldseek": FOLDSEEK.encode("PPP")[None]}
    made.add_tokens([StructureTokens(PROTEINS[1].digest, "nmr", only_3di)], {})
    digests = np.frombuffer(b"".join(p.digest for p in PROTEINS), np.uint8).reshape(-1, 32)
    split = Split(("row a", "row b", "row c"), digests, [0, 1, 1])
    made.add_task(
        Task("t", Problem.SINGLE_LABEL, ("x", "y"), {"train": split}, ("accuracy",), "accuracy")
    )
    return made


class Noting:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.amounts: list[int] = []

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Noting]:
        yield self

    def advance(self, amount: int = 1) -> None:
        self.amounts.append(amount)


ROWS = [
    ("row a", "MKVL", "DVPL", "HHLL", 0),
    ("row b", "MKV", "PPP", "###", 1),
    ("row c", "MK", "##", "##", 1),
]


@pytest.mark.parametrize("style", ["jsonl", "csv"])
def test_rows_have_the_first_conformer_or_masks(store: Store, tmp_path: Path, style: str) -> None:
    progress = Noting()
    out, task = tmp_path / "out", store.task("t")
    assert write_sesadapter(out, store, task, "nmr", style=style, progress=progress) == 3
    assert progress.amounts == [1, 1, 1]
    text = (tmp_path / "out" / f"train.{style}").read_text().splitlines()
    rows = [json.loads(line) for line in text] if style == "jsonl" else list(csv.DictReader(text))
    columns = ("name", "aa_seq", "foldseek_seq", "ss8_seq", "label")
    assert [tuple(str(row[c]) for c in columns) for row in rows] == [
        tuple(map(str, row)) for row in ROWS
    ]


def test_without_a_source_there_are_no_token_columns(store: Store, tmp_path: Path) -> None:
    write_sesadapter(tmp_path / "out", store, store.task("t"), None)
    row = json.loads((tmp_path / "out" / "train.jsonl").read_text().splitlines()[0])
    assert row == {"name": "row a", "aa_seq": "MKVL", "label": 0}
