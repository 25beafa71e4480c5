"""Proteins and models by UniProt accession: ``uniprot:P69905,P68871`` and ``afdb:P69905``.

A name is a list with commas between, or a file with an accession a line (``uniprot:list.txt``).
Sequences come from UniProt's REST interface, models from AlphaFold DB's; both are kept in the cache
folder, so that a second run needs no network. Both are free to use with attribution (CC BY 4.0).
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..cache_folders import cache_folder
from ..datasets.text import Warn, ignored
from ..errors import InputError, MissingFileError
from ..store.atomic_files import replace_file

UNIPROT, AFDB = "uniprot:", "afdb:"
"""What names begin with."""
UNIPROT_URL, AFDB_URL = "https://rest.uniprot.org", "https://alphafold.ebi.ac.uk"
"""Where they are; ``SESSTORE_UNIPROT_URL`` and ``SESSTORE_AFDB_URL`` name a mirror."""
AT_ONCE = 100
"""Sequences of a request."""
_CONNECTIONS = 4
_ATTEMPTS = 3
_SECONDS = 60
_BUSY = (429, 500, 502, 503, 504)
_ACCESSION = re.compile(r"(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2})(?:-\d+)?")
"""UniProt's own pattern, https://www.uniprot.org/help/accession_numbers; an isoform's number."""


def accessions_of(name: str) -> list[str]:
    """Return the accessions a name stands for, each once.

    Raises
    ------
    InputError
        Something in it is no accession, or there is none.
    MissingFileError
        It names a file that is not there.
    """
    prefix, _, text = name.partition(":")
    path = Path(text)
    if path.is_file():
        words = path.read_text("utf-8").split()
    elif path.suffix or "/" in text:
        raise MissingFileError(f"there is no file '{text}' of accessions, one a line")
    else:
        words = text.split(",")
    accessions = list(dict.fromkeys(word.strip().upper() for word in words if word.strip()))
    for accession in accessions:
        if not _ACCESSION.fullmatch(accession):
            raise InputError(
                f"'{accession}' in '{prefix}:{text[:40]}' is no UniProt accession. They look like "
                f"P69905, A0A024R161 or P05067-4"
            )
    if not accessions:
        raise InputError(f"'{name}' names no accession. Write {prefix}:P69905,P68871")
    return accessions


def sequence_file(name: str) -> Path:
    """Return a FASTA file of the sequences that ``uniprot:...`` names, fetched as far as needed.

    Raises
    ------
    InputError
        UniProt has no sequence under some of them (deleted or merged entries).
    MissingFileError
        UniProt cannot be reached, and some are not in the cache.
    """
    accessions, folder = accessions_of(name), cache_folder() / "uniprot"
    missing = [a for a in accessions if not (folder / f"{a}.fasta").is_file()]
    base = os.environ.get("SESSTORE_UNIPROT_URL", UNIPROT_URL)
    lacking = list(missing)
    for start in range(0, len(missing), AT_ONCE):
        batch = missing[start : start + AT_ONCE]
        query = urllib.parse.urlencode(
            {"accessions": ",".join(batch), "format": "fasta", "size": AT_ONCE}
        )
        answer = _get(f"{base}/uniprotkb/accessions?{query}", batch)
        for accession, entry in _entries((answer or b"").decode()):
            if accession in lacking:
                _keep(folder / f"{accession}.fasta", entry.encode())
                lacking.remove(accession)
    if lacking:
        raise InputError(
            f"UniProt has no sequence of {_listed(lacking)}: deleted, merged into another, or "
            f"never there. Look them up at https://www.uniprot.org and leave them out"
        )
    if len(accessions) == 1:
        return folder / f"{accessions[0]}.fasta"
    digest = sha256("\n".join(accessions).encode()).hexdigest()[:16]
    together = folder / f"{len(accessions)}-{digest}.fasta"
    texts = [(folder / f"{accession}.fasta").read_text("utf-8") for accession in accessions]
    _keep(together, "".join(texts).encode())
    return together


def _entries(text: str) -> Iterable[tuple[str, str]]:
    """Accession of each entry of UniProt's FASTA, and its text with that for an id."""
    for entry in text.split("\n>"):
        header = entry.removeprefix(">").rstrip("\n")
        parts = header.split("|", 2)
        if len(parts) == 3:
            yield parts[1], f">{parts[1]} {header}\n"


