"""Ids as names of files, and files of a folder as people's computers leave them.

An id that can name a file does. Another (empty, over-long, with ``/`` or NUL, all dots, or equal to
another one but for case) is changed, and ``index.tsv`` says which file is whose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from ..errors import InputError, MissingFileError
from ..strays import is_duplicate, is_stray_path

INDEX = "index.tsv"
_LONGEST = 200
"""Bytes of a name, with room for a suffix."""
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f]")


class FileNames:
    """Names of files for ids, no two alike on any system."""

    def __init__(self) -> None:
        self._by_id: dict[str, str] = {}
        self._names: set[str] = set()

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def changed(self) -> bool:
        """Whether an id could not be the name of its file."""
        return any(id_ != name for id_, name in self._by_id.items())

    def new(self, protein_id: str) -> str | None:
        """Name for an id that was not there before, without suffix; None for one that was."""
        if protein_id in self._by_id:
            return None
        name = _FORBIDDEN.sub("_", protein_id)
        if name.startswith("."):
            name = f"_{name[1:]}"
        long = len(name.encode()) > _LONGEST
        if not name or long or name.casefold() in self._names:
            cut = name.encode()[: _LONGEST - 20].decode("utf-8", "ignore")
            name = f"{cut or 'unnamed'}_{sha256(protein_id.encode()).hexdigest()[:12]}"
        self._names.add(name.casefold())
        self._by_id[protein_id] = name
        return name

    def table(self) -> str:
        """Text of the index: a line a file, its name and (as JSON, for any letter) its id."""
        lines = (f"{name}\t{json.dumps(id_)}\n" for id_, name in self._by_id.items())
        return "file\tid\n" + "".join(lines)


def read_index(folder: Path) -> Mapping[str, str]:
    """Id by name of a folder's index; empty if it has none.

    Raises
    ------
    InputError
        A line is no name and id.
    """
    path = folder / INDEX
    if not path.is_file():
        return {}
    ids: dict[str, str] = {}
    try:
        for line in path.read_text("utf-8").splitlines()[1:]:
            name, id_ = line.split("\t")
            ids[name] = str(json.loads(id_))
    except ValueError:
        raise InputError(
            f"'{path}' has a broken line: {line[:60]}. Remove it, or mend it"
        ) from None
    return ids


def data_files(folder: Path, suffix: str) -> list[Path]:
    """Files of a suffix in a folder and those in it, sorted; without what systems leave behind.

    Raises
    ------
    MissingFileError
        There is no such folder, or no such file in it.
    """
    files = [
        file
        for file in folder.rglob(f"*{suffix}")
        if file.is_file() and not is_stray_path(file.relative_to(folder))
    ]
    if not files:
        raise MissingFileError(
            f"there is no folder '{folder}' with {suffix} files in it. Check its name"
        )
    names = {file.parent: set[str]() for file in files}
    for file in files:
        names[file.parent].add(file.name)
    return sorted(file for file in files if not is_duplicate(file.name, names[file.parent]))
