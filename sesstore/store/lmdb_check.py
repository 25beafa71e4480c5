"""Walk every record of an LMDB file and say which are not what was written.

LMDB trusts its pages: on a broken file it may crash the process. So a file whose seal is missing is
walked in a child process (`check_apart`), and a crash of the child is a finding too::

    python -m sesstore.store.lmdb_check STORE/tokens/alphafold2.lmdb

Free pages and unused room inside pages hold nothing; only the seal covers them.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from ..alphabets import ALPHABETS
from ..errors import CorruptStoreError, StoreAccessError
from . import layout
from .access import refusal, system_errors
from .alphabet_files import declare_stored
from .database import STATE, Database, last_transaction, open_database, unchecked
from .lmdb_read_lock import private_copy
from .lmdb_seals import file_crc
from .tokens import PLDDT, read_meta

if TYPE_CHECKING:
    from .database import Txn

_PLDDT_MAX = 100
_REFUSED = "refused"
_NO_META = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""What other JSON than that of a protein's record raises."""
_CRASHES = {-signal.SIGSEGV, -signal.SIGABRT}
"""How LMDB ends on pages it cannot use; without memory, other things end so too."""


@dataclass
class RecordCheck:
    """What a walk found.

    Parameters
    ----------
    records : int
        Proteins in the file.
    problems : list of str
        What is wrong, one line each.
    bad : list of str
        Digests (hexadecimal) of the proteins whose records are wrong.
    lengths : dict of str to int
        For tokens: number of residues by digest.
    """

    records: int = 0
    problems: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)

    def blame(self, digest: bytes, problem: str) -> None:
        """Note that the records of one protein are wrong."""
        self.problems.append(f"{digest.hex()[:12]}: {problem}")
        self.bad.append(digest.hex())


def check_records(path: Path) -> RecordCheck:
    """Walk a file in this process."""
    check = RecordCheck()
    with suppress(CorruptStoreError):  # broken declarations are found by themselves
        declare_stored(path.parent.parent)
    try:
        database = open_database(path)
        if database is None:
            check.problems.append("there is no such file")
        elif database.read_only:  # a walk takes long, and writers would wait for it
            with private_copy(path) as copy:
                _walk(Database(copy), check)
        else:
            _walk(database, check)
    except (CorruptStoreError, KeyError, ValueError, TypeError) as problem:
        check.problems.append(f"cannot be read to the end: {problem}")
    return check


def _walk(database: Database, check: RecordCheck) -> None:
    with database.read() as txn:
        _check_structure(database, txn, check)
        if "sequences" in database.tables:
            _check_proteins(database, txn, check)
        else:
            _check_tokens(database, txn, check)


def check_apart(path: Path) -> RecordCheck:
    """Walk a file in a child process, which may crash.

    Raises
    ------
    StoreAccessError
        The child was not let finish: no memory, a disk that fails, a signal. That is no finding.
    """
    file_crc(path)  # a disk that fails does so here, with an error, and not in the child's map
    command = [sys.executable, "-m", __name__, str(path)]
    with system_errors(path):
        child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode == 0:
        answer = json.loads(child.stdout)
        if _REFUSED in answer:
            raise StoreAccessError(answer[_REFUSED])
        return RecordCheck(**answer)
    if child.returncode in _CRASHES and _memory_is_free():
        return RecordCheck(problems=[f"LMDB cannot read it (signal {-child.returncode})"])
    lines = child.stderr.strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
    raise StoreAccessError(
        f"{path} could not be checked: the process that reads it ended early ({lines[0]}). That "
        f"says nothing about what is stored. Run the same command again with more memory"
    )


def _check_structure(database: Database, txn: Txn, check: RecordCheck) -> None:
    """Every table: as many records as LMDB says, in order, each found again by its key."""
    if last_transaction(database, txn) != txn.id():
        check.problems.append("its last transaction is not the one it was left with")
    for name, table in database.tables.items():
        count, previous_key = 0, b""
        for key, value in txn.cursor(table):
            count += 1
            if key < previous_key or (name != "ids" and txn.get(key, db=table) != value):
                check.problems.append(f"table {name}: key {key[:12].hex()} is out of place")
            previous_key = key
        if count != txn.stat(table)["entries"]:
            check.problems.append(f"table {name}: {count} records instead of those it counted")


