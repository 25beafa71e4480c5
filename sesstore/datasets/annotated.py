"""FASTA files with labels: biotrainer's, and FLIP's pairs of sequences and labels.

biotrainer writes ``>ID TARGET=.. SET=.. MASK=..`` above each sequence, values of residues with
semicolons between (sacdallago/biotrainer, docs/data_standardization.md); keys count in any case,
``|`` may stand for the blanks, and a value goes on to the next key. FLIP writes the labels of
residues as a second FASTA file, ``>ID SET=train VALIDATION=False`` above them, and which residues
count as a third of 0 and 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from ..errors import InputError, RecordError
from ..proteins import Protein
from .fasta import Entry, entry_protein, is_fasta, read_entries
from .labels import parse_mask
from .nucleotides import NucleotideCheck
from .records import Record, split_said
from .text import Readable, Warn, ignored
from .wording import counted

KEYS = ("TARGET", "SET", "VALIDATION", "MASK", "INTERACTOR")
SEQUENCES = "sequences"
MASKS = ("resolved", "mask")
"""What FLIP and biotrainer call their files of sequences and masks."""

_KEY = re.compile(r"(?:^|[\s|])([A-Za-z_]\w*)=")


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

    sequences: Readable
    targets: Readable | None = None
    mask: Readable | None = None


def has_labels(entry: Entry) -> bool:
    """Whether the header of an entry holds a label, or whom its protein binds."""
    return not _attributes(entry)[1].keys().isdisjoint(("TARGET", "INTERACTOR"))


def flip_files(folder: Path) -> FastaFiles | None:
    """Find the files of a FLIP folder; None if it holds no ``sequences.fasta``.

    Raises
    ------
    InputError
        There is no file of labels, or there are several.
    """
    if not folder.is_dir():
        return None
    files_by_stem = _fasta_by_stem(folder)
    if SEQUENCES not in files_by_stem:
        return None
    targets = [
        file for stem, file in sorted(files_by_stem.items()) if stem not in (SEQUENCES, *MASKS)
    ]
    if len(targets) != 1:
        names = ", ".join(file.name for file in targets) or "none"
        raise InputError(
            f"'{folder}' holds {files_by_stem[SEQUENCES].name} and {len(targets)} files of labels "
            f"({names}). Say which: sesstore add {files_by_stem[SEQUENCES]} --targets FILE"
        )
    return FastaFiles(files_by_stem[SEQUENCES], targets[0], _mask(files_by_stem))


def fasta_files(file: Readable) -> FastaFiles:
    """Return a FASTA file with those of sequences and masks beside it, if it holds labels alone."""
    files_by_stem = _fasta_by_stem(cast(Readable, file.parent))
    if SEQUENCES not in files_by_stem:
        return FastaFiles(file)
    return FastaFiles(files_by_stem[SEQUENCES], file, _mask(files_by_stem))


def _fasta_by_stem(folder: Readable) -> dict[str, Readable]:
    files: list[Readable] = [*folder.iterdir()]
    return {file.name.split(".")[0].lower(): file for file in files if is_fasta(file)}


def _mask(files_by_stem: dict[str, Readable]) -> Readable | None:
    return next((files_by_stem[stem] for stem in MASKS if stem in files_by_stem), None)


def read_annotated(files: FastaFiles, warn: Warn = ignored) -> tuple[list[Record], list[str]]:
    """Read the records of a data set in FASTA.

    Returns
    -------
    list of Record, list of str
        Records, and what was left out, in sentences.

    Raises
    ------
    RecordError
        A record is wrong, has labels but no sequence, or is a pair of proteins; says where.
    """
    nucleotides = NucleotideCheck(files.sequences)
    masks = _by_id(files.mask, warn)
    if files.targets is None:
        records = [
            _record(*_attributes(entry), files, None, masks.get(entry.id))
            for entry in read_entries(files.sequences, warn)
        ]
        notes = []
    else:
        targets, sequences = _by_id(files.targets, warn), _by_id(files.sequences, warn)
        _check_sequences(files, sequences, targets, masks)
        records = [
            _record(sequences[key], _attributes(target)[1], files, target, masks.get(key))
            for key, target in targets.items()
        ]
        lacking = len(sequences) - len(targets)
        note = f"{counted(lacking, 'sequence')} without labels in {files.targets.name}: left out"
        notes = [note] if lacking else []
    for record in records:
        nucleotides.look(record.protein)
    nucleotides.report(warn)
    return records, notes


def _check_sequences(
    files: FastaFiles,
    sequences: dict[str, Entry],
    targets: dict[str, Entry],
    masks: dict[str, Entry],
) -> None:
    for entry in (*targets.values(), *masks.values()):
        if entry.id not in sequences:
            source = files.targets if entry.id in targets else files.mask
            raise RecordError(
                f"there is no sequence of that id in {files.sequences.name}. Add it, or take this "
                f"entry out",
                source or files.sequences,
                entry.line,
                entry.id,
            )


def _record(
    entry: Entry,
    attributes: dict[str, str],
    files: FastaFiles,
    target: Entry | None,
    mask: Entry | None,
) -> Record:
    # What is wrong with attributes or a label is told where they stand.
    path, line = files.sequences, entry.line
    if files.targets and target:
        path, line = files.targets, target.line
    if "INTERACTOR" in attributes:
        raise RecordError(
            f"is one of a pair (INTERACTOR={attributes['INTERACTOR']}): sesstore trains on single "
            f"proteins. Take the INTERACTOR out if the label is of this protein alone",
            path,
            line,
            entry.id,
        )
    try:
        split = split_said(attributes.get("SET"), attributes.get("VALIDATION"))
    except InputError as problem:
        raise RecordError(str(problem), path, line, entry.id) from None
    protein = entry_protein(entry, files.sequences)
    if files.mask and mask:
        _check_mask(mask, protein, files.mask)
    return Record(
        protein=protein,
        label=_residues(target, protein) if target else attributes.get("TARGET"),
        tokens={},
        partial=(),
        split=split,
        path=path,
        line=line,
        mask=mask.text if mask else attributes.get("MASK"),
        column=None if target else "TARGET",
    )


def _check_mask(mask: Entry, protein: Protein, path: Readable) -> None:
    try:
        parse_mask(mask.text, len(protein))
    except InputError as problem:
        raise RecordError(str(problem), path, mask.line, mask.id) from None


def _residues(target: Entry, protein: Protein) -> str:
    """Labels of residues: with blanks where each is one, else without those around lines."""
    return target.blanks if len(target.blanks) == len(protein) else target.text


def _by_id(path: Readable | None, warn: Warn) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for raw in read_entries(path, warn) if path else ():
        entry, _ = _attributes(raw)
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


def _attributes(entry: Entry) -> tuple[Entry, dict[str, str]]:
    """Take the attributes out of a header, and out of an id such as ``Seq1|TARGET=Glob``."""
    header = f"{entry.id} {entry.header}"
    keys = list(_KEY.finditer(header))
    ends = [*(key.start() for key in keys), len(header)][1:]
    recognised = [(key, end) for key, end in zip(keys, ends, strict=True) if key[1].upper() in KEYS]
    attributes = {key[1].upper(): header[key.end() : end].strip(" \t|") for key, end in recognised}
    if recognised and 0 < recognised[0][0].start() < len(entry.id):
        entry = replace(entry, id=header[: recognised[0][0].start()])
    return entry, attributes
