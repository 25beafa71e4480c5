"""Foldcomp's compressed models (Kim et al. 2023, doi:10.1093/bioinformatics/btad153).

Single ``.fcz`` files and databases of them; a database is one file of members with a ``.index``
(key, start, size) and a ``.lookup`` (key, name, set) beside it. The package ``foldcomp`` turns a
member into PDB text. It ends the process on damaged members, so they are read by worker processes
only (see `tokenise`).
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from ..errors import InputError, MissingExtraError
from .atoms import Parsed
from .pdb import read_pdb

SUFFIX = ".fcz"
_MAGIC = b"FCMP"


def check_installed() -> None:
    """Raise `MissingExtraError` unless the package is installed."""
    if find_spec("foldcomp") is None:
        raise MissingExtraError("reading Foldcomp's files", "foldcomp")


def is_database(path: Path) -> bool:
    """Whether a file is the data of a Foldcomp database."""
    if path.suffix or not beside(path, ".index").is_file() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def beside(path: Path, suffix: str) -> Path:
    """One of the files of a database."""
    return path.with_name(path.name + suffix)


def members(database: Path) -> Iterator[tuple[str, int, int]]:
    """Name, start and size of each member of a database, in the order of its index.

    Raises
    ------
    InputError
        Index or lookup are absent or broken.
    """
    try:
        names = {}
        for line in beside(database, ".lookup").read_text(encoding="utf-8").splitlines():
            key, name = line.split("\t")[:2]
            names[key] = name
        for line in beside(database, ".index").read_text(encoding="ascii").splitlines():
            key, start, size = line.split("\t")[:3]
            yield names.get(key, key), int(start), int(size)
    except (OSError, ValueError) as problem:
        raise InputError(
            f"Foldcomp database '{database}' cannot be listed: {problem}. Get it again, with its "
            f".index and .lookup"
        ) from None


def read_fcz(raw: bytes) -> Parsed:
    """Atoms of one compressed model.

    Raises
    ------
    InputError
        It is none.
    """
    import foldcomp

    if not raw.startswith(_MAGIC):
        raise InputError("it does not begin as a Foldcomp file does")
    try:
        _, text = foldcomp.decompress(raw)
    except foldcomp.error as problem:
        raise InputError(str(problem)) from None
    return read_pdb(text.encode("latin-1"))
