from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sesstore.errors import (
    CorruptStoreError,
    FingerprintMismatchError,
    InputError,
    NotStoredError,
)
from sesstore.store import Store, row_gather


def test_every_protein_comes_back(filled, kit):
    for made in filled.provenances:
        view = filled.store.embeddings(made.fingerprint)
        assert len(view) == len(filled.proteins)
        assert len(view.segments) > 1
        for protein in filled.proteins:
            stored = kit.embedding(protein, made)
            values = stored.values
            if stored.scales is not None:
                values = values.astype(np.float32) * stored.scales.astype(np.float32)[:, None]
            np.testing.assert_array_equal(view.get(protein.digest), values)


def test_get_copies_nothing(filled):
    view = filled.store.embeddings("enc_float16")
    row = view.get(filled.proteins[3].digest)
    assert any(np.shares_memory(row, view.values(i)) for i in range(len(view.segments)))
    assert not row.flags.writeable


def test_find_says_where_or_minus_one(filled):
    view = filled.store.embeddings("enc_float16")
    asked = [filled.proteins[5].digest, bytes(32), filled.proteins[0].digest, b"\xff" * 32]
    rows = view.find(asked)
    assert (rows >= 0).tolist() == [True, False, True, False]
    assert view.digests[rows[0]].tobytes() == asked[0]
    assert view.find(np.empty((0, 32), np.uint8)).shape == (0,)
    with pytest.raises(NotStoredError, match="sesstore embed"):
        view.get(bytes(32))


@pytest.mark.parametrize("out_type", [np.float16, np.float32])
@pytest.mark.parametrize("name", ["enc_float16", "enc_int8"])
def test_gather_packs_rows_in_any_order(filled, name, out_type):
    view = filled.store.embeddings(name)
    rows = np.random.default_rng(0).permutation(len(view))
    out = np.empty((int(view.lengths[rows].sum()), view.dim), out_type)
    view.gather(rows, out)
    parts = [view.get(view.digests[row].tobytes()) for row in rows]
    np.testing.assert_allclose(
        out, np.concatenate(parts), rtol=2e-3 if out_type is np.float16 else 0
    )


def test_gather_hands_int8_over_as_it_is(filled, monkeypatch):
    view = filled.store.embeddings("enc_int8")
    rows = np.arange(len(view))[::-1]
    total = int(view.lengths.sum())
    out, scales = np.empty((total, view.dim), np.int8), np.empty(total, np.float16)
    view.gather(rows, out, scales)
    decoded = np.empty((total, view.dim), np.float32)
    view.gather(rows, decoded)
    np.testing.assert_array_equal(out * scales.astype(np.float32)[:, None], decoded)
    monkeypatch.setattr(row_gather, "takes", lambda *_: False)  # as without a compiler
    plain, plain_scales = np.zeros_like(out), np.zeros_like(scales)
    view.gather(rows, plain, plain_scales)
    np.testing.assert_array_equal(plain, out)
    np.testing.assert_array_equal(plain_scales, scales)


def test_gather_wants_the_right_buffer(filled):
    view = filled.store.embeddings("enc_float16")
    with pytest.raises(InputError, match="needs a buffer"):
        view.gather(np.array([0, 1]), np.empty((1, view.dim), np.float16))


def test_locate_and_values_lead_to_the_rows(filled):
    view = filled.store.embeddings("enc_float16")
    rows = np.array([7, 0, 19])
    for row, array, start, stop in zip(rows, *view.locate(rows), strict=True):
        assert stop - start == view.lengths[row]
        np.testing.assert_array_equal(view.values(array)[start:stop], view.raw(row))
    view.prefetch(rows)


