"""Find weight files, and hash them once.

Searched in this order: the file given, ``SESSTORE_WEIGHTS`` (a file, or a folder that holds it),
torch's hub cache, where fair-esm puts its files; then the fair-esm hub. Offline, the error says
which file to put where.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from ..errors import MissingFileError, WeightsError
from .registry import EncoderSpec

HUB = "https://dl.fbaipublicfiles.com/fair-esm/models/"
_BLOCK = 1 << 22


def cache_folder() -> Path:
    """Folder for what can be made again: ``SESSTORE_CACHE``, or the user's cache folder."""
    if named := os.environ.get("SESSTORE_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sesstore"


def hub_folder() -> Path:
    """Where fair-esm keeps downloaded checkpoints (torch's hub cache)."""
    home = os.environ.get("TORCH_HOME")
    if not home:
        home = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch")
    return Path(home) / "hub" / "checkpoints"


def find(spec: EncoderSpec, given: Path | None = None) -> Path:
    """Return the weights file of an encoder, downloading it if it is nowhere.

    Raises
    ------
    MissingFileError
        The given file, or what ``SESSTORE_WEIGHTS`` names, does not exist.
    WeightsError
        It is nowhere and cannot be downloaded.
    """
    found = present(spec, given)
    return found or _download(spec.files[0], hub_folder())


def present(spec: EncoderSpec, given: Path | None = None) -> Path | None:
    """Return the weights file of an encoder if it is at hand; raises as `find`, but for the hub."""
    name = spec.files[0]
    if given is not None:
        if not given.exists():
            raise MissingFileError(f"there is no weights file '{given}'")
        if given.is_dir() and not (given / name).is_file():
            raise WeightsError(
                f"the folder '{given}' holds no {name}. Put it there, or name a file"
            )
        return given / name if given.is_dir() else given
    if named := os.environ.get("SESSTORE_WEIGHTS"):
        place = Path(named)
        if not place.exists():
            raise MissingFileError(f"SESSTORE_WEIGHTS names '{place}', which does not exist")
        if place.is_file():
            return place
        if (place / name).is_file():
            return place / name
    cached = hub_folder() / name
    return cached if cached.is_file() else None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, remembered by path, size and time of change.

    A 10 GB file is so hashed once and not at every run.
    """
    status = path.stat()
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    record = cache_folder() / "weights-sha256" / hashlib.sha256(key.encode()).hexdigest()
    with suppress(OSError, ValueError, KeyError):
        known = json.loads(record.read_text("utf-8"))
        if known["key"] == key:
            return str(known["sha256"])
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        record.parent.mkdir(parents=True, exist_ok=True)
        beside = record.with_name(f".{record.name}.{secrets.token_hex(4)}")
        beside.write_text(json.dumps({"key": key, "sha256": digest.hexdigest()}), "utf-8")
        os.replace(beside, record)
    return digest.hexdigest()


def _download(name: str, folder: Path) -> Path:
    url = os.environ.get("SESSTORE_ESM_HUB", HUB) + name
    target = folder / name
    beside = folder / f".{name}.{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=30) as answer, beside.open("wb") as file:  # noqa: S310
            expected = answer.headers.get("Content-Length")
            while block := answer.read(_BLOCK):
                file.write(block)
        if expected is not None and beside.stat().st_size != int(expected):
            raise WeightsError(f"the download of {url} broke off. Run the command again")
        os.replace(beside, target)
    except (urllib.error.URLError, TimeoutError, ConnectionError, OSError) as problem:
        if isinstance(problem, WeightsError):
            raise
        raise WeightsError(
            f"the weights {name} are not here, and {url} cannot be reached ({problem}). Get that "
            f"file where there is a network, and put it into {folder}, or name it with --weights "
            f"FILE or SESSTORE_WEIGHTS"
        ) from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return target
