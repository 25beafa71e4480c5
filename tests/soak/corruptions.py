"""Change single bytes of a complete store; `verify` must notice each."""

from __future__ import annotations

import random
from pathlib import Path

from sesstore.store import layout
from sesstore.store.integrity import verify

from . import workload


def corrupt(folder: Path, count: int, rng: random.Random) -> tuple[int, list[str]]:
    """Change `count` random bytes, one at a time; how many were found, and where not.

    Half of the places are drawn by size over the whole store, half by file, so that small files get
    their share. Every file counts but LMDB's lock files, which hold nothing of the store.
    """
    path = folder / "corrupt"
    workload.run(path)
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not file.name.endswith("-lock") and file.name[0] != "."
    )
    sizes = [file.stat().st_size for file in files]
    found, missed = 0, []
    for number in range(count):
        file = rng.choices(files, sizes if number % 2 else None)[0]
        place, change = rng.randrange(file.stat().st_size), rng.randrange(1, 256)
        _flip(file, place, change)
        if verify(path).ok:
            missed.append(f"{file.relative_to(path)}, byte {place}")
        else:
            found += 1
        _flip(file, place, change)
    if not verify(path).ok or layout.CARD in {file.name for file in files}:
        missed.append("the store is not as it was")
    return found, missed


def _flip(file: Path, place: int, change: int) -> None:
    with file.open("r+b") as handle:
        handle.seek(place)
        old = handle.read(1)
        handle.seek(place)
        handle.write(bytes([old[0] ^ change]))