def test_of_duplicates_the_first_segment_counts(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    made = kit.provenance()
    known = kit.proteins(8)
    for factor in (1, 2):
        with store.writer(made, {}) as writer:
            for protein in known[: 4 * factor]:
                original = kit.embedding(protein, made)
                writer.add(type(original)(protein.digest, original.values * np.float16(factor)))
    view = store.embeddings()
    assert len(view) == 8
    assert len(np.unique(view.digests, axis=0)) == 8
    for number, protein in enumerate(known):
        expected = kit.embedding(protein, made).values * np.float16(1 if number < 4 else 2)
        np.testing.assert_array_equal(view.get(protein.digest), expected)


def test_a_writer_that_wrote_nothing_leaves_nothing(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    with store.writer(kit.provenance(), {}):
        pass
    assert store.encoders() == []
    with pytest.raises(NotStoredError, match="no embeddings yet"):
        store.embeddings()


def test_an_empty_view_works(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    with store.writer(kit.provenance(), {}) as writer:
        writer.add(kit.embedding(kit.proteins(1)[0], kit.provenance()))
    shutil.rmtree(store.embeddings().segments[0].path)
    view = store.embeddings()
    assert len(view) == 0
    assert view.find([bytes(32)]).tolist() == [-1]


def test_encoders_are_named_in_several_ways(filled):
    store = filled.store
    made = filled.provenances[0]
    for name in (made.fingerprint, "enc_float16", "ENC_Float16", "enc_f", made.fingerprint.short):
        assert store.embeddings(name).provenance == made
    with pytest.raises(NotStoredError, match="enc_float16"):
        store.embeddings("esm2")
    with pytest.raises(FingerprintMismatchError, match="encoder"):
        store.embeddings("enc_")


def test_a_whole_name_in_any_case_is_no_start_of_a_longer_one(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    for name in ("esm2_T6", "esm2_T6_big"):
        made = kit.provenance(name)
        with store.writer(made, {}) as writer:
            writer.add(kit.embedding(kit.proteins(1)[0], made))
    assert store.embeddings("ESM2_t6").provenance.fingerprint.encoder == "esm2_T6"


def test_two_settings_of_one_encoder_never_mix(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    for precision in ("fp32", "bf16"):
        made = kit.provenance()
        made = replace(made, fingerprint=replace(made.fingerprint, precision=precision))
        with store.writer(made, {}) as writer:
            writer.add(kit.embedding(kit.proteins(1)[0], made))
    assert len(store.encoders()) == 2
    with pytest.raises(FingerprintMismatchError, match=r"precision \('\w+' against '\w+'\)"):
        store.embeddings("enc")
    assert store.embeddings(made.fingerprint).provenance == made


def test_one_encoder_has_one_type_in_a_store(tmp_path, kit):
    store = Store.create(tmp_path / "s")
    early = store.writer(kit.provenance(dtype="int8"), {})
    (protein,) = kit.proteins(1)
    with store.writer(kit.provenance(), {}) as writer:
        writer.add(kit.embedding(protein, kit.provenance()))
    with pytest.raises(FingerprintMismatchError, match="Add them as float16"):
        store.writer(kit.provenance(dtype="int8"), {})
    with pytest.raises(FingerprintMismatchError, match="Add them as float16"):
        early.add(kit.embedding(protein, kit.provenance(dtype="int8")))
    with pytest.raises(InputError, match="storage type 'float64'"):
        store.writer(kit.provenance("other", dtype="float64"), {})


def test_importing_the_store_is_quick_and_light():
    code = (
        "import sys, sesstore.store, sesstore.store.integrity, sesstore.store.repair,"
        "sesstore.store.compaction, sesstore.store.card, sesstore.store.diff;"
        "heavy = {'torch', 'zarr', 'scipy', 'mdtraj'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_offsets_that_changed_are_noticed_when_they_are_read(filled):
    """Still growing, they would give every protein behind a wrong row."""
    path = filled.store.embeddings("enc_float16").segments[0].path / "offsets/c.0"
    offsets = np.fromfile(path, "<i8")
    offsets[1] += 1
    path.write_bytes(offsets.tobytes())
    with pytest.raises(CorruptStoreError, match="is not what was written"):
        filled.store.embeddings("enc_float16")
