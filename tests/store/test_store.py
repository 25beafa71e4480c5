from __future__ import annotations

import json
import os

import pytest

from sesstore.errors import CorruptStoreError, MissingFileError, StoreFormatError
from sesstore.store import Store, layout
from sesstore.store.integrity import verify


def test_opening_wants_a_store(tmp_path):
    with pytest.raises(MissingFileError, match="make one with `sesstore add`"):
        Store.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    made = Store.open(tmp_path / "new", create=True)
    assert Store.open(tmp_path / "new").attributes == made.attributes
    assert Store.create(str(tmp_path / "new")).encoders() == []
    assert made.sources() == made.tasks() == []


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "things").mkdir()
    (tmp_path / "things/file").write_text("mine")
    with pytest.raises(StoreFormatError, match="Name a new or an empty folder"):
        Store.create(tmp_path / "things")
    with pytest.raises(StoreFormatError):
        Store.create(tmp_path / "things/file")
    assert [p.name for p in (tmp_path / "things").iterdir()] == ["file"]


def test_a_newer_format_is_refused(tmp_path):
    Store.create(tmp_path / "s")
    root = tmp_path / "s/zarr.json"
    attributes = {**layout.read_group(root), "format": 2}
    root.write_bytes(layout.group_metadata(attributes))
    with pytest.raises(StoreFormatError, match="format 2"):
        Store.open(tmp_path / "s")


def test_changed_root_metadata_are_noticed(tmp_path):
    Store.create(tmp_path / "s")
    root = tmp_path / "s/zarr.json"
    for change in (
        b"{}",
        b"",
        b"[]",
        b"\xff",
        root.read_bytes().replace(b'"format": 1', b'"format": 3'),
    ):
        root.write_bytes(change)
        with pytest.raises(CorruptStoreError):
            Store.open(tmp_path / "s")


def test_a_store_can_be_read_where_nothing_can_be_written(filled, tmp_path, kit):
    """Copies without lock files, as from a read-only mount: opened without locks."""
    import os
    import shutil
    import subprocess
    import sys

    copy = tmp_path / "copy"
    shutil.copytree(filled.store.path, copy, ignore=shutil.ignore_patterns("*-lock"))
    code = (
        "import os, sys; real = os.access;"
        "os.access = lambda p, m, **k: False if m == os.W_OK else real(p, m, **k);"
        "from sesstore.store import Store; s = Store.open(sys.argv[1]);"
        "print(s.count_proteins(), len(s.tokens('alphafold2')), len(list(s.proteins())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy)], capture_output=True, text=True, check=True
    )
    count = str(len({p.digest for p in filled.proteins}))
    assert done.stdout.split() == [count] * 3
    assert not [name for name in os.listdir(copy) if name.endswith("-lock")]


def test_metadata_are_plain_zarr_json(filled):
    document = json.loads((filled.store.path / "zarr.json").read_bytes())
    assert document["zarr_format"] == 3
    assert document["attributes"]["sesstore"]["format"] == 1


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_store_killed_while_it_was_being_made_is_made_by_the_next_run(tmp_path, call):
    """At every call of its kind: what is left over is no other person's content."""
    for number in range(1, 12):
        path, child = tmp_path / str(number), os.fork()
        if child == 0:
            real, count = getattr(os, call), [0]

            def dying(*arguments, real=real, count=count, number=number):
                count[0] += 1
                if count[0] == number:
                    os._exit(9)
                return real(*arguments)

            setattr(os, call, dying)
            try:
                Store.create(path)
            finally:
                os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert Store.create(path).encoders() == []
        assert verify(path).ok
        if ended == 0:
            return
    raise AssertionError("it was always killed")
