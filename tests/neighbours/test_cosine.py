from __future__ import annotations

import numpy as np
import pytest

from sesstore.errors import InputError
from sesstore.neighbours import cosine
from sesstore.neighbours.cosine import nearest, unit


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
