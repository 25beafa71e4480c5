"""Find weight files, and hash them once.

Searched in this order: the file or folder given, ``SESSTORE_WEIGHTS`` (likewise), torch's hub
cache, where fair-esm puts its files, and Hugging Face's cache; then the hub of the model's origin.
Offline, the error says which file to put where.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..cache_folders import cache_folder, user_cache
from ..durable_files import whole_file
from ..errors import MissingExtraError, MissingFileError, WeightsError
from ..provenance import sha256_json
from .catalogue import EncoderSpec

HUB = "https://dl.fbaipublicfiles.com/fair-esm/models/"
_BLOCK = 1 << 22


def hub_folder() -> Path:
    """Where fair-esm keeps downloaded checkpoints (torch's hub cache)."""
    home = os.environ.get("TORCH_HOME")
    return (Path(home) if home else user_cache() / "torch") / "hub" / "checkpoints"


def find(spec: EncoderSpec, location: Path | None = None) -> Path:
    """Return the weights of an encoder, a file or a model folder; downloads what is nowhere.

    Raises
    ------
    MissingFileError
        The given file, or what ``SESSTORE_WEIGHTS`` names, does not exist.
    WeightsError
        It is nowhere and cannot be downloaded.
    """
    path = present(spec, location)
    if path is not None:
        return path
    if spec.files[0].endswith(".pt"):
        return _download(spec.files[0], hub_folder())
    return _download_folder(spec)


def present(
    spec: EncoderSpec, location: Path | None = None, *, by_name: bool = False
) -> Path | None:
    """Return the weights of an encoder if this machine has them; raises as `find`.

    Parameters
    ----------
    spec : EncoderSpec
        Whose.
    location : path, optional
        File or folder to look at, and nowhere else.
    by_name : bool
        Take what ``SESSTORE_WEIGHTS`` names only if it is called as the encoder is: for a list of
        many encoders, of which it can be but one.
    """
    if location is not None:
        if not location.exists():
            raise MissingFileError(f"there are no weights at '{location}'. Check the name")
        path = _locate(location, spec)
        if path is None:
            raise WeightsError(
                f"the folder '{location}' holds no {spec.files[0]}. Put it there, or name a file"
            )
        return path
    if setting := os.environ.get("SESSTORE_WEIGHTS"):
        if not Path(setting).exists():
            raise MissingFileError(
                f"SESSTORE_WEIGHTS names '{setting}', which does not exist. Correct it, or unset it"
            )
        path = _locate(Path(setting), spec)
        if path is not None and (not by_name or _has_published_name(path, spec)):
            return path
    cached = hub_folder() / spec.files[0]
    return cached if cached.is_file() else _in_hugging_face_cache(spec)


def hugging_face_folder() -> Path:
    """Where Hugging Face's libraries keep downloaded models."""
    if folder := os.environ.get("HF_HUB_CACHE"):
        return Path(folder)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else user_cache() / "huggingface") / "hub"


def _locate(place: Path, spec: EncoderSpec) -> Path | None:
    """What of an encoder a file or folder holds: a checkpoint file, or a model folder."""
    if place.is_file():
        folder = place.parent
        in_folder = (folder / "config.json").is_file() and place.name in _weights_of(folder)
        return folder if in_folder else place
    if spec.files[0].endswith((".pt", ".npz")) and (place / spec.files[0]).is_file():
        return place / spec.files[0]
    for folder in (place / spec.repository.rpartition("/")[2], place):
        if (spec.repository or spec.package) and (folder / "config.json").is_file():
            return folder
    return None


def _weights_of(folder: Path) -> set[str]:
    """Names of a model folder's weight files that are there; a copy under another name is none."""
    shards = re.compile(r"(model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)")
    return {file.name for file in folder.iterdir() if shards.fullmatch(file.name)}


def _has_published_name(path: Path, spec: EncoderSpec) -> bool:
    """Whether a file or folder has the name that the encoder's origin gave it."""
    return path.name in spec.files or path.name == spec.repository.rpartition("/")[2]


def _in_hugging_face_cache(spec: EncoderSpec) -> Path | None:
    if not spec.repository:
        return None
    folder = hugging_face_folder() / f"models--{spec.repository.replace('/', '--')}"
    with suppress(OSError):
        revision = (folder / "refs" / "main").read_text("utf-8").strip()
        snapshot = folder / "snapshots" / revision
        if (snapshot / "config.json").is_file() and _weights_of(snapshot):
            return snapshot
    return None


