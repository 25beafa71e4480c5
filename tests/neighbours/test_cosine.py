from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.neighbours import cosine
from sesstore.neighbours.cosine import MeanRows, nearest, unit
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store


def plain(queries, references, count):
    """All cosines at once, in float64."""
    a, b = (x.astype(np.float64) for x in (queries, references))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    similarity = a @ b.T
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(similarity, order, 1)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("count", [1, 7, 300])
def test_blocks_give_what_one_product_gives(monkeypatch, dtype: str, count: int) -> None:
    monkeypatch.setattr(cosine, "BLOCK_ROWS", 17)
    rng = np.random.default_rng(1)
    references = rng.normal(size=(200, 24)).astype(dtype)
    queries = rng.normal(size=(9, 24)).astype(dtype)
    rows, similarity = plain(queries, references, min(count, 200))
    hits = nearest(queries, [references[:50], references[50:51], references[51:]], count)
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_allclose(hits.similarity, similarity, atol=2e-6)


def test_equal_rows_come_in_their_order_and_one_can_be_left_out() -> None:
    references = np.ones((5, 3), np.float32)
    hits = nearest(references[:2], [references], 4, without=np.array([0, -1]))
    np.testing.assert_array_equal(hits.rows[0], [1, 2, 3, 4])
    assert sorted(hits.rows[1]) == list(hits.rows[1])
    np.testing.assert_allclose(hits.similarity, 1, atol=1e-6)


@pytest.mark.parametrize(("count", "hits"), [(1, 1), (2, 2), (3, 2), (9, 2)])
def test_a_row_that_does_not_count_never_fills_up(count: int, hits: int) -> None:
    references = np.eye(3, 4, dtype=np.float32) + 1
    nearest_rows = nearest(references, [references], count, without=np.arange(3))
    assert nearest_rows.rows.shape == (3, hits)
    for row, rows in enumerate(nearest_rows.rows.tolist()):
        assert row not in rows
        assert -1 not in rows
    assert (nearest_rows.similarity > 0).all()


def test_a_row_of_zeros_is_like_nothing() -> None:
    assert not unit(np.zeros((1, 4))).any()
    hits = nearest(np.ones((1, 4)), [np.array([[0, 0, 0, 0], [1, 1, 1, 1]], np.float16)], 2)
    np.testing.assert_allclose(hits.similarity, [[1, 0]], atol=1e-6)
    np.testing.assert_array_equal(hits.rows, [[1, 0]])


def test_nothing_to_search_and_other_widths_are_errors() -> None:
    with pytest.raises(InputError, match="sesstore embed"):
        nearest(np.ones((1, 4)), [], 3)
    with pytest.raises(InputError, match="widths"):
        nearest(np.ones((1, 4)), [np.ones((2, 5))], 3)


def test_every_finite_float16_becomes_the_same_float32() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    values = bits.view(np.float16)
    values = values[np.isfinite(values)]
    np.testing.assert_array_equal(cosine.as_float32(values), values.astype(np.float32))
    np.testing.assert_array_equal(cosine.as_float32(values[::2]), values[::2].astype(np.float32))


@pytest.mark.parametrize("ahead", [1, 2])
def test_blocks_come_by_groups_and_own_rows_are_left_out_of_each(monkeypatch, ahead: int) -> None:
    """Numbers go over all arrays and all groups of blocks, also those of rows that do not count."""
    monkeypatch.setattr(cosine, "BLOCK_ROWS", 7)
    monkeypatch.setattr(cosine, "_AHEAD", ahead)
    rng = np.random.default_rng(4)
    references = rng.normal(size=(60, 8)).astype(np.float32)
    order, similarity = plain(references, references, 60)
    hits = nearest(
        references, [references[:10], references[10:11], references[11:]], 59,
        without=np.arange(60), threads=2,
    )  # fmt: skip
    assert hits.rows.dtype == np.int64
    assert hits.similarity.dtype == np.float32
    np.testing.assert_array_equal(hits.rows, order[:, 1:])
    np.testing.assert_allclose(hits.similarity, similarity[:, 1:], atol=2e-6)
    without = np.full(60, -1)
    without[3] = order[3, 1]  # another than itself
    best = nearest(references, [references], 2, without=without, threads=1)
    np.testing.assert_array_equal(best.rows[:3], order[:3, :2])
    assert best.rows[3].tolist() == [3, order[3, 2]]


@pytest.mark.parametrize("threads", [None, 1, 5])
def test_as_many_threads_work_as_are_asked_for(monkeypatch, threads) -> None:
    asked, real = [], cosine.ThreadPoolExecutor
    monkeypatch.setattr(
        cosine, "ThreadPoolExecutor", lambda count: (asked.append(count), real(count))[1]
    )
    monkeypatch.setattr(cosine, "available_cores", lambda: 3)
    nearest(np.ones((1, 4)), [np.ones((2, 4))], 1, threads=threads)
    assert asked == [threads or 3]


def test_a_cosine_is_none_beyond_one_and_no_count_is_an_error() -> None:
    rows = np.array([[0.1, 0.7, 0.3], [-0.1, -0.7, -0.3]], np.float32) * 1e-3
    hits = nearest(np.tile(rows[:1], (1, 1)) * 77, [rows], 2)
    assert hits.similarity.max() <= 1
    assert hits.similarity.min() >= -1
    np.testing.assert_allclose(hits.similarity, [[1, -1]], atol=1e-6)
    np.testing.assert_allclose(unit([[3, 4], [0, 2]]), [[0.6, 0.8], [0, 1]], rtol=1e-6)
    with pytest.raises(InputError, match="nothing to search"):
        nearest(rows, [rows], 0)
    with pytest.raises(InputError, match="nothing to search"):
        nearest(rows, [rows[:0]], 1)


def test_residues_are_no_means(tmp_path: Path) -> None:
    made = Provenance(Fingerprint("enc", "ab" * 32, 6, "esm1b", "whole", "fp32"), 6)
    store = Store.create(tmp_path / "s")
    with store.writer(made, {}) as writer:
        writer.add(Embedding(bytes(32), np.ones((3, 6), np.float16)))
    with pytest.raises(InputError, match="--reduce mean"):
        MeanRows(store.embeddings())
