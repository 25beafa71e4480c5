"""What a view of embeddings does where segments go, cannot be mapped, or break under it."""

from __future__ import annotations

import pickle
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.errors import CorruptStoreError, InputError, NotStoredError
from sesstore.store import Store, embeddings, layout, mapping, row_gather
from sesstore.store.embeddings import MovedRows


class Unmapped:
    """Rows behind some other way to read them, as zarr-python's."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._rows[rows].copy()


def test_proteins_are_numbered_in_the_order_of_their_segments(filled):
    view = filled.store.embeddings("enc_float16")
    ids = [segment.id for segment in view.segments]
    assert ids == sorted(ids)
    assert view.digests.tobytes() == b"".join(p.digest for p in filled.proteins)
    assert view.lengths.tolist() == [len(p) for p in filled.proteins]
    assert filled.proteins[0].digest in view
    assert bytes(32) not in view
    with pytest.raises(NotStoredError, match="protein 000000000000 by enc_float16 is stored"):
        view.get(bytes(32))


@pytest.mark.parametrize("name", ["enc_float16", "enc_int8"])
@pytest.mark.parametrize("way", ["compiled", "no compiler", "first segment unmapped"])
def test_whatever_way_rows_are_gathered_they_are_those_stored(filled, kit, monkeypatch, name, way):
    """Decoded by what `to_storage` says, not by the view itself."""
    view, int8 = filled.store.embeddings(name), name == "enc_int8"
    if way == "no compiler":
        monkeypatch.setattr(row_gather, "takes", lambda *_: False)
    elif way == "first segment unmapped":
        view.segments[0].__dict__["values"] = Unmapped(view.segments[0].values)
    rows = np.random.default_rng(1).permutation(len(view))
    stored = [kit.embedding(filled.proteins[r], filled.provenances[int8]) for r in rows]
    values = np.concatenate([item.values for item in stored])
    factors = np.concatenate([item.scales for item in stored])[:, None] if int8 else np.ones((1, 1))
    for kind in (np.float16, np.float32, np.float64):
        out = np.full(values.shape, 7, kind)
        view.gather(rows, out)
        expected = values.astype(kind) * factors.astype(kind)
        np.testing.assert_allclose(out, expected, rtol=2e-3 if kind == np.float16 else 0)
    if int8:
        out, scales = np.full_like(values, 7), np.zeros(len(values), np.float16)
        view.gather(rows, out, scales)
        np.testing.assert_array_equal(out, values)
        np.testing.assert_array_equal(scales, factors[:, 0])


def test_a_buffer_of_another_width_is_refused(filled):
    view = filled.store.embeddings("enc_float16")
    total = int(view.lengths[:2].sum())
    with pytest.raises(InputError, match=rf"needs a buffer \[{total}, 6\], got \({total}, 5\)"):
        view.gather(np.array([0, 1]), np.empty((total, 5), np.float16))


def test_the_pages_of_just_these_proteins_are_asked_for(filled, monkeypatch):
    view, pages = filled.store.embeddings("enc_float16"), []
    monkeypatch.setattr(mapping, "prefetch", pages.append)
    rows = np.array([7, 0, len(view) - 1])
    view.prefetch(rows)
    assert len(pages) == 3
    for page, row in zip(pages, rows, strict=True):
        assert page.__array_interface__["data"] == view.raw(row).__array_interface__["data"]
        assert page.shape == (view.lengths[row], view.dim)
    last = view.locate(rows[2:])[0][0]
    view.segments[last].__dict__["values"] = Unmapped(view.segments[last].values)
    view.prefetch(rows)
    assert len(pages) == 5


def test_addresses_stay_in_their_process(filled):
    view, rows = filled.store.embeddings("enc_int8"), np.array([3, 1])
    out = np.empty((int(view.lengths[rows].sum()), view.dim), np.float32)
    view.gather(rows, out)
    copy = pickle.loads(pickle.dumps(view))
    assert "_origins" in vars(view)
    assert "_origins" not in vars(copy)
    again = np.zeros_like(out)
    copy.gather(rows, again)
    np.testing.assert_array_equal(again, out)


def test_scales_are_for_int8_and_their_loss_is_damage(filled):
    with pytest.raises(InputError, match="float16 values have no scales"):
        filled.store.embeddings("enc_float16").scales(0)
    view = filled.store.embeddings("enc_int8")
    segment = view.segments[0].path
    shutil.rmtree(segment / "scales")
    with pytest.raises(CorruptStoreError, match=f"scales of segment {segment} cannot be read"):
        view.get(filled.proteins[0].digest)


def test_values_that_break_under_a_view_are_damage_and_not_looked_for_elsewhere(
    filled, monkeypatch
):
    monkeypatch.setattr(embeddings, "_MAP_AT_ONCE", 1)
    view = filled.store.embeddings("enc_float16")
    shutil.rmtree(view.segments[0].path / "values")
    with pytest.raises(CorruptStoreError, match=f"segment {view.segments[0].path} cannot be read"):
        view.get(filled.proteins[0].digest)
    assert "_reopened" not in vars(view)


def test_a_segment_that_goes_while_a_view_is_opened_is_looked_for_again(filled, monkeypatch):
    """And one that is broken, or never there, is an error, at once or in the end."""
    folder, real = filled.store.encoder_folder("enc_int8"), layout.segment_folders
    gone, calls = folder / "20200101T000000000000-00000000deadbeef", []

    def listing(times: int):
        def segments(encoder):
            calls.append(encoder)
            return ([gone] if len(calls) <= times else []) + real(encoder)

        calls.clear()
        return segments

    monkeypatch.setattr(layout, "segment_folders", listing(19))
    assert len(filled.store.embeddings("enc_int8")) == len(filled.proteins)
    assert len(calls) == 20
    monkeypatch.setattr(layout, "segment_folders", listing(99))
    with pytest.raises(CorruptStoreError, match=gone.name):
        filled.store.embeddings("enc_int8")
    gone.mkdir()
    monkeypatch.setattr(layout, "segment_folders", listing(99))
    with pytest.raises(CorruptStoreError, match=gone.name):
        filled.store.embeddings("enc_int8")
    assert len(calls) == 1


def test_rows_that_moved_are_sliced_as_they_lay():
    lengths = [3, 1, 4, 2]
    offsets = np.r_[0, np.cumsum(lengths)]
    digests = np.arange(4 * 32, dtype=np.uint8).reshape(4, 32)
    rows = np.arange(10)[:, None] * np.ones(2)
    elsewhere = {d.tobytes(): number for number, d in enumerate(digests[::-1])}
    moved = MovedRows(
        SimpleNamespace(offsets=offsets, digests=digests, path="there"),
        lambda wanted: np.array([elsewhere[d.tobytes()] for d in wanted]),
        lambda place: rows[offsets[3 - place] : offsets[4 - place]],
    )
    for start in range(10):
        for stop in range(start + 1, 11):
            np.testing.assert_array_equal(moved[start:stop], rows[start:stop])
    np.testing.assert_array_equal(moved[:], rows)
    assert np.shares_memory(moved[4:8], rows)


def test_rows_that_are_nowhere_any_more_are_said_with_the_segment():
    segment = SimpleNamespace(
        offsets=np.array([0, 2, 3]), digests=np.zeros((2, 32), np.uint8), path="there"
    )
    moved = MovedRows(segment, lambda wanted: np.array([0, -1])[: len(wanted)], lambda _: None)
    with pytest.raises(CorruptStoreError, match="segment there was removed, and no other one"):
        moved[0:3]


def test_of_copies_in_several_segments_rows_lead_to_the_first(tmp_path, kit):
    """Whatever stands between them: lengths, places and values belong together."""
    store, made, known = Store.create(tmp_path / "s"), kit.provenance(), kit.proteins(5)
    for some in ([known[3], known[0]], [known[0], known[4], known[3]], [known[1]]):
        with store.writer(made, {}) as writer:
            for protein in some:
                writer.add(kit.embedding(protein, made))
    view, order = store.embeddings(), [known[3], known[0], known[4], known[1]]
    assert view.digests.tobytes() == b"".join(p.digest for p in order)
    arrays, starts, stops = view.locate(np.arange(4))
    assert arrays.tolist() == [0, 0, 1, 2]
    assert starts.tolist() == [0, len(known[3]), len(known[0]), 0]
    assert (stops - starts).tolist() == view.lengths.tolist() == [len(p) for p in order]
    for protein in order:
        np.testing.assert_array_equal(view.get(protein.digest), kit.embedding(protein, made).values)
