"""The notebook's functions on the bundled demonstration's real chains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sesstore
from sesstore.errors import (
    InputError,
    MissingFileError,
    NotStoredError,
    UnknownNameError,
)


def test_importing_is_light(tmp_path: Path) -> None:
    code = (
        "import sys, sesstore\n"
        "assert not {'numpy', 'torch', 'zarr', 'lmdb'} & set(sys.modules)\n"
        f"store = sesstore.open({str(tmp_path / 'store')!r})\n"
        "store.add({'a': 'MKV'})\n"
        "store.info()\n"
        "store._repr_html_()\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_wrong_is_said(taught, tmp_path: Path) -> None:
    store, run = taught
    with pytest.raises(InputError, match=r"sequence 'seq2': letter '\?' at position 2"):
        run.predict(["MKV", "M?V"])
    with pytest.raises(InputError, match="'seq1' is int"):
        store.add([3])
    with pytest.raises(UnknownNameError, match="Did you mean 'epochs'"):
        sesstore.train(store, "helix", epoch=3)
    with pytest.raises(UnknownNameError, match="Did you mean 'helix'"):
        sesstore.train(store, "helices")
    with pytest.raises(NotStoredError, match="sesstore embed"):
        store.embedding("WWWWWWWWWW")
    with pytest.raises(NotStoredError, match="does not know the protein"):
        sesstore.open(tmp_path / "empty").add(store.store.task("helix"))
    with pytest.raises(MissingFileError, match="no store"):
        sesstore.open(tmp_path / "none", create=False)
    with pytest.raises(MissingFileError, match="no run"):
        sesstore.load_run(tmp_path)
