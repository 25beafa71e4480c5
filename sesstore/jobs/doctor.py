"""Examine a task of a store, or files before they are added, and write a cleaned copy.

Files are read as `add` reads them. Of a store's task, the tokens of every source count, and names
under which the store knows other sequences, from whatever was added before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..alphabets import ALPHABETS
from ..datasets.cleaning import write_clean
from ..datasets.diagnosis import DataSet, Diagnosis, data_set, examine
from ..datasets.findings import Finding, first, rows_of
from ..datasets.load import LoadedTask, load_own, load_task
from ..datasets.recipes import is_published, recipe
from ..datasets.user_data import UserData
from ..errors import InputError, UnknownNameError
from ..progress import SILENT, Progress
from ..residues import StructureTokens
from ..store import Store
from ..tasks import Task
from .inputs import task_proteins


@dataclass(frozen=True, eq=False)
class Patient:
    """What is examined: data sets, and the tokens that came with the files of each.

    Parameters
    ----------
    data : list of DataSet
    tokens : list of mapping of bytes to StructureTokens
        By digest; empty for a store's task, whose tokens stay in the store.
    findings : list of Finding
        What only the store can tell.
    notes : list of str
        What was found out while reading: columns, kind of labels, splits.
    """

    data: list[DataSet]
    tokens: list[Mapping[bytes, StructureTokens]]
    findings: list[Finding]
    notes: list[str]


def from_store(store: Store, name: str) -> Patient:
    """Return a task of a store as something to examine.

    Raises
    ------
    UnknownNameError
        The store has none of that name.
    """
    if name not in store.tasks():
        raise UnknownNameError(
            "task of this store",
            name,
            store.tasks(),
            "Add it with `sesstore add`, or examine files with --data.",
        )
    task = store.task(name)
    sequences = {protein.digest: protein.sequence for protein in task_proteins(store, task)}
    tokens = {source: dict(_coverage(store, source, sequences)) for source in store.sources()}
    data = DataSet(
        name, task, sequences, {s: coverage for s, coverage in tokens.items() if coverage}
    )
    return Patient([data], [{}], _known_otherwise(store, task), list(task.notes))


def from_files(
    name_or_path: str,
    paths: Sequence[Path],
    *,
    user_data: UserData | None = None,
    allow_partial: bool = False,
) -> Patient:
    """Read files as something to examine.

    Parameters
    ----------
    name_or_path : str
        A published task, whose files `paths` are; or the path of the user's own data.
    paths : sequence of Path
        Files or folders; several are one task from several sources, named by folder.
    user_data : UserData, optional
        What the user says about their own data.
    allow_partial : bool
        As for `add`.

    Raises
    ------
    InputError
        Files are wrong; or two sources have one name.
    """
    user_data = user_data or UserData()
    names = _names(paths) if paths else [Path(name_or_path).name]
    loaded = [
        _load(name_or_path, path, source, user_data, allow_partial)
        for path, source in zip(paths or [Path(name_or_path)], names, strict=True)
    ]
    return Patient(
        [data_set(name, source_task) for name, source_task in zip(names, loaded, strict=True)],
        [{tokens.digest: tokens for tokens in source_task.tokens} for source_task in loaded],
        [],
        list(dict.fromkeys(note for source_task in loaded for note in _notes_of(source_task))),
    )


def diagnose(patient: Patient, *, progress: Progress = SILENT) -> Diagnosis:
    """Examine what was read."""
    rows = sum(len(split) for split in patient.data[0].task.splits.values())
    with progress.stage("examining", rows, "rows") as bar:
        diagnosis = examine(patient.data)
        bar.advance(rows)
    findings = sorted(
        [*patient.findings, *diagnosis.findings], key=lambda finding: not finding.biases
    )
    return replace(diagnosis, findings=findings)


def fix(patient: Patient, folder: Path) -> dict[str, object]:
    """Write a cleaned copy and return what was done; raises as `write_clean`."""
    return write_clean(folder, patient.data, patient.tokens)


def _load(
    name_or_path: str, path: Path, source: str, user_data: UserData, allow_partial: bool
) -> LoadedTask:
    if is_published(name_or_path):
        return load_task(
            recipe(name_or_path),
            path,
            source,
            allow_partial=allow_partial,
            seed=user_data.seed,
            drop_unlabelled=user_data.drop_unlabelled,
            split_by=user_data.split_by,
        )
    return load_own(path, user_data, source, allow_partial=allow_partial)


def _notes_of(loaded: LoadedTask) -> list[str]:
    """What `add` says of files, beside the findings."""
    return [*loaded.notes, *(f"warning: {text}" for text in loaded.warnings)]


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names that tell the paths apart."""
    names = [path.resolve().name for path in paths]
    if len(set(names)) < len(names):
        names = [f"{path.resolve().parent.name}_{path.resolve().name}" for path in paths]
    if len(set(names)) < len(names):
        raise InputError("two --data are the same, or have one name. Rename a folder")
    return names


def _coverage(
    store: Store, source: str, digests: Mapping[bytes, str]
) -> Iterator[tuple[bytes, float]]:
    """Share of unmasked residues of each protein that has tokens."""
    for tokens in store.tokens(source).get_all(digests):
        if tokens is None or not tokens.codes:
            continue
        unmasked = [codes != ALPHABETS[name].mask for name, codes in tokens.codes.items()]
        yield tokens.digest, float(np.mean(unmasked))


def _known_otherwise(store: Store, task: Task) -> list[Finding]:
    digests: dict[str, set[bytes]] = {}
    for row in rows_of(task):
        digests.setdefault(row.id, set()).add(row.digest)
    odd = [
        name for name, task_digests in digests.items() if set(store.find_id(name)) - task_digests
    ]
    if not odd:
        return []
    return [
        Finding(
            "name_known_with_another_sequence",
            "names the store knows with another sequence, too",
            len(odd),
            first(odd),
            "the names of another source or task; structures found by name meet either protein",
            "compare the sources: sesstore doctor TASK --data ONE --data OTHER",
        )
    ]
