"""Every error sesstore raises on purpose.

::

    SesstoreError
    ├── InputError (ValueError)             what the user gave is wrong: exit status 2
    │   ├── RecordError                     one record of a file: says which file, line and id
    │   ├── StructureError                  one structure file or chain
    │   ├── MissingFileError (FileNotFoundError)
    │   ├── UnwritableError (PermissionError)
    │   └── UnknownNameError (LookupError)  no task, encoder, ... of that name; suggests near ones
    ├── StoreError (RuntimeError)           the store cannot do what was asked: exit status 1
    │   ├── StoreFormatError                not a store, or of another format
    │   ├── CorruptStoreError               stored bytes are not what was written
    │   ├── FingerprintMismatchError        two encoders that must not mix; says what differs
    │   ├── NotStoredError (LookupError)    proteins, tokens or embeddings the store lacks
    │   └── StoreAccessError (OSError)      the system refuses: permission, memory, disk errors, ...
    │       └── StorageFullError            no space left; nothing half-written
    ├── WeightsError (FileNotFoundError)    weights that are absent or not what they say
    ├── MissingExtraError (ImportError)     an optional dependency is not installed
    ├── ClusterError (RuntimeError)         a cluster that is not there, or loses all its workers
    ├── TrainingError (RuntimeError)        training cannot go on (a loss that is not finite, ...)
    └── StoppedError (RuntimeError)         stopped by a signal after everything done was committed

Each also inherits the builtin it refines, so ``except ValueError`` keeps working. Messages say what
is wrong, where, and what to do next.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the system's errors that say there is no space left, or no quota."""


class SesstoreError(Exception):
    """Base of all errors raised on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by message and attributes.

        Python would call the class with the message, which classes that build their own do not
        take; and errors have to come out of other processes and machines as they were raised.
        """
        return _unpickled, (type(self), self.args, dict(vars(self)))


def _unpickled(kind: type[SesstoreError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    builtin: Any = kind  # the one that decides how the error lies in memory
    while builtin.__module__ != "builtins":
        builtin = builtin.__base__
    error = builtin.__new__(kind, *args)
    builtin.__init__(error, *args)
    error.args = args
    vars(error).update(state)
    return error


class InputError(SesstoreError, ValueError):
    """What the user gave is wrong."""


class RecordError(InputError):
    """One record of an input file is wrong.

    Parameters
    ----------
    problem : str
        What is wrong and what to do, in a sentence or two.
    path : object
        The file, or what to call it: its path, or that of a member of an archive.
    line : int, optional
        Line number, counted from 1.
    record : str, optional
        Id of the record.
    """

    def __init__(
        self,
        problem: str,
        path: object,
        line: int | None = None,
        record: str | None = None,
    ) -> None:
        place = str(path)
        if line is not None:
            place += f", line {line}"
        if record:
            place += f" ({record})"
        super().__init__(f"{place}: {problem}")
        self.problem = problem
        self.path = str(path)
        self.line = line
        self.record = record


class StructureError(InputError):
    """A structure file, or a chain in it, cannot be used."""


class MissingFileError(InputError, FileNotFoundError):
    """A file or folder the user named does not exist."""


class UnwritableError(InputError, PermissionError):
    """A place the user named cannot be written.

    Parameters
    ----------
    path : path-like
        The place.
    reason : str
        Why not.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(
            f"'{path}' cannot be written: {reason}. Change its permissions, or name another place"
        )


def _ratio(name: str, candidate: str) -> float:
    return difflib.SequenceMatcher(None, candidate, name).ratio()


def _alike(name: str, candidate: str) -> int:
    """Letters they begin alike with."""
    pairs = zip(name, candidate, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(name), len(candidate)))


class UnknownNameError(InputError, LookupError):
    """No task, encoder, alphabet, ... has that name.

    Parameters
    ----------
    kind : str
        What was looked up, such as ``"encoder"``.
    name : str
        The name that is not known.
    names : iterable of str
        All names that are.
    hint : str, optional
        One more sentence, such as the command that lists them.
    known : str, optional
        The names as they are listed where none is near; one by one by default.
    """

    def __init__(
        self, kind: str, name: str, names: Iterable[str], hint: str = "", *, known: str = ""
    ) -> None:
        self.names = sorted(names)
        near = difflib.get_close_matches(name, self.names, n=len(self.names) or 1, cutoff=0.5)
        # Of equally near ones, one that begins alike: for esm2_t34 esm2_t36, not esm2_t48.
        near.sort(key=lambda candidate: (-_ratio(name, candidate), -_alike(name, candidate)))
        message = f"no {kind} is called '{name}'."
        members = [candidate for candidate in self.names if candidate.startswith(f"{name}_")]
        if len(members) > 1:
            message += f" Which of {', '.join(members)}?"
        elif near:
            message += f" Did you mean '{near[0]}'?"
        elif self.names:
            message += f" Known: {known or ', '.join(self.names)}."
        super().__init__(f"{message} {hint}".strip())
        self.name = name


class StoreError(SesstoreError, RuntimeError):
    """The store cannot do what was asked of it."""


class StoreFormatError(StoreError):
    """The folder is not a sesstore store, or one of a format this version cannot read."""


class CorruptStoreError(StoreError):
    """Stored bytes are not the bytes that were written."""


class FingerprintMismatchError(StoreError):
    """Embeddings of two different encoders were about to be mixed."""


class NotStoredError(StoreError, LookupError):
    """The store does not hold what was asked for."""


class StoreAccessError(StoreError, OSError):
    """The system refuses to read or write; that says nothing about what is stored."""


class StorageFullError(StoreAccessError):
    """No space left where the store lives."""


class WeightsError(SesstoreError, FileNotFoundError):
    """Weights of an encoder are absent, or not what they say they are."""


class MissingExtraError(SesstoreError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    feature : str
        What needs it, such as ``"encoder 'near'"``.
    extra : str
        The extra of sesstore that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs an optional part of sesstore. Install it with: "
            f"pip install 'sesstore[{extra}]'"
        )
        self.extra = extra


class ClusterError(SesstoreError, RuntimeError):
    """A cluster cannot be reached or started, or loses its workers as fast as it gets them."""


class TrainingError(SesstoreError, RuntimeError):
    """Training cannot go on."""


class StoppedError(SesstoreError, RuntimeError):
    """Stopped by a signal, after all finished work was committed."""
