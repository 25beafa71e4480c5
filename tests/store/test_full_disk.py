"""A really full disk: a file system of a few MiB in memory, where mounting one is allowed."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.errors import StorageFullError
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.store.compaction import compact, gc
from sesstore.store.integrity import verify

from ..conftest import fill_up


def test_embeddings_on_a_full_disk(small_disk, kit):
    store = Store.create(small_disk / "s")
    made = kit.provenance(dim=256)
    known = kit.proteins(400)
    added = []

    def write_until_full():
        with store.writer(made, {}, segment_bytes=200_000) as writer:
            for protein in known:
                writer.add(kit.embedding(protein, made))
                added.append(protein)

    with pytest.raises(StorageFullError, match="free some space"):
        write_until_full()
    view = store.embeddings()
    assert 0 < len(view) <= len(added)
    assert verify(store.path).ok
    assert verify(store.path).notes == []
    for protein in added:
        if protein.digest in view:
            np.testing.assert_array_equal(
                view.get(protein.digest), kit.embedding(protein, made).values
            )
    with pytest.raises(StorageFullError):
        compact(store)
    assert len(store.embeddings()) == len(view)


@pytest.mark.parametrize("what", ["proteins", "tokens", "task", "store"])
def test_everything_else_on_a_full_disk(small_disk, kit, what):
    store = Store.create(small_disk / "s")
    known = kit.proteins(60)
    store.add_proteins(known[:30])
    store.add_tokens(map(kit.tokens, known[:30]), {})
    fill_up(small_disk)
    work = {
        "proteins": lambda: store.add_proteins(
            Protein(f"q{i}", "ACDEFGHIKL" * (90 + i)) for i in range(3000)
        ),
        "tokens": lambda: store.add_tokens(
            (kit.tokens(Protein("q", "ACDEFGHIKL" * (200 + i))) for i in range(2000)), {}
        ),
        "task": lambda: store.add_task(kit.task(known)),
        "store": lambda: Store.create(small_disk / "other"),
    }
    with pytest.raises(StorageFullError):
        work[what]()
    assert verify(store.path).ok
    assert store.count_proteins() >= 30
    (small_disk / "ballast").unlink()
    (small_disk / "more").unlink()
    assert store.add_proteins(known) == 30
    assert store.add_tokens(map(kit.tokens, known), {}) >= 30
    store.add_task(kit.task(known))
    gc(store, older_than=0)
    assert verify(store.path).ok
    assert verify(store.path).notes == []
