"""The proteins a store knows: sequences by digest, and the ids people call them.

``proteins.lmdb`` holds ``sequences`` (digest -> ASCII sequence; the digest is its checksum),
``names`` (digest -> the first id it came with) and ``ids`` (id -> digests, several where an id
was used for different sequences).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from ..batches import batches
from ..errors import CorruptStoreError, NotStoredError
from ..proteins import DIGEST_BYTES, Protein
from .database import Database, checked, create_database, open_database, unchecked

if TYPE_CHECKING:
    from .database import Txn

TABLES = {"sequences": False, "names": False, "ids": True}
_BATCH = 4096
_LONGEST_KEY = 400
_NO_NAME = b"\xff"
"""Key of the empty id, which LMDB cannot have: no text in UTF-8, so no other id has it."""


class ProteinTable:
    """Sequences and ids, in one LMDB file.

    Parameters
    ----------
    path : path
        The file; made by the first `add`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, proteins: Iterable[Protein]) -> int:
        """Store proteins and their ids; return how many sequences were new."""
        new = 0
        for batch in batches(proteins, _BATCH):
            unknown = self._unknown(batch)
            if unknown:
                new += self._insert(unknown)
        if database := open_database(self.path):
            database.seal()
        return new

    def get(self, digest: bytes) -> Protein:
        """Return one protein.

        Raises
        ------
        NotStoredError
            The store does not know it.
        """
        return next(self.get_all([digest]))

    def get_all(self, digests: Iterable[bytes]) -> Iterator[Protein]:
        """Yield proteins in the order of their digests; raises as `get`."""
        for batch in batches(digests, _BATCH):
            database = open_database(self.path)
            if database is None:
                raise _unknown(batch[0])
            with database.read() as txn:
                proteins = [self._read(database, txn, digest) for digest in batch]
            yield from proteins

    def __iter__(self) -> Iterator[Protein]:
        """Yield all, in the order of digests."""
        database, last_digest = open_database(self.path), b""
        while database is not None:
            with database.read() as txn:
                digests = _keys_after(database, txn, last_digest)
                proteins = [self._read(database, txn, digest) for digest in digests]
            if not digests:
                return
            yield from proteins
            last_digest = digests[-1]

    def __len__(self) -> int:
        database = open_database(self.path)
        if database is None:
            return 0
        with database.read() as txn:
            return int(txn.stat(database.tables["sequences"])["entries"])

    def __contains__(self, digest: bytes) -> bool:
        database = open_database(self.path)
        if database is None:
            return False
        with database.read() as txn:
            return txn.get(digest, db=database.tables["sequences"]) is not None

    def lengths(self, digests: Iterable[bytes]) -> list[int]:
        """Return the number of residues of each protein, -1 where it is not known."""
        keys, database = list(digests), open_database(self.path)
        if database is None:
            return [-1] * len(keys)
        with database.read() as txn:
            sequences = [txn.get(digest, db=database.tables["sequences"]) for digest in keys]
        return [-1 if sequence is None else len(sequence) for sequence in sequences]

    def find_id(self, id: str) -> list[bytes]:
        """Digests of the sequences that came under this id."""
        database = open_database(self.path)
        if database is None:
            return []
        key = id_key(id)
        with database.read() as txn:
            cursor = txn.cursor(database.tables["ids"])
            stored = list(cursor.iternext_dup()) if cursor.set_key(key) else []
        return [unchecked(key, value, self.path) for value in stored]

    def find_digests(self, start: str, limit: int) -> list[bytes]:
        """Digests whose hexadecimal form starts so, at most so many, in order."""
        database = open_database(self.path)
        start = start.lower()
        if database is None or len(start) > 2 * DIGEST_BYTES:
            return []
        with database.read() as txn:
            cursor = txn.cursor(database.tables["sequences"])
            if not cursor.set_range(bytes.fromhex(start.ljust(2 * DIGEST_BYTES, "0"))):
                return []
            keys = (bytes(key) for key in cursor.iternext(values=False))
            return list(islice(takewhile(lambda key: key.hex().startswith(start), keys), limit))

    def names(self) -> Iterator[tuple[str, bytes]]:
        """Yield every id with the digest it stands for; ids in the order of their bytes."""
        database, last_key = open_database(self.path), b""
        while database is not None:
            with database.read() as txn:
                pairs = _ids_after(database, txn, last_key)
            if not pairs:
                return
            for key, value in pairs:
                yield _id_of(key), unchecked(key, value, self.path)
            last_key = pairs[-1][0]

    def _insert(self, proteins: list[Protein]) -> int:
        database = create_database(self.path, TABLES)
        return database.write(lambda txn: _insert(database, txn, proteins))

    def _unknown(self, batch: list[Protein]) -> list[Protein]:
        database = open_database(self.path)
        if database is None:
            return batch
        with database.read() as txn:
            cursor = txn.cursor(database.tables["ids"])
            return [p for p in batch if not cursor.set_key_dup(*_id_record(p))]

    def _read(self, database: Database, txn: Txn, digest: bytes) -> Protein:
        sequence = txn.get(digest, db=database.tables["sequences"])
        name = txn.get(digest, db=database.tables["names"])
        if sequence is None or name is None:
            raise _unknown(digest)
        protein = Protein(
            unchecked(digest, name, self.path).decode(), sequence.decode("ascii", "replace")
        )
        if sha256(sequence).digest() != digest:
            raise CorruptStoreError(
                f"{self.path}: the sequence of '{protein.id}' is not what was written. Run "
                f"`sesstore verify`, then `sesstore repair`"
            )
        return protein


