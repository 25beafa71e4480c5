"""Folders of this user for what can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """The user's folder for caches of all programs (the XDG base directories)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def cache_folder() -> Path:
    """Sesstore's own: ``SESSTORE_CACHE``, or a folder of the user's caches."""
    folder = os.environ.get("SESSTORE_CACHE")
    return Path(folder) if folder else user_cache() / "sesstore"
