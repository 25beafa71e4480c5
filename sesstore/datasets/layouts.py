"""How benchmarks publish the files of a task, and where these lie on this machine.

A benchmark has one way to name files and columns for many tasks. Its files are looked for by name
in the folder that was downloaded, and in the zip archives of it, which are read in place: nothing
is unpacked, so no entry of an archive is written anywhere, whatever it is called.
"""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InputError, MissingFileError
from ..file_names import data_suffix, unpacked_name
from .columns import Columns
from .fasta import SUFFIXES as FASTA_SUFFIXES
from .readers import SUFFIXES, room_for_text
from .text import Readable

DEPTH = 4
"""Folders below the one given that are looked through."""

_LMDB = ".lmdb"
_RANKS = (*SUFFIXES, *FASTA_SUFFIXES)
"""What a file may end in, the one that is taken first where there are several."""


@dataclass(frozen=True)
class Layout:
    """How the files of a task are published.

    Parameters
    ----------
    origin : str
        Where they are to be had, for people.
    files : mapping of str to str
        Names of the files without suffix, by split; the only one is ``""`` where one file says the
        splits of its rows itself.
    folder : str
        Folder of the task's data set, where its files may lie beside those of others.
    columns : Columns
        Columns that have other names than the known ones.
    gaps : str
        Letters in sequences that stand for no residue.
    split_by : tuple of str
        What splits are made by that a file does not say: the first of these that is a column of it
        or one of `groups.SPLIT_METHODS`.
    reference : str
        Table, without suffix, that says what to cite for each file.
    """

    origin: str
    files: Mapping[str, str]
    folder: str = ""
    columns: Columns = field(default_factory=Columns)
    gaps: str = ""
    split_by: tuple[str, ...] = ()
    reference: str = ""

    def advice(self, task: str) -> str:
        """What to do for the files of a task, in a sentence without its end."""
        return f"Get {self.origin}, and add it or its folder: sesstore add {task} --data PATH"


def parse_layout(table: dict[str, Any], member: str | None) -> Layout:
    """Read a layout from a recipe's table, for one member of its family; raises `TypeError`."""
    members = table.pop("members", {})
    files = table.pop("files", None)
    if files is None:
        files = {"": members.get(member, member)}
    columns = Columns(**table.pop("columns", {}))
    split_by = tuple(table.pop("split_by", ()))
    return Layout(files=files, columns=columns, split_by=split_by, **table)


def layout_files(
    layout: Layout, data: Path, task: str, other_folders: frozenset[str] = frozenset()
) -> dict[str, Readable]:
    """Find the files of a task by split, and its `Layout.reference` where there is one.

    Parameters
    ----------
    layout : Layout
    data : path
        A folder, a zip archive, or the one file.
    task : str
        What errors call it.
    other_folders : frozenset of str
        Folders of other data sets, whose files may have the same names.

    Raises
    ------
    MissingFileError
        There is no such folder, or a file is missing; says which, and where they are published.
    InputError
        Files are of another data set, or pickled, or an archive is broken, encrypted or too large.
    """
    if not data.exists():
        raise MissingFileError(f"there is no file or folder '{data}'. {layout.advice(task)}")
    candidates = [file for file in _candidates(data) if _stem(file)]
    search = _Search(layout, data.absolute(), candidates, other_folders - {layout.folder}, task)
    files = {split: _readable(search.file(stem)) for split, stem in layout.files.items()}
    tables = [file for file in candidates if _stem(file) == layout.reference]
    return {**files, layout.reference: tables[0]} if tables else files


