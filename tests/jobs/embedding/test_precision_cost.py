"""How near half precision is to float32, said before anything is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.jobs.embedding import precision_cost
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.missing_proteins import MissingProteins, plan_embedding
from sesstore.jobs.embedding.precision_cost import measure_precision
from sesstore.proteins import Protein
from sesstore.residues import Embedding
from sesstore.store import Store

from ...noting import Noting

PARTS = np.array([[1, 0], [3, 4], [0, 0], [-2, 0]], np.float32)
WHOLE = np.array([[2, 0], [4, 3], [0, 0], [0, 5]], np.float32)
"""Rows with cosines 1, 0.96, 1 (nothing to tell apart) and 0."""


class Fixed:
    """An encoder that gives the first rows of a table for whatever it is given."""

    def __init__(self, precision: str, rows: Any, skip: Sequence[str] = ()) -> None:
        self.fingerprint = SimpleNamespace(precision=precision)
        self.full_name, self._rows, self._skip = "none of ours", rows, skip
        self.seen: list[str] = []

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        for protein in proteins:
            self.seen.append(protein.sequence)
            if protein.sequence not in self._skip:
                yield Embedding(protein.digest, self._rows[: len(protein)])


@pytest.fixture
def missing(store: Store) -> MissingProteins:
    letters = "ACDEFGHIKLMNPQRSTVWY"
    proteins = [Protein(f"p{i}", letters[i] * length) for i, length in enumerate((4, 2, 1))]
    plan = plan_embedding(store, registry.load("blosum62"), proteins)
    return plan.todo


def test_the_cosine_is_of_residues(missing: MissingProteins) -> None:
    half: Any = Fixed("fp16", PARTS)
    cost = measure_precision(half, missing, lambda: Fixed("fp32", WHOLE))  # type: ignore[arg-type]
    assert (cost.precision, cost.proteins, cost.residues) == ("fp16", 3, 7)
    assert cost.cosine == pytest.approx((1 + 0.96 + 1 + 0 + 1 + 0.96 + 1) / 7)
    assert cost.lowest == pytest.approx(0)
    assert cost.sentence == (
        "fp16: cosine to float32 0.84571, lowest 0.00000 (7 residues of 3 proteins, encoded both "
        "ways)"
    )
    assert half.seen == ["D", "CC", "AAAA"]


def test_a_few_short_proteins_of_the_first_are_taken(
    missing: MissingProteins, monkeypatch: pytest.MonkeyPatch
) -> None:
    half: Any = Fixed("bf16", PARTS)
    full: Any = Fixed("fp32", PARTS)
    monkeypatch.setattr(precision_cost, "FIRST", 2)
    monkeypatch.setattr(precision_cost, "SAMPLE", 1)
    assert measure_precision(half, missing, lambda: full).proteins == 1
    assert half.seen == full.seen == ["CC"]


def test_what_only_one_of_them_encodes_is_not_compared(missing: MissingProteins) -> None:
    half: Any = Fixed("bf16", PARTS, skip=["AAAA"])
    full: Any = Fixed("fp32", PARTS, skip=["CC"])
    cost = measure_precision(half, missing, lambda: full)
    assert (cost.proteins, cost.residues, cost.lowest) == (1, 1, 1.0)
    with pytest.raises(MemoryError, match="none of the first"):
        measure_precision(Fixed("bf16", PARTS, ["D", "AAAA"]), missing, lambda: full)  # type: ignore[arg-type]


def test_embedding_in_half_precision_says_what_it_costs(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(path, layers=6, dim=320)
    proteins = [Protein(f"p{i}", "MKVLAAGIVGLCARTQ"[: 3 + i]) for i in range(12)]
    load = partial(registry.load, "esm2_t6", weights=path, device="cpu")
    reference = partial(load, precision="fp32")
    half, notes = load(precision="bf16"), Noting()
    report = embed(store, half, proteins, make_reference=reference, progress=notes)
    assert report.precision_cost is not None
    assert (report.precision_cost.proteins, report.precision_cost.precision) == (8, "bf16")
    assert 0.99 < report.precision_cost.lowest <= report.precision_cost.cosine < 1
    assert notes.notes == [report.precision_cost.sentence]
    again = embed(store, half, proteins, make_reference=reference, progress=notes)
    exact = embed(store, load(), proteins, make_reference=reference, progress=notes)
    assert (again.precision_cost, exact.precision_cost) == (None, None)
    assert (again.encoded, exact.encoded, len(notes.notes)) == (0, 12, 1)


def test_where_memory_is_short_nothing_is_measured_and_all_is_stored(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(path, layers=6, dim=320)
    load = partial(registry.load, "esm2_t6", weights=path, device="cpu")
    weights_of_both = 6 * registry.spec("esm2_t6").parameters
    for free, measured in ((2 * weights_of_both - 1, False), (2 * weights_of_both, True)):
        monkeypatch.setattr(precision_cost, "free_memory", lambda _, free=free: free)
        notes, proteins = Noting(), [Protein("p", f"MKVLA{'A' * measured}")]
        half = load(precision="fp16")
        report = embed(store, half, proteins, make_reference=load, progress=notes)
        assert (report.encoded, report.precision_cost is not None) == (1, measured)
        assert ("not measured: weights of" in notes.notes[0]) is not measured
