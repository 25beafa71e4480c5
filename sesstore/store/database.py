"""LMDB files that grow, are shared by many processes, and notice changed bytes.

- One environment a file and process (LMDB demands it), found again by path; a forked child opens
  its own. Where the file or file system cannot be written, it is opened read-only and without
  LMDB's locks; `lmdb_read_lock` then keeps writers off the pages that are being read.
- The map starts at `FIRST_MAP` and doubles when full; maps other processes grew are adopted.
- A write is a function run in one transaction over a bounded batch, so it can be run again after
  the map grew, and no lock is held for long.
- Between writes a seal stands beside the file (see `lmdb_seals`), and each record has a checksum
  of its own.
"""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import google_crc32c
import lmdb

from ..durable_files import fsync, make_folder
from ..errors import CorruptStoreError, StoreError
from .access import full, is_refusal, is_there, refusal, system_errors
from .atomic_files import how_to_share, replace_file
from .lmdb_pages import check_whole
from .lmdb_read_lock import reader_lock, wait_for_readers
from .lmdb_seals import seal_of, seal_path
from .manifest import entered, has_entry, renew
from .write_locks import new_file

FIRST_MAP = 1 << 30
MOST_TABLES = 64
MODE = 0o666
"""Of files and lock files; the umask of who makes them takes away from it."""
STATE = "state"
"""Named database of every file; holds the id of the transaction that wrote last."""

_TXN = b"txn"
_LITTLE = 16 << 20
_T = TypeVar("_T")
if TYPE_CHECKING:
    Txn: TypeAlias = lmdb.Transaction[bytes]
# One environment a file: closing a second one would drop the locks of the first.
_open: dict[Path, Database] = {}
_open_lock = threading.Lock()
_in_use: list[Database] = []  # given up in mid-transaction: kept, because closing would end it