@dataclass(frozen=True)
class _Search:
    """Looks for the files of one task among those there are."""

    layout: Layout
    data: Path
    candidates: list[Readable]
    other_folders: frozenset[str]
    task: str

    def file(self, stem: str) -> Readable:
        """Return the file of that name; raises as `layout_files`."""
        namesakes = [file for file in self.candidates if _stem(file) == stem]
        files = [file for file in namesakes if self._stranger(file) is None]
        if namesakes and not files:
            first, folder = namesakes[0], self.layout.folder
            raise InputError(
                f"'{first}' is of the data set {self._stranger(first)}, and '{self.task}' of "
                f"{folder}. Name the folder of {folder} with --data"
            )
        options = [file for file in files if data_suffix(file) in _RANKS]
        if options:
            return min(options, key=self._preference)
        if files:
            raise _pickled(files[0], self.layout, self.task)
        raise self._missing(stem)

    def _preference(self, file: Readable) -> tuple[object, ...]:
        """Files of the data set's folder first, then unpacked ones, then those near the top."""
        return (
            self.layout.folder not in self._folders(file),
            isinstance(file, zipfile.Path),
            len(self._folders(file)),
            _RANKS.index(data_suffix(file)),
            str(file),
        )

    def _stranger(self, file: Readable) -> str | None:
        """The innermost folder around a file, if that is another data set's."""
        sets = {*self.other_folders, self.layout.folder}
        innermost = next((part for part in reversed(self._folders(file)) if part in sets), None)
        return innermost if innermost in self.other_folders else None

    def _folders(self, file: Readable) -> list[str]:
        """Folders and archives around a file, from a little above what the user named on."""
        folder = self.data if self.data.is_dir() else self.data.parent
        around = Path(str(file)).absolute().parent
        return [part.removesuffix(".zip") for part in around.parts[len(folder.parts) - 2 :]]

    def _missing(self, stem: str) -> MissingFileError:
        stems = sorted({_stem(file) for file in self.candidates})
        near = difflib.get_close_matches(stem, stems, n=1)
        instead = f"Found: {', '.join(stems[:8]) or 'nothing'}"
        instead = f"Did you mean '{near[0]}'?" if near else f"{instead}."
        return MissingFileError(
            f"'{self.task}' is the file {stem} (.csv, .fasta, ...), which is not in '{self.data}'. "
            f"{instead} {self.layout.advice(self.task)}"
        )


def _candidates(data: Path) -> Iterator[Readable]:
    if data.is_dir():
        for path in _walk(data, DEPTH):
            yield from _members(path) if path.suffix.lower() == ".zip" else [path]
    else:
        yield from _members(data) if zipfile.is_zipfile(data) else [data]


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except PermissionError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and data_suffix(entry) != _LMDB:
            yield from _walk(entry, depth - 1) if depth else ()
        else:
            yield entry


def _members(path: Path) -> Iterator[Readable]:
    """Files of a zip archive, but for what systems put beside them."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as problem:
        raise InputError(f"'{path}' is no whole zip archive: {problem}. Get it again") from None
    for entry in archive.infolist():
        parts = PurePosixPath(entry.filename).parts
        if ".." in parts or entry.filename.startswith("/"):
            raise InputError(
                f"'{path}' has an entry '{entry.filename}' that points out of it. Is this the "
                f"published archive? Get it again"
            )
        hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
        if not entry.is_dir() and not hidden:
            yield zipfile.Path(archive, entry.filename)


def _stem(file: Readable) -> str:
    """Name of a file without its suffixes; empty for what no task's file is."""
    suffix = data_suffix(file)
    if suffix not in _RANKS and suffix != _LMDB:
        return ""
    return unpacked_name(file.name)[: -len(suffix)]


def _readable(file: Readable) -> Readable:
    """Return a file as it is; raises `InputError` for a member of an archive if it cannot be."""
    if isinstance(file, Path):
        return file
    entry = file.root.getinfo(file.at)
    if entry.flag_bits & 1:
        raise InputError(f"'{file}' is encrypted. Unpack it with its password, and give the folder")
    # No more than it says of itself is ever unpacked of an entry.
    room = room_for_text()
    if entry.file_size > room:
        raise InputError(
            f"'{file}' unpacks to {entry.file_size / 1e9:.1f} GB, and labelled data are kept in "
            f"memory, where there is room for {room / 1e9:.1f} GB. Is this the published file?"
        )
    return file


def _pickled(file: Readable, layout: Layout, task: str) -> InputError:
    return InputError(
        f"'{file}' holds pickled objects, and unpickling runs whatever code they bring: sesstore "
        f"never does it. {layout.advice(task)}"
    )