def _check_proteins(database: Database, txn: Txn, check: RecordCheck) -> None:
    tables = database.tables
    for digest, sequence in txn.cursor(tables["sequences"]):
        check.records += 1
        name = txn.get(digest, db=tables["names"])
        if sha256(sequence).digest() != digest:
            check.blame(digest, "the sequence is not what was written")
        elif name is None or _is_broken(digest, name, database.path):
            check.blame(digest, "the name is not what was written")
    if txn.stat(tables["names"])["entries"] != check.records:
        check.problems.append("there are not as many names as sequences")
    for key, value in txn.cursor(tables["ids"]):
        if _is_broken(key, value, database.path):
            check.problems.append(f"the id record {key[:20]!r} is not what was written")
        elif txn.get(value[:-4], db=tables["sequences"]) is None:
            check.problems.append(f"the id {key[:20]!r} names a sequence that is not there")


def _check_tokens(database: Database, txn: Txn, check: RecordCheck) -> None:
    tables = database.tables
    counts = Counter(dict.fromkeys(tables.keys() - {"meta", "provenance", STATE}, 0))
    makers = set()
    for key, value in txn.cursor(tables["provenance"]):
        if _is_broken(key, value, database.path):
            check.problems.append(f"the provenance record {key.hex()} is not what was written")
        makers.add(key.hex())
    for digest, _ in txn.cursor(tables["meta"]):
        check.records += 1
        try:
            meta = read_meta(database, txn, digest) or {}
            for problem in _token_problems(database, txn, digest, meta, makers):
                check.blame(digest, problem)
        except (CorruptStoreError, *_NO_META) as problem:
            check.blame(digest, f"its meta record is not what was written ({problem})")
            continue
        check.lengths[digest.hex()] = meta["length"]
        for name in meta["crc"]:
            counts[name] += 1
    for name, count in counts.items():
        if txn.stat(database.table(name, txn))["entries"] != count:
            check.problems.append(f"table {name} holds records that belong to no protein")


def _token_problems(
    database: Database, txn: Txn, digest: bytes, meta: dict[str, Any], makers: set[str]
) -> Iterator[str]:
    length = meta["length"]
    if type(length) is not int or length < 1:
        raise ValueError(f"{length!r} residues")
    for name, crc in meta["crc"].items():
        raw = txn.get(digest, db=database.table(name, txn))
        if raw is None or google_crc32c.value(raw) != crc:
            yield f"the {name} record is not what was written"
        else:
            yield from _code_problems(name, raw, length)
        if meta["by"][name] not in makers:
            yield f"nothing says what made its {name} record"


def _code_problems(name: str, raw: bytes, length: int) -> Iterator[str]:
    largest, dtype = _PLDDT_MAX, np.dtype(np.uint8)
    if name != PLDDT:
        if name not in ALPHABETS:  # the fault is its declaration, which `verify` names
            return
        largest, dtype = ALPHABETS[name].mask, ALPHABETS[name].dtype
    row = dtype.itemsize * length
    if not raw or len(raw) % row or (name == PLDDT and len(raw) != length):
        yield f"the {name} record has {len(raw)} bytes for {length} residues"
    elif int(np.frombuffer(raw, dtype).max()) > largest:
        yield f"the {name} record holds a code that does not exist"


def _is_broken(key: bytes, value: bytes, path: Path) -> bool:
    try:
        unchecked(key, value, path)
    except CorruptStoreError:
        return True
    return False


def entries(path: Path) -> int:
    """Number of proteins in a file, by LMDB's own count.

    Raises
    ------
    CorruptStoreError
        LMDB cannot use the file, or a table is missing.
    """
    database = open_database(path)
    kind, table = ("proteins", "sequences") if layout.holds_proteins(path) else ("tokens", "meta")
    if database is None or not {STATE, table} <= database.tables.keys():
        raise CorruptStoreError(f"{path} is no database of {kind}")
    with database.read() as txn:
        return int(txn.stat(database.tables[table])["entries"])


def _memory_is_free() -> bool:
    return resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def _answer(path: Path) -> dict[str, Any]:
    """What the child has to say."""
    try:
        return vars(check_records(path))
    except (StoreAccessError, MemoryError) as problem:
        return {_REFUSED: str(refusal(path, problem))}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_answer(Path(sys.argv[1]))))
