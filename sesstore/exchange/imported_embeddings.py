"""Embeddings other tools made: matched to sequences, checked, stored.

A reader yields one `ForeignEmbedding` at a time, so files of any size pass through bounded memory.
Which protein it is, is looked up and never guessed: by one of its labels as an id, by the hash of
the sequence that bio_embeddings (MD5) and biotrainer (SHA-256) use as a key, or by the rules of
`sesstore.identifiers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import md5, sha256
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..failures import list_failure
from ..name_index import NameIndex
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import Provenance, circumstances
from ..residues import Embedding, to_storage
from ..store import Store
from ..store.atomic_files import write_reasons
from .embedding_record import WIDEST, ForeignEmbedding


@dataclass
class ImportReport:
    """What an import did.

    Parameters
    ----------
    encoder, fingerprint : str
        What the embeddings are stored under.
    imported, already_stored : int
        Records taken, and records whose protein the store had.
    unmatched : dict of str to str
        Records that are none of the given sequences, and why.
    refused : dict of str to str
        Records that are one, but of the wrong length, width or with values that are not finite.
    missing : list of str
        Given sequences no record was found for.
    sequences, covered : int
        Different sequences that were given, and those of them that have embeddings now.
    unmatched_list : str or None
        Where records that were not stored were written, see `write_unmatched`.
    """

    encoder: str
    fingerprint: str
    imported: int = 0
    already_stored: int = 0
    unmatched: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    sequences: int = 0
    covered: int = 0
    unmatched_list: str | None = None

    def write_unmatched(self, path: Path) -> None:
        """Write each record that was not stored with the reason, and each sequence without one.

        Where there are none, the list of an earlier run is removed.
        """
        reasons = dict(self.unmatched)
        for name, reason in self.refused.items():
            list_failure(reasons, name, reason)
        for name in self.missing:
            list_failure(reasons, name, "no record of this sequence")
        self.unmatched_list = write_reasons(path, "record", reasons)


def sequence_hashes(sequence: str) -> tuple[str, str]:
    """Keys other tools give a sequence: MD5 (bio_embeddings), and SHA-256 of it and its length.

    The second is biotrainer's: the hash of the sequence, an underscore and its length.
    """
    plain = sequence.encode("ascii")
    with_length = f"{sequence}_{len(sequence)}".encode("ascii")
    return md5(plain, usedforsecurity=False).hexdigest(), sha256(with_length).hexdigest()


class SequenceBook:
    """Finds the protein behind the labels of a record.

    Parameters
    ----------
    proteins : iterable of Protein
        The sequences a foreign file is about.

    Raises
    ------
    InputError
        One id stands for two sequences.
    """

    def __init__(self, proteins: Iterable[Protein]) -> None:
        self._by_label: dict[str, Protein] = {}
        for protein in proteins:
            namesake = self._by_label.setdefault(protein.id, protein)
            if namesake.digest != protein.digest:
                raise InputError(
                    f"id '{protein.id}' stands for two sequences. Give each its own id, so that "
                    f"embeddings are not matched to the wrong one"
                )
        self._index = NameIndex((name, p.digest) for name, p in self._by_label.items())
        self.proteins = {p.digest: p for p in self._by_label.values()}
        for protein in self.proteins.values():
            for key in sequence_hashes(protein.sequence):
                self._by_label.setdefault(key, protein)

    def find(self, labels: Sequence[str]) -> Protein | None:
        """Protein of the first label that is one's id or hash, or else one's name by rule.

        None if nothing fits, or several do.
        """
        for label in labels:
            if label in self._by_label:
                return self._by_label[label]
        digests = self._index.find(labels, any_chain=True)
        return self.proteins[digests[0]] if len(digests) == 1 else None

    def reason(self, labels: Sequence[str]) -> str:
        """Why labels find nothing, in words."""
        return self._index.reason(labels, lambda digest: self.proteins[digest].id, any_chain=True)


_ENOUGH, _LOOKED_AT = 20, 200
"""Records that settle the width, and those looked at for them."""


def import_embeddings(
    store: Store,
    records: Iterable[ForeignEmbedding],
    proteins: Iterable[Protein] | SequenceBook,
    provenance: Provenance,
    *,
    progress: Progress = SILENT,
) -> ImportReport:
    """Store the embeddings of a foreign file under an encoder the user declares.

    Parameters
    ----------
    store : Store
        Where they go. Proteins it does not know are added.
    records : iterable of ForeignEmbedding
        From one of the readers of this package.
    proteins : iterable of Protein or SequenceBook
        The sequences. Records that are none of them are listed, not stored.
    provenance : Provenance
        The declared encoder; its fingerprint must say where it was imported from.

    Returns
    -------
    ImportReport

    Raises
    ------
    InputError
        The fingerprint does not say `imported_from`, or two sequences share an id.
    """
    if not provenance.fingerprint.imported_from:
        raise InputError("imported embeddings must be marked: set the fingerprint's imported_from")
    book = proteins if isinstance(proteins, SequenceBook) else SequenceBook(proteins)
    store.add_proteins(book.proteins.values())
    digests, refused = _stored(store, provenance), set[bytes]()
    report = ImportReport(provenance.fingerprint.encoder, provenance.fingerprint.short)
    report.sequences = len(book.proteins)
    with (
        progress.stage("importing", len(book.proteins), "proteins") as bar,
        store.writer(provenance, circumstances("h5py", "numpy", "zarr")) as writer,
    ):
        for record in records:
            bar.advance(1)
            protein = book.find(record.labels)
            if protein is None:
                list_failure(report.unmatched, record.labels[0], book.reason(record.labels))
            elif protein.digest in digests:
                report.already_stored += 1
            else:
                try:
                    writer.add(_embedding(record, protein, provenance))
                except InputError as problem:
                    list_failure(report.refused, record.labels[0], str(problem))
                    refused.add(protein.digest)
                    continue
                digests.add(protein.digest)
                report.imported += 1
    left_out = [
        (p.id, digest in refused) for digest, p in book.proteins.items() if digest not in digests
    ]
    report.missing = [name for name, has_record in left_out if not has_record]
    report.covered = report.sequences - len(left_out)
    return report


def _stored(store: Store, provenance: Provenance) -> set[bytes]:
    if store.provenance_of(provenance.fingerprint) is None:
        return set()
    return {row.tobytes() for row in store.embeddings(provenance.fingerprint).digests}


def _embedding(record: ForeignEmbedding, protein: Protein, provenance: Provenance) -> Embedding:
    """Values of a record as they are stored; raises `InputError` where they do not fit."""
    shape = record.shape
    if shape == (provenance.dim,) and len(protein) == 1:
        shape = (1, provenance.dim)  # scripts that squeeze the batch's axis take this one, too
    if problem := record.problem or _misfit(shape, record.kind, protein, provenance.dim):
        raise InputError(problem)
    values = record.values.reshape(shape)
    if not np.isfinite(values).all():
        raise InputError("holds values that are not finite. Compute it again, in float32")
    try:
        return to_storage(Embedding(protein.digest, values), provenance.dtype)
    except InputError:
        raise InputError(
            f"holds values up to {float(np.abs(values).max()):.3g}, more than "
            f"{provenance.dtype} can hold. Import it with --dtype float32"
        ) from None


def _misfit(shape: tuple[int, ...], kind: str, protein: Protein, dim: int) -> str:
    """What is wrong with the shape of a record; empty if nothing is."""
    if len(shape) != 2 or kind != "f":
        phrase = "" if kind == "f" else "no floating-point numbers but values "
        return f"is {phrase}of shape {shape}, not one row of numbers a residue. Export it as [L, d]"
    rows, columns = shape
    if rows != len(protein):
        extra = rows - len(protein)
        hint = "Give the sequence that was embedded"
        if 0 < extra < 3:
            hint = "Rows of special tokens (BOS, EOS)? Export without them"
        if (columns, rows) == (len(protein), dim):
            hint = "Its axes are exchanged: residues come first"
        return f"has {rows} rows, the sequence of '{protein.id}' {len(protein)} residues. {hint}"
    if columns != dim:
        return f"has {columns} columns, the declared encoder {dim}. Import it as another encoder"
    return ""


def find_width(
    records: Iterable[ForeignEmbedding], proteins: SequenceBook
) -> tuple[int, list[ForeignEmbedding]]:
    """Width d of a file's embeddings: what most of the first records have that fit their sequence.

    Parameters
    ----------
    records : iterable of ForeignEmbedding
        Read until enough are seen; their values are not.
    proteins : SequenceBook
        The sequences the file is about.

    Returns
    -------
    int
        d; where no record fits its sequence, that of the first record [L, d]; 0 if none is.
    list of ForeignEmbedding
        The records looked at.
    """
    fitting: Counter[int] = Counter()
    widths_seen: list[int] = []
    looked_at: list[ForeignEmbedding] = []
    for record in records:
        looked_at.append(record)
        if len(record.shape) == 2 and 0 < record.shape[1] <= WIDEST:
            protein = proteins.find(record.labels)
            fits = protein is not None and record.shape[0] == len(protein)
            fitting.update([record.shape[1]] if fits else [])
            widths_seen.append(record.shape[1])
        if fitting.total() == _ENOUGH or len(looked_at) == _LOOKED_AT:
            break
    widths = [width for width, _ in fitting.most_common(1)] or widths_seen
    return (widths[0] if widths else 0), looked_at
