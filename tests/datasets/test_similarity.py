from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from sesstore.datasets.similarity import (
    ALIKE,
    NEARLY_EQUAL,
    Pair,
    alike_pairs,
    identity_of,
    joined,
    kmers,
)

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


def test_pairs_are_said_once_with_their_share_of_kmers() -> None:
    rng = np.random.default_rng(3)
    parents = ["".join(rng.choice(LETTERS, 150)) for _ in range(20)]
    relatives = [mutated(parent, 0.8, rng) for parent in parents]
    words = [{s[i : i + 4] for i in range(len(s) - 3)} for s in (*relatives, *parents)]
    pairs = list(alike_pairs([*relatives, *parents], 0.15))
    places = [(pair.first, pair.second) for pair in pairs]
    assert len(set(places)) == len(places)
    # A pair of 80 % identity agrees in one of 64 bands of two hashes in 99 of 100 cases.
    assert len(places) >= 18
    assert all(second - first == 20 for first, second in places)
    for pair in pairs:
        one, other = words[pair.first], words[pair.second]
        assert pair.jaccard == pytest.approx(len(one & other) / len(one | other))
    least = min(pairs, key=lambda pair: pair.jaccard)
    texts = [relatives[least.first], parents[least.first]]
    assert len(list(alike_pairs(texts, least.jaccard))) == 1  # as alike as is asked for
    assert list(alike_pairs(texts, least.jaccard + 1e-9)) == []


@pytest.mark.parametrize(("share", "jaccard"), [(1.0, 1.0), (0.9, 0.6561 / 1.3439), (0.0, 0.0)])
def test_identity_of_known_shares(share: float, jaccard: float) -> None:
    """p^4 of the 4-mers are common: J = p^4 / (2 - p^4)."""
    assert identity_of(jaccard) == pytest.approx(share)


def test_bounds_stand_for_the_identities_they_name() -> None:
    assert identity_of(NEARLY_EQUAL) == pytest.approx(0.9, abs=0.001)
    assert identity_of(ALIKE) == pytest.approx(0.6, abs=0.01)


def test_short_sequences_are_compared_whole() -> None:
    assert [len(kmers(text)) for text in ("M", "MKV", "MKVL", "MKVLA")] == [1, 1, 1, 2]
    assert len({int(kmers(text)[0]) for text in ("M", "MK", "MKV", "MKVL", "KM", "VKM")}) == 6
    assert joined(3, iter([Pair(2, 0, 1.0)])).tolist() == [0, 1, 0]
