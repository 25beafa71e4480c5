"""Which proteins of a store are meant: all an encoder has, those of tasks, or those of a list."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..datasets.fasta import is_fasta, read_fasta
from ..datasets.readers import open_text
from ..errors import InputError, NotStoredError
from ..proteins import DIGEST_BYTES, Protein
from ..store import Embeddings, Store
from ..store.protein_names import ProteinNames

_HEX = 2 * DIGEST_BYTES


def read_ids(path: Path) -> list[str]:
    """Read a list: one id or digest (64 hexadecimal digits) a line, or FASTA (its sequences).

    Returns
    -------
    list of str
        Ids, and digests in lower case; a FASTA file gives digests.

    Raises
    ------
    MissingFileError, InputError
        There is no such file, or nothing in it.
    """
    if is_fasta(path):
        return [protein.digest.hex() for protein in read_fasta(path)]
    with open_text(path) as lines:
        ids = [line.split()[0] for line in lines if line.strip() and line[0] != "#"]
    if not ids:
        raise InputError(f"'{path}' names no protein. Write one id a line")
    return list(dict.fromkeys(ids))


def as_digest(text: str) -> bytes | None:
    """Digest that some text is, or None."""
    try:
        return bytes.fromhex(text) if len(text) == _HEX else None
    except ValueError:
        return None


def listed_proteins(store: Store, ids: Iterable[str]) -> list[Protein]:
    """Proteins of some names (see `identifiers`) or digests, under the names they were asked by.

    Raises
    ------
    NotStoredError
        The store knows no protein of an id.
    """
    proteins, unknown, names = [], [], ProteinNames(store)
    for name in ids:
        digest = as_digest(name)
        digests = [digest] if digest else store.find_id(name)
        if not digests and (match := names.find([name])):
            digests = [match.digest]
        if not digests:
            unknown.append(name)
        for key in digests:
            protein = store.protein(key)
            proteins.append(protein if digest else Protein(name, protein.sequence))
    if unknown:
        raise NotStoredError(
            f"the store knows no protein called {', '.join(unknown[:5])}"
            f"{f' and {len(unknown) - 5} more' if len(unknown) > 5 else ''} "
            f"({names.reason(unknown[:1])}). Add them with `sesstore add`, or take them out of the "
            f"list"
        )
    return proteins


def select_proteins(
    store: Store, view: Embeddings, *, task: str | None = None, ids: Path | None = None
) -> list[Protein]:
    """Proteins to export: of a task, of a list, or all that `view` has.

    Raises
    ------
    NotStoredError, UnknownNameError, InputError
        There is no such task or protein, or one has no embedding.
    """
    if ids is not None:
        proteins = listed_proteins(store, read_ids(ids))
    elif task is not None:
        splits = store.task(task).splits.values()
        digests = np.unique(np.concatenate([split.digests for split in splits]), axis=0)
        proteins = list(store.proteins(row.tobytes() for row in digests))
    else:
        proteins = list(store.proteins(row.tobytes() for row in view.digests))
    lacking = int((view.find([p.digest for p in proteins]) < 0).sum()) if proteins else 0
    if lacking:
        raise NotStoredError(
            f"{lacking:,} of {len(proteins):,} proteins have no embedding by "
            f"{view.provenance.fingerprint.encoder}. Make them with `sesstore embed`"
        )
    return proteins


def check_ids(proteins: Iterable[Protein]) -> None:
    """Raise `InputError` if one id stands for two sequences."""
    digests: dict[str, bytes] = {}
    for protein in proteins:
        if digests.setdefault(protein.id, protein.digest) != protein.digest:
            raise InputError(
                f"id '{protein.id}' stands for two sequences, and this format keeps one a name. "
                f"Export to biotrainer or scikit-bio, which go by sequence"
            )