def id_key(id: str) -> bytes:
    """Key of an id; LMDB's keys are short, so a very long id is cut and its hash appended."""
    raw = id.encode() or _NO_NAME
    return raw if len(raw) <= _LONGEST_KEY else raw[: _LONGEST_KEY - 32] + sha256(raw).digest()


def _id_of(key: bytes) -> str:
    """Id of a key; of one that was cut what is left of it."""
    if key == _NO_NAME:
        return ""
    text = key[: _LONGEST_KEY - 32] if len(key) == _LONGEST_KEY else key
    return text.decode("utf-8", "replace")


def _id_record(protein: Protein) -> tuple[bytes, bytes]:
    key = id_key(protein.id)
    return key, checked(key, protein.digest)


def _insert(database: Database, txn: Txn, proteins: list[Protein]) -> int:
    by_digest = {p.digest: p for p in reversed(proteins)}  # of equal sequences the first id counts
    order = sorted(by_digest)  # in the order of keys LMDB fills page after page
    sequences = [(digest, by_digest[digest].sequence.encode("ascii")) for digest in order]
    names = [(digest, checked(digest, by_digest[digest].id.encode())) for digest in order]
    ids = sorted({_id_record(p) for p in proteins})
    tables = database.tables
    _, new = txn.cursor(tables["sequences"]).putmulti(sequences, overwrite=False)
    txn.cursor(tables["names"]).putmulti(names, overwrite=False)
    txn.cursor(tables["ids"]).putmulti(ids, dupdata=False)
    return int(new)


def _keys_after(database: Database, txn: Txn, last_digest: bytes) -> list[bytes]:
    cursor = txn.cursor(database.tables["sequences"])
    if not cursor.set_range(last_digest):
        return []
    keys = (bytes(key) for key in cursor.iternext(values=False))
    return list(islice((key for key in keys if key != last_digest), _BATCH))


def _ids_after(database: Database, txn: Txn, last_key: bytes) -> list[tuple[bytes, bytes]]:
    """Some ids behind one, each with all its digests."""
    cursor = txn.cursor(database.tables["ids"])
    if not cursor.set_range(last_key):
        return []
    pairs: list[tuple[bytes, bytes]] = []
    for key, value in cursor.iternext():
        if bytes(key) == last_key:
            continue
        if len(pairs) >= _BATCH and bytes(key) != pairs[-1][0]:
            break
        pairs.append((bytes(key), bytes(value)))
    return pairs


def _unknown(digest: bytes) -> NotStoredError:
    return NotStoredError(
        f"the store does not know the protein {digest.hex()[:12]}. Put its sequence in with "
        f"`sesstore add`"
    )
