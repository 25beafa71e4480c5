from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.errors import InputError
from sesstore.exchange.hdf5 import read_hdf5
from sesstore.exchange.npy import read_npy
from sesstore.exchange.ragged import read_ragged


@given(st.binary(max_size=200))
def test_foreign_files_never_break(tmp_path_factory, raw):
    folder = tmp_path_factory.mktemp("foreign")
    for start in (b"", b"\x89HDF\r\n\x1a\n", b"\x93NUMPY\x01\x00"):
        (folder / "x.npy").write_bytes(start + raw)
        for read in (read_hdf5, read_ragged):
            with pytest.raises(InputError):
                list(read(folder / "x.npy"))
        with suppress(InputError):
            list(read_npy(folder))
