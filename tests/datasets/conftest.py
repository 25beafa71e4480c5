"""Shared by the tests of datasets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sesstore.datasets.diagnosis import Diagnosis

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


RNG = np.random.default_rng(5)


FEW = {"small_valid": 4, "small_test": 4}
"""What is said of every set as small as those made here."""


def counts(found: Diagnosis) -> dict[str, int]:
    return {finding.what: finding.count for finding in found.findings}


def lines(folder: Path) -> list[dict[str, Any]]:
    """Rows of the files, with the split each is of."""
    return [
        {**json.loads(line), "split": file.stem}
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def by(rows: Sequence[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def sequence(length: int = 80) -> str:
    return "".join(RNG.choice(LETTERS, length))


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    for split, group in by(rows, "split").items():
        text = [json.dumps({k: v for k, v in row.items() if k != "split"}) for row in group]
        (folder / f"{split}.jsonl").write_text("\n".join(text) + "\n")
    return folder


def healthy_rows() -> list[dict[str, Any]]:
    splits = ["train"] * 12 + ["valid"] * 4 + ["test"] * 4
    return [
        {"name": f"p{i}", "aa_seq": sequence(), "label": ("no", "yes")[i % 2], "split": split}
        for i, split in enumerate(splits)
    ]


SPLITS = ["train"] * 8 + ["valid", "test"]


def sequences(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(LETTERS, int(rng.integers(20, 40)))) for _ in range(count)]


def labelled(path: Path, labels: list[object]) -> Path:
    """Write ten rows with splits, as JSON lines."""
    rows = zip(sequences(len(labels)), labels, SPLITS, strict=True)
    text = [json.dumps({"seq": s, "label": label, "split": p}) for s, label, p in rows]
    path.write_text("\n".join(text) + "\n")
    return path
