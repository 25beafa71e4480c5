"""FASTA files with labels: biotrainer's, and FLIP's pairs of sequences and labels.

biotrainer writes ``>ID TARGET=.. SET=.. MASK=..`` above each sequence, values of residues with
semicolons between (sacdallago/biotrainer, docs/data_standardization.md). FLIP writes the labels of
residues as a second FASTA file, ``>ID SET=train VALIDATION=False`` above them, and which residues
count as a third of 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, RecordError
from .fasta import Entry, entry_protein, is_fasta, read_entries
from .records import Record, split_said

KEYS = ("TARGET", "SET", "VALIDATION", "MASK")
SEQUENCES = "sequences"
MASK = "mask"
"""What FLIP calls its files of sequences and masks."""


@dataclass(frozen=True)
class FastaFiles:
    """The files of one data set.

    Parameters
    ----------
    sequences : Path
        Amino acids, and in biotrainer's format everything else.
    targets, mask : Path or None
        Labels of residues, and which of them count, each with the ids of `sequences`.
    """

    sequences: Path
    targets: Path | None = None
    mask: Path | None = None


def is_annotated(path: Path) -> bool:
    """Whether a FASTA file has labels in its headers; raises as `read_entries`."""
    return any("TARGET" in _attributes(entry) for entry in read_entries(path))


def flip_files(folder: Path) -> FastaFiles | None:
    """Find the files of a FLIP folder; None if it holds no ``sequences.fasta``.

    Raises
    ------
    InputError
        There is no file of labels, or there are several.
    """
    if not folder.is_dir():
        return None
    found = {file.name.split(".")[0].lower(): file for file in folder.iterdir() if is_fasta(file)}
    if SEQUENCES not in found:
        return None
    targets = [file for stem, file in sorted(found.items()) if stem not in (SEQUENCES, MASK)]
    if len(targets) != 1:
        names = ", ".join(file.name for file in targets) or "none"
        raise InputError(
            f"'{folder}' holds {found[SEQUENCES].name} and {len(targets)} files of labels "
            f"({names}). Say which: sesstore add {found[SEQUENCES]} --targets FILE"
        )
    return FastaFiles(found[SEQUENCES], targets[0], found.get(MASK))


def read_annotated(files: FastaFiles) -> tuple[list[Record], list[str]]:
    """Read the records of a data set in FASTA.

    Returns
    -------
    list of Record, list of str
        Records, and what was left out, in sentences.

    Raises
    ------
    RecordError
        A record is wrong, or has labels but no sequence; says where.
    """
    if files.targets is None:
        masks = _by_id(files.mask)
        found = [
            _record(entry, files.sequences, _attributes(entry), None, masks.get(entry.id))
            for entry in read_entries(files.sequences)
        ]
        return found, []
    targets, masks = _by_id(files.targets), _by_id(files.mask)
    sequences = _by_id(files.sequences)
    for entry in (*targets.values(), *masks.values()):
        if entry.id not in sequences:
            where = files.targets if entry.id in targets else files.mask
            raise RecordError(
                f"there is no sequence of that id in {files.sequences.name}",
                where or files.targets,
                entry.line,
                entry.id,
            )
    records = [
        _record(sequences[key], files.sequences, _attributes(target), target, masks.get(key))
        for key, target in targets.items()
    ]
    left = len(sequences) - len(targets)
    said = f"{left:,} sequences have no labels in {files.targets.name}; they are left out"
    return records, [said] if left else []


def _record(
    entry: Entry,
    path: Path,
    attributes: dict[str, str],
    target: Entry | None,
    mask: Entry | None,
) -> Record:
    try:
        split = split_said(attributes.get("SET"), attributes.get("VALIDATION"))
    except InputError as problem:
        raise RecordError(str(problem), path, entry.line, entry.id) from None
    return Record(
        protein=entry_protein(entry, path),
        label=target.text if target else attributes.get("TARGET"),
        tokens={},
        partial=(),
        split=split,
        path=path,
        line=entry.line,
        mask=mask.text if mask else attributes.get("MASK"),
    )


def _by_id(path: Path | None) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for entry in read_entries(path) if path else ():
        if entry.id in entries:
            first = entries[entry.id].line
            raise RecordError(
                f"the id stands in line {first}, too. Each needs its own, to find labels by",
                path or "",
                entry.line,
                entry.id,
            )
        entries[entry.id] = entry
    return entries


def _attributes(entry: Entry) -> dict[str, str]:
    return dict(_pairs(entry.words))


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in words]
    return [(key, value) for key, equals, value in pairs if equals and key in KEYS]
