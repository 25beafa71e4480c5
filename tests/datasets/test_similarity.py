from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from sesstore.datasets.similarity import NEARLY_EQUAL, alike_pairs, identity_of, joined, kmers

LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def mutated(sequence: str, identity: float, rng: np.random.Generator) -> str:
    places = rng.random(len(sequence)) > identity
    return "".join(
        rng.choice(LETTERS) if out else c for c, out in zip(sequence, places, strict=True)
    )


@settings(max_examples=settings.default.max_examples * 3 // 10)
@given(st.text("ACDEFGHIKLMNPQRSTVWYX", min_size=1, max_size=60))
def test_kmers_are_those_of_the_text(sequence: str) -> None:
    by_hand = {sequence[i : i + 4] for i in range(max(1, len(sequence) - 3))}
    assert len(kmers(sequence)) == len(by_hand)


@pytest.mark.parametrize("identity", [0.7, 0.9, 1.0])
def test_identity_follows_the_share_of_kmers(identity: float) -> None:
    rng = np.random.default_rng(0)
    sequence = "".join(rng.choice(LETTERS, 3_000))
    one, other = kmers(sequence), kmers(mutated(sequence, identity, rng))
    common = len(np.intersect1d(one, other))
    found = identity_of(common / (len(one) + len(other) - common))
    assert found == pytest.approx(identity, abs=0.05)


def test_variants_of_one_protein_are_one_cluster_without_all_pairs() -> None:
    rng = np.random.default_rng(1)
    parent = "".join(rng.choice(LETTERS, 200))
    variants = list(dict.fromkeys(mutated(parent, 0.99, rng) for _ in range(600)))
    others = ["".join(rng.choice(LETTERS, 200)) for _ in range(40)]
    pairs = list(alike_pairs([*variants, *others], NEARLY_EQUAL))
    assert len(pairs) < 64 * 2 * len(variants)
    clusters = joined(len(variants) + len(others), iter(pairs))
    assert len(set(clusters[: len(variants)])) == 1
    assert len(set(clusters)) == 1 + len(others)


def test_real_proteins_cluster_as_if_all_pairs_were_compared(shared_data: Path) -> None:
    lines = (shared_data / "ec/alphafold2/train.jsonl").read_text().splitlines()
    sequences = list(dict.fromkeys(json.loads(line)["aa_seq"] for line in lines))
    words = [sorted({s[i : i + 4] for i in range(len(s) - 3)}) for s in sequences]
    number: dict[str, int] = {}
    columns = [number.setdefault(word, len(number)) for found in words for word in found]
    sizes = np.asarray([len(found) for found in words])
    rows = np.repeat(np.arange(len(words)), sizes)
    has = csr_matrix((np.ones(len(rows)), (rows, columns)))
    common = (has @ has.T).toarray()
    jaccard = common / (sizes[:, None] + sizes[None] - common)
    count, truth = connected_components(coo_matrix(jaccard >= NEARLY_EQUAL))
    found = joined(len(sequences), alike_pairs(sequences, NEARLY_EQUAL))
    assert len(set(found)) == count
    assert len(set(zip(found.tolist(), truth.tolist(), strict=True))) == count
