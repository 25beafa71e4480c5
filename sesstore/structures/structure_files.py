"""Structure files: plain ones, those in folders, members of tar files and of Foldcomp databases.

A tar file is listed once; a member is then read by its place, so that any process can read any
member and nothing is unpacked. Compressed tar files are read the same way, each process going
through the archive once as long as members are asked for in order.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..errors import MissingFileError, StructureError
from . import foldcomp
from .chains import SUFFIXES, Structure, parse_structure, structure_suffix
from .naming import alphafold_fragment, stem
from .validation import MOST_BYTES, most_bytes

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""What a tar file of structures may end in."""

_OPENERS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".tgz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_TAR_RATIO, _TAR_SMALL = 200, 1 << 30
"""How many times its size a packed tar file may unpack to, beside a gigabyte."""

_READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError)


@dataclass(frozen=True)
class StructureFile:
    """One structure file, or one member of a tar file.

    Parameters
    ----------
    path : Path
        What to call it; for a member the archive's path and the member's name.
    archive : Path, optional
        The tar file or database it is in.
    start, size : int
        Where in the (uncompressed) archive it is, in bytes.
    problem : str
        Why it cannot be read, where that is known already: a tar file that cannot be listed.
    """

    path: Path
    archive: Path | None = None
    start: int = 0
    size: int = 0
    problem: str = ""

    def absolute(self) -> StructureFile:
        """The same file by paths that hold in any folder."""
        archive = self.archive and self.archive.absolute()
        return replace(self, path=self.path.absolute(), archive=archive)

    def read(self) -> bytes:
        """Return its bytes.

        Raises
        ------
        MissingFileError
            There is no such file.
        StructureError
            It cannot be read, or the archive is cut short.
        """
        if self.problem:
            raise StructureError(self.problem)
        if self.archive is None and not self.path.is_file():
            raise MissingFileError(f"there is no structure file '{self.path}'. Check its name")
        try:
            self._check_size()
            if self.archive is None:
                return self.path.read_bytes()
            archive = _open_archive(self.archive, self.archive.stat().st_mtime_ns)
            archive.seek(self.start)
            raw = archive.read(self.size)
        except _READ_ERRORS as problem:
            raise StructureError(
                f"'{self.path}' cannot be read: {problem}. Get the file again"
            ) from None
        if len(raw) != self.size:
            raise StructureError(f"'{self.path}' is cut short. Get '{self.archive}' again")
        return raw

    def parse(self) -> Structure:
        """Read its protein chains; raises as `read`, and where it is no structure."""
        return parse_structure(self.path, self.read())

    def _check_size(self) -> None:
        """Raise before memory is taken for what cannot be there, or cannot be a structure."""
        outer = (self.archive or self.path).stat().st_size
        size = outer if self.archive is None else self.size
        packed = self.archive is not None and self.archive.suffix.lower() in _OPENERS
        bound = most_bytes(outer) if packed else MOST_BYTES
        if size > bound:
            raise StructureError(
                f"'{self.path}' has {size:,} bytes, more than the {bound:,} a structure may have. "
                f"Leave it out, or read a long trajectory with --trajectory"
            )
        if self.archive is not None and not packed and self.start + size > outer:
            raise StructureError(f"'{self.path}' is cut short. Get '{self.archive}' again")


@lru_cache(maxsize=4)
def _open_archive(archive: Path, changed: int) -> BinaryIO:
    """The archive, kept open; `changed` is its time of change, so that a new one is opened anew."""
    opener = _OPENERS.get(archive.suffix.lower(), open)
    return cast(BinaryIO, opener(archive, "rb"))


def structure_files(paths: Iterable[Path | StructureFile]) -> list[StructureFile]:
    """Return the structures among some files, folders and tar files, sorted within a folder.

    Of an AlphaFold DB model that is there in several formats, one is taken. A tar file that is
    broken comes last of its members, as a file that cannot be read.

    Raises
    ------
    MissingFileError
        A path does not exist, or a folder or tar file holds no structure.
    InputError
        A Foldcomp database cannot be listed.
    MissingExtraError
        There are Foldcomp files, and its package is not installed.
    """
    files: list[StructureFile] = []
    for path in paths:
        if isinstance(path, StructureFile):
            files.append(path)
        elif path.is_dir():
            files += _once_a_model(_in_folder(path), f"folder '{path}'")
        elif not path.exists():
            raise MissingFileError(f"there is no file or folder '{path}'. Check its name")
        elif is_tar(path):
            files += _once_a_model(_in_tar(path), f"tar file '{path}'")
        elif foldcomp.is_database(path):
            files += _in_foldcomp(path)
        else:
            files.append(StructureFile(path))
    if any(structure_suffix(file.path) == foldcomp.SUFFIX for file in files):
        foldcomp.check_installed()
    return files