class Database:
    """One LMDB file with named databases. Get it by `open_database`.

    Parameters
    ----------
    path : path
        The file; must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with system_errors(path):
            stat = path.stat()
        self.identity, self.bytes = (stat.st_dev, stat.st_ino), stat.st_size
        self._hindrance: Exception | None = None
        self._env = self._open_environment()
        self._users, self._resizing = 0, False
        self._change = threading.Condition()
        self._locked = threading.local()
        try:
            with self._reader_slot(), self._env.begin() as txn:
                names = [bytes(name) for name in txn.cursor().iternext(values=False)]
            self.tables = {name.decode(): self._env.open_db(name, create=False) for name in names}
            if not self.read_only:
                self._env.reader_check()
        except (lmdb.Error, UnicodeDecodeError) as problem:
            raise unreadable(path, problem) from problem

    @property
    def read_only(self) -> bool:
        """Whether it could only be opened for reading."""
        return bool(self._env.flags()["readonly"])

    @contextmanager
    def read(self) -> Iterator[Txn]:
        """Open a read transaction. Keep it short, and do not write inside it.

        Raises
        ------
        CorruptStoreError
            LMDB finds the file broken.
        StoreError
            It was read without LMDB's locks, for very long, and written meanwhile.
        """
        with self._using(), self._reader_slot():
            try:
                txn: Txn | None = self._env.begin()
            except lmdb.MapResizedError:  # another process grew the map: adopted below
                txn = None
            if txn is not None:
                snapshot = txn.id()
                try:
                    with txn:
                        yield txn
                except CorruptStoreError:
                    self._check_not_overtaken(snapshot)
                    raise
                except lmdb.Error as problem:
                    self._check_not_overtaken(snapshot)
                    raise unreadable(self.path, problem) from problem
                self._check_not_overtaken(snapshot)
                return
        self._resize(0)
        with self.read() as txn:
            yield txn

    def write(self, change: Callable[[Txn], _T]) -> _T:
        """Run `change` in one write transaction, again with a larger map if it was full.

        Raises
        ------
        StorageFullError
            No space left; the transaction left no trace.
        StoreError
            The file can only be read.
        """
        if self.read_only and self._hindrance is not None:
            raise unreadable(self.path, self._hindrance)
        if self.read_only:
            raise StoreError(f"{self.path} cannot be written. {how_to_share(self.path)}")
        # A full map ends the whole transaction, so `change` starts anew on what was there before.
        while True:
            try:
                with self._using():
                    return self._write_once(change)
            except lmdb.MapFullError:
                self._resize(2 * self._env.info()["map_size"])
            except lmdb.MapResizedError:
                self._resize(0)
            except lmdb.Error as problem:
                if _is_full(problem, self.path):
                    raise full(self.path) from problem
                raise unreadable(self.path, problem) from problem

    def table(self, name: str, txn: Txn) -> Any:
        """Named database, also one another process made after this one opened the file."""
        if name not in self.tables:
            self.tables[name] = self._env.open_db(name.encode(), txn=txn, create=False)
        return self.tables[name]

    def add_tables(self, names: Iterable[str]) -> None:
        """Make the named databases of these names that a file of an earlier version lacks."""
        lacking = [name for name in names if name not in self.tables]
        if lacking:
            handles = self.write(lambda txn: [self._env.open_db(n.encode(), txn) for n in lacking])
            self.tables.update(zip(lacking, handles, strict=True))

    def seal(self) -> None:
        """Write the seal and renew the entry, while no other process can write."""
        if self.read_only or (seal_path(self.path).exists() and has_entry(self.path)):
            return
        # An empty write transaction holds LMDB's lock, so that nothing changes between the checksum
        # and the entry. It is aborted, so the last one that wrote is the one before it.
        with self._using(), self._env.begin(write=True) as txn:
            try:
                if not seal_path(self.path).exists():
                    replace_file(seal_path(self.path), seal_of(self.path))
                renew(self.path, records=self._records(txn), transaction=txn.id() - 1)
            finally:
                txn.abort()

    def _records(self, txn: Txn) -> int:
        """Proteins in the file."""
        table = self.tables.get("sequences", self.tables.get("meta"))
        return 0 if table is None else int(txn.stat(table)["entries"])

    def give_up(self) -> None:
        """Close the environment, unless a transaction is open in it."""
        if self._users:  # closing would unmap the pages their transactions read
            _in_use.append(self)
        else:
            self._env.close()

    def _write_once(self, change: Callable[[Txn], _T]) -> _T:
        with self._env.begin(write=True) as txn:
            # The lock is ours and no page has changed: only now the seal may go, and durably, for a
            # seal beside changed pages would call a sound file damaged.
            with system_errors(self.path), suppress(FileNotFoundError):
                wait_for_readers(self.path)
                seal_path(self.path).unlink()
                fsync(self.path.parent)
            result = change(txn)
            # Meta pages have no checksum: their transaction's number is checked against this one.
            txn.put(_TXN, txn.id().to_bytes(8, "little"), db=self.tables[STATE])
        return result

    @contextmanager
    def _reader_slot(self) -> Iterator[None]:
        """Be known to writers while a transaction is open: by LMDB itself, or by our lock."""
        if not self.read_only or self._locked.__dict__:
            yield  # a second lock would wait for writers that wait for the first
            return
        with reader_lock(self.path):
            self._locked.by_this_thread = True
            try:
                yield
            finally:
                del self._locked.by_this_thread

    def _check_not_overtaken(self, snapshot: int) -> None:
        """Raise if a writer that did not wait may have put new pages over those of a snapshot."""
        # LMDB leaves the pages of the snapshot before the latest alone, so one commit does no harm.
        if self.read_only and self._env.info()["last_txnid"] > snapshot + 1:
            raise StoreError(
                f"{self.path} was written over while it was read without locks. Run the command "
                f"again when nobody writes, or as somebody who may write the store"
            )

    @contextmanager
    def _using(self) -> Iterator[None]:
        with self._change:
            self._change.wait_for(lambda: not self._resizing)
            self._users += 1
        try:
            yield
        finally:
            with self._change:
                self._users -= 1
                self._change.notify_all()

    def _resize(self, size: int) -> None:
        with self._change:
            self._change.wait_for(lambda: not self._resizing)
            self._resizing = True
            # Changing the size maps the file anew, under the feet of any open transaction.
            self._change.wait_for(lambda: self._users == 0)
            try:
                self._env.set_mapsize(size)
            finally:
                self._resizing = False
                self._change.notify_all()

    def _open_environment(self) -> lmdb.Environment:
        check_whole(self.path)  # LMDB would map it unseen: reading beyond its end is SIGBUS
        size = max(FIRST_MAP, 2 * self.bytes)  # address space, not disk
        shared: dict[str, Any] = {
            "subdir": False,
            "max_dbs": MOST_TABLES,
            "map_size": size,
            "create": False,
            "mode": MODE,
        }
        if os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
            try:
                return lmdb.open(str(self.path), max_readers=1024, **shared)
            except (
                lmdb.Error,
                OSError,
            ) as problem:  # no room for the lock file, no locks here, ...
                self._hindrance = problem
        try:
            return lmdb.open(str(self.path), readonly=True, lock=False, **shared)
        except (lmdb.Error, OSError) as problem:
            raise unreadable(self.path, problem) from problem


def open_database(path: Path) -> Database | None:
    """Return the database at `path`, or None if there is no such file."""
    path = path.absolute()
    with _open_lock:
        with system_errors(path):
            try:
                stat = path.stat()
            except FileNotFoundError:
                return None
        database = _open.get(path)
        # Repair and pull put another file in its place; the old environment would read on in a file
        # that no name leads to any more.
        replaced = database is not None and database.identity != (stat.st_dev, stat.st_ino)
        if database is not None and (replaced or stat.st_size < database.bytes):  # it never shrinks
            database.give_up()
            database = None
            del _open[path]
        if database is None:
            database = _open[path] = Database(path)
        database.bytes = stat.st_size
        return database


def close_database(path: Path) -> None:
    """Close the database at `path`, if it is open: the file is about to be moved."""
    with _open_lock:
        database = _open.pop(path.absolute(), None)
        if database is not None:
            database.give_up()


def _after_fork() -> None:
    """Give up the parent's environments: a child must not use them, and opens its own."""
    global _open_lock
    _open_lock = threading.Lock()
    for database in _open.values():
        database.give_up()
    _open.clear()