def sha256_of_all(files: Sequence[Path]) -> str:
    """SHA-256 of one file, or of the names and hashes of several."""
    if len(files) == 1:
        return sha256_of(files[0])
    return sha256_json({file.name: sha256_of(file) for file in files})


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, remembered as long as the file stays the same one and is not written.

    A 10 GB file is so hashed once and not at every run. The time of change (ctime) is among what
    tells: unlike that of the content, nobody can set it back.
    """
    key = _state(path)
    record = cache_folder() / "weights-sha256" / hashlib.sha256(key.encode()).hexdigest()
    with suppress(OSError, ValueError, KeyError, TypeError):
        cached = json.loads(record.read_text("utf-8"))
        if cached["key"] == key:
            return str(cached["sha256"])
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    if _state(path) != key:  # written while it was read
        return sha256_of(path)
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        record.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(record) as beside:
            beside.write_text(json.dumps({"key": key, "sha256": digest.hexdigest()}), "utf-8")
    return digest.hexdigest()


def _state(path: Path) -> str:
    status = path.stat()
    names = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    return "|".join([str(path.resolve()), *(str(getattr(status, name)) for name in names)])


def _download(name: str, folder: Path) -> Path:
    url = os.environ.get("SESSTORE_ESM_HUB", HUB) + name
    target = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as beside:
            with urllib.request.urlopen(url, timeout=30) as answer, beside.open("wb") as file:  # noqa: S310
                expected = answer.headers.get("Content-Length")
                while block := answer.read(_BLOCK):
                    file.write(block)
            if expected is not None and beside.stat().st_size != int(expected):
                raise WeightsError(f"the download of {url} broke off. Run the command again")
    except (urllib.error.URLError, TimeoutError, ConnectionError, OSError) as problem:
        if isinstance(problem, WeightsError):
            raise
        raise WeightsError(
            f"the weights {name} are not here, and {url} cannot be reached ({problem}). Get that "
            f"file where there is a network, and put it into {folder}, or name it with --weights "
            f"FILE or SESSTORE_WEIGHTS"
        ) from None
    return target


def _download_folder(spec: EncoderSpec) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        why = "downloading them needs Hugging Face's library: pip install 'sesstore[hf]'"
        raise WeightsError(_absent(spec, why)) from None
    weights = Path(spec.files[0])  # in one file or several
    patterns = ["*.json", "*.txt", "spiece.model", f"{weights.stem}*{weights.suffix}"]
    try:
        return Path(snapshot_download(spec.repository, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as problem:
        first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        why = f"Hugging Face cannot be reached ({first})"
        raise WeightsError(_absent(spec, why)) from None


def _absent(spec: EncoderSpec, why: str) -> str:
    *names, last = spec.files
    return (
        f"the weights of {spec.full_name} are not here, and {why}. Get {', '.join(names)} and "
        f"{last} of https://huggingface.co/{spec.repository} where there is a network, put them "
        f"into one folder, and name it with --weights FOLDER or SESSTORE_WEIGHTS"
    )


def located(spec: EncoderSpec) -> Path | None:
    """Weights of an encoder that are on this machine under its name, a file or a model folder."""
    return packaged(spec) or (present(spec, by_name=True) if spec.files else None)


def packaged(spec: EncoderSpec) -> Path | None:
    """Weights that an installed Python package has, a file or a model folder.

    The package is located and never imported.
    """
    package = importlib.util.find_spec(spec.package) if spec.package else None
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / spec.files[0]
    if not path.is_file():
        return None
    return path.parent if (path.parent / "config.json").is_file() else path


def find_packaged(spec: EncoderSpec, location: Path | None = None) -> Path:
    """Return the weights of an encoder that a Python package brings.

    Raises
    ------
    MissingExtraError
        No location is given, and the package is not installed.
    MissingFileError, WeightsError
        As `present`.
    """
    path = packaged(spec) if location is None else present(spec, location)
    if path is None:
        raise MissingExtraError(f"encoder '{spec.name}'", spec.extra)
    return path


def size_on_disk(path: Path) -> int:
    """Bytes of a weights file, or of a model folder's."""
    files = [path / name for name in _weights_of(path)] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)