def structure_paths(paths: Sequence[Path], warn: Warn = ignored) -> list[Path]:
    """Replace ``afdb:...`` among paths by the files of the models it names.

    Parameters
    ----------
    paths : sequence of path
    warn : callable, optional
        Told which accessions have no model.

    Raises
    ------
    InputError
        None of a name's accessions has a model.
    MissingFileError
        AlphaFold DB cannot be reached, and some models are not in the cache.
    """
    files: list[Path] = []
    for path in paths:
        name = str(path)
        files += _model_files(name, warn) if name.startswith(AFDB) else [path]
    return files


def _model_files(name: str, warn: Warn) -> list[Path]:
    accessions = accessions_of(name)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        files = list(pool.map(_model_file, accessions))
    lacking = [a for a, file in zip(accessions, files, strict=True) if file is None]
    if len(lacking) == len(accessions):
        raise InputError(f"AlphaFold DB has no model of {_listed(lacking)}. Give your own models")
    if lacking:
        warn(
            f"AlphaFold DB has no model of {len(lacking):,} of {len(accessions):,} accessions: "
            f"{_listed(lacking)}"
        )
    return [file for file in files if file is not None]


def _version(model: Path) -> int:
    """Release of AlphaFold DB, as its models' names end in it: v10 came after v6."""
    digits = model.stem.rpartition("_v")[2]
    return int(digits) if digits.isdecimal() else -1


def _model_file(accession: str) -> Path | None:
    """The newest model of an accession, fetched as far as needed; None if there is none."""
    folder = cache_folder() / "afdb"
    cached = sorted(folder.glob(f"AF-{accession}-F1-model_v*.cif"), key=_version)
    if cached:
        return cached[-1]
    base = os.environ.get("SESSTORE_AFDB_URL", AFDB_URL)
    answer = _get(f"{base}/api/prediction/{accession}", [accession])
    if answer is None:
        return None
    try:
        models: list[dict[str, Any]] = json.loads(answer)
        url: str = next(m["cifUrl"] for m in models if m["entryId"] == f"AF-{accession}-F1")
    except (ValueError, KeyError, TypeError):
        raise MissingFileError(
            f"{base} does not answer as AlphaFold DB does. Get the model of {accession} yourself"
        ) from None
    except StopIteration:
        return None
    if not url.startswith(f"{base}/"):
        raise MissingFileError(f"{base} sends for the model of {accession} to {url}: not followed")
    model = _get(url, [accession])
    if model is None:
        return None
    path = folder / url.rsplit("/", 1)[1]
    _keep(path, model)
    return path


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)


def _listed(accessions: Sequence[str]) -> str:
    more = f" and {len(accessions) - 5:,} more" if len(accessions) > 5 else ""
    return ", ".join(accessions[:5]) + more


def _get(url: str, accessions: Sequence[str]) -> bytes | None:
    """Content of an address, None where nothing is there; a server that is busy is asked again."""
    request = urllib.request.Request(url, headers={"User-Agent": "sesstore"})  # noqa: S310
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as problem:
            if problem.code in (400, 404):
                return None
            why: Exception = problem
            again = problem.code in _BUSY
        except (OSError, http.client.HTTPException) as problem:  # no network, cut off on the way
            why, again = problem, True
        if not again or attempt == _ATTEMPTS:
            break
        time.sleep(2 ** (attempt - 1))
    host = urllib.parse.urlsplit(url).netloc
    raise MissingFileError(
        f"{_listed(accessions)}: not in the cache, and {host} cannot be reached ({why}). Run the "
        f"command where there is a network, or give files"
    )