os.register_at_fork(after_in_child=_after_fork)


def create_database(path: Path, tables: dict[str, bool]) -> Database:
    """Return the database at `path`, made first if there is none.

    Parameters
    ----------
    path : path
        The file.
    tables : dict of str to bool
        Named databases, and whether a key may have several values.
    """
    path = path.absolute()
    if not is_there(path):
        with system_errors(path):
            make_folder(path.parent)
            beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
            handle = new_file(beside)  # its lock tells `gc` that a living writer is at it
        try:
            _make(beside, tables)
            with system_errors(path):
                os.fsync(handle)
            with entered(path):
                _name_it(beside, path)
                fsync(path.parent)
        finally:
            os.close(handle)
            for file in (beside, Path(f"{beside}-lock")):
                with suppress(FileNotFoundError):
                    file.unlink()
    database = open_database(path)
    if database is None:
        raise StoreError(f"{path} was removed while it was being opened. Run the command again")
    return database


def _make(path: Path, tables: dict[str, bool]) -> None:
    try:
        env = lmdb.open(str(path), subdir=False, max_dbs=MOST_TABLES, map_size=FIRST_MAP, mode=MODE)
        try:
            for name, several in {**tables, STATE: False}.items():
                env.open_db(name.encode(), dupsort=several)
            state = env.open_db(STATE.encode())
            with env.begin(write=True) as txn:
                txn.put(_TXN, txn.id().to_bytes(8, "little"), db=state)
        finally:
            env.close()
    except lmdb.Error as problem:
        if _is_full(problem, path.parent):
            raise full(path) from problem
        raise unreadable(path, problem) from problem


def _name_it(beside: Path, path: Path) -> None:
    """Give a file its name unless somebody else was faster; theirs is as good."""
    try:
        os.link(beside, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        with system_errors(path):
            if not path.exists():
                os.rename(beside, path)


def last_transaction(database: Database, txn: Txn) -> int:
    """Id of the transaction that wrote last, by its own record."""
    return int.from_bytes(txn.get(_TXN, b"", db=database.tables[STATE]), "little")


def checked(key: bytes, value: bytes) -> bytes:
    """Value with a CRC-32C over key and value appended, to be stored under `key`."""
    return value + int(google_crc32c.value(key + value)).to_bytes(4, "little")


def unchecked(key: bytes, stored: bytes, path: Path) -> bytes:
    """Inverse of `checked`.

    Raises
    ------
    CorruptStoreError
        Key or value are not what was written.
    """
    value = stored[:-4]
    if checked(key, value) != stored:
        raise CorruptStoreError(
            f"{path}: the record of {key[:12].hex()} is not what was written. Run "
            f"`sesstore verify`, then `sesstore repair`"
        )
    return value


def unreadable(path: Path, problem: Exception) -> StoreError:
    """Return the error for a file LMDB cannot use: what the system refuses is no damage."""
    if is_refusal(problem):
        return refusal(path, problem)
    return CorruptStoreError(
        f"{path} cannot be used ({problem}). Run `sesstore verify`, then `sesstore repair`"
    )


def _is_full(problem: lmdb.Error, path: Path) -> bool:
    """Whether a write failed for want of space; LMDB calls a write cut short an I/O error."""
    message = str(problem)
    if isinstance(problem, lmdb.DiskError) or "No space" in message or "File too large" in message:
        return True
    size_limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    limited = size_limit != resource.RLIM_INFINITY and path.stat().st_size > size_limit - _LITTLE
    return "Input/output" in message and (limited or shutil.disk_usage(path).free < _LITTLE)