def models(files: Iterable[StructureFile]) -> list[tuple[StructureFile, ...]]:
    """Put the fragments of each AlphaFold DB model together (F1, F2, ...); other files stay alone.

    Fragments belong together if they lie in one folder and are of one protein and version.
    """
    together: dict[tuple[Path, str, str] | int, list[StructureFile]] = {}
    for place, file in enumerate(files):
        fragment = alphafold_fragment(file.path)
        key: tuple[Path, str, str] | int = place
        if fragment is not None:
            accession, number = fragment
            version = stem(file.path).removeprefix(f"AF-{accession}-F{number}")
            key = (file.path.parent, accession, version)
        together.setdefault(key, []).append(file)
    return [tuple(group) for group in together.values()]


def is_structure_path(path: Path) -> bool:
    """Whether a path names structures: a folder, a tar file, a database or a structure file."""
    by_name = is_tar(path) or structure_suffix(path) in SUFFIXES
    return by_name or path.is_dir() or foldcomp.is_database(path)


def is_tar(path: Path) -> bool:
    """Whether a file is named as a tar file."""
    return path.name.lower().endswith(TAR_SUFFIXES)


def _is_structure(path: Path) -> bool:
    return structure_suffix(path) in SUFFIXES and not path.name.startswith(".")


def _in_folder(folder: Path) -> Iterator[StructureFile]:
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        if _is_structure(path):
            yield StructureFile(path)
        elif is_tar(path):
            yield from _in_tar(path)
        elif foldcomp.is_database(path):
            yield from _in_foldcomp(path)


def _in_foldcomp(database: Path) -> Iterator[StructureFile]:
    for name, start, size in foldcomp.members(database):
        file = Path(name)
        bare = stem(file) if structure_suffix(file) in SUFFIXES else file.name
        yield StructureFile(database / f"{bare}{foldcomp.SUFFIX}", database, start, size)


def _in_tar(archive: Path) -> Iterator[StructureFile]:
    try:
        bound = _most_unpacked(archive)
        with tarfile.open(archive) as tar:
            for member in tar:
                if bound is not None and member.offset_data + member.size > bound:
                    raise tarfile.ReadError(
                        f"member '{member.name}' of {member.size:,} bytes is more than it can hold"
                    )
                name = Path(member.name)
                if member.isfile() and not member.issparse() and _is_structure(name):
                    yield StructureFile(archive / name, archive, member.offset_data, member.size)
    except _READ_ERRORS as problem:
        # What was listed counts; the rest is a file that cannot be read, and stops no other.
        reason = str(problem).splitlines()[0].rstrip(":")
        yield StructureFile(
            archive,
            problem=f"tar file '{archive}' cannot be listed to its end: {reason}. Get it again",
        )


def _most_unpacked(archive: Path) -> int | None:
    """Bytes up to which a packed tar file is unpacked; None for one that is not packed."""
    packed = archive.suffix.lower() in _OPENERS
    return _TAR_RATIO * archive.stat().st_size + _TAR_SMALL if packed else None


def _once_a_model(files: Iterable[StructureFile], container: str) -> list[StructureFile]:
    """Leave out further formats of one AlphaFold DB model; raise if there is nothing."""
    unique: list[StructureFile] = []
    keys: set[tuple[Path, str]] = set()
    for file in files:
        key = (file.path.parent, stem(file.path))
        if alphafold_fragment(file.path) and key in keys:
            continue
        keys.add(key)
        unique.append(file)
    if not unique:
        raise MissingFileError(
            f"{container} has no structure. Put files of these kinds there: "
            f"{', '.join(SUFFIXES)} (also .gz)"
        )
    return unique
