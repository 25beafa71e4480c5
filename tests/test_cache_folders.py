"""Where copies and downloads lie that can be made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.cache_folders import cache_folder, user_cache


def test_the_folder_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("SESSTORE_CACHE", raising=False)
    assert (user_cache(), cache_folder()) == (
        Path("/home/me/.cache"),
        Path("/home/me/.cache/sesstore"),
    )
    for name in ("XDG_CACHE_HOME", "SESSTORE_CACHE"):
        monkeypatch.setenv(name, "")  # as good as none
    assert cache_folder() == Path("/home/me/.cache/sesstore")
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast")
    assert (user_cache(), cache_folder()) == (Path("/fast"), Path("/fast/sesstore"))
    monkeypatch.setenv("SESSTORE_CACHE", "/own")
    assert (user_cache(), cache_folder()) == (Path("/fast"), Path("/own"))
