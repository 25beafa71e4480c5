"""Locks of what is not committed yet."""

from __future__ import annotations

from sesstore.store import compaction
from sesstore.store.compaction import gc
from sesstore.store.write_locks import hold


def test_gc_holds_what_it_removes(filled, monkeypatch):
    """Nobody can begin to write in a folder that is being removed."""
    folder = filled.store.encoder_folder("enc_int8") / ".20200101T000000000000-0123456789abcdef"
    folder.mkdir()
    seen = []
    real = compaction.shutil.rmtree
    monkeypatch.setattr(
        compaction.shutil, "rmtree", lambda path: (seen.append(hold(path)), real(path))
    )
    assert len(gc(filled.store, older_than=0).removed) == 1
    assert seen == [None]
