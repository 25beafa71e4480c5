"""Choose what a task trains on: which of the store's encoders, which source's tokens.

Where the user named nothing and the store leaves no choice, that one is taken; where there is a
choice, the error lists it. Nothing is guessed. Importable without torch, so that a wrong name is
known at once.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..alphabets import AMINO_ACIDS, alphabet
from ..encoders import registry
from ..errors import InputError, MissingFileError, NotStoredError, UnknownNameError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import Provenance, resuming
from ..store import Embeddings, Store
from ..store.atomic_files import check_writable
from ..tasks import Task
from ..training.foldruns import FoldsRecord
from ..training.runs import RECORD, STATE
from .accessions import AFDB, UNIPROT, accessions_of

if TYPE_CHECKING:
    from ..streaming.composition import Compositions
    from ..streaming.splittokens import TokenRows

ALPHABETS = ("foldseek", "dssp")
"""Tokens an adapter reads where nobody says, and the store has them."""


_SHORTEST = 3
"""Letters of a sequence as text; shorter ones are names."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a task trains on.

    Parameters
    ----------
    task : Task
    embeddings : Embeddings
        Of all its proteins.
    tokens : TokenRows or None
        Of one source; None without structure.
    alphabets : tuple of str
        Of the tokens, those that were chosen.
    compositions : Compositions or None
        Of the task's proteins, for the linear term of adapters.
    """

    task: Task
    embeddings: Embeddings
    tokens: TokenRows | None
    alphabets: tuple[str, ...] = ()
    compositions: Compositions | None = None


@dataclass(frozen=True)
class StructureChoice:
    """Which structure tokens a training reads.

    Parameters
    ----------
    source : str or None
        None without structure.
    alphabets : tuple of str
    """

    source: str | None
    alphabets: tuple[str, ...]


def check_training(
    store: Store,
    task_name: str,
    *,
    plm: str | None = None,
    weights: Path | None = None,
    precision: str | None = None,
    alphabets: Sequence[str] | None = None,
    source: str | None = None,
    out: Path | None = None,
    resume: bool = False,
) -> None:
    """Raise for any name a training cannot use, before anything heavy is imported or read.

    Parameters
    ----------
    store, task_name, plm, weights, precision, alphabets, source
        As in `train.prepare`.
    out, resume
        As in `train.train`.

    Raises
    ------
    UnknownNameError
        There is no such task, encoder or alphabet.
    InputError
        There is a choice of encoders or sources and none was named; a training is to go on and
        no folder was named; or see `check_folder`.
    """
    if out is not None:
        check_folder(out, resume=resume)
    elif resume:
        raise InputError("which training shall go on? Name its folder with --out")
    task = store.task(task_name)
    if names_settings(plm, weights, precision):
        registry.spec(str(plm))
    else:
        chosen_encoder(store, plm)
    chosen_structure(store, task, alphabets, source)


def check_inputs(names: Iterable[str], tasks: Sequence[str], *, sequences: bool = False) -> None:
    """Raise for a name that is no task, file or folder, before anything heavy is imported or read.

    Parameters
    ----------
    names : iterable of str
        What a command is to work on.
    tasks : sequence of str
        Of the store.
    sequences : bool
        Sequences as text count as well.

    Raises
    ------
    MissingFileError, UnknownNameError
        See `unknown_input`.
    """
    for name in names:
        if name == "-" or name in tasks or os.path.exists(name):
            continue
        if name.startswith((UNIPROT, AFDB)):
            accessions_of(name)
        elif not (sequences and is_sequence(name, tasks)):
            raise unknown_input(name, tasks)


def unknown_input(name: str, tasks: Sequence[str]) -> InputError:
    """Return the error to raise for what is neither a task nor a file."""
    if "/" in name or Path(name).suffix:
        return MissingFileError(f"there is no file '{name}'")
    return UnknownNameError(
        "task of this store", name, tasks, "Add it with `sesstore add`, or name a file."
    )


def is_sequence(name: str, tasks: Sequence[str]) -> bool:
    """Whether a name is a sequence as text: amino acids in capitals, and not nearly a task's name.

    Parameters
    ----------
    name : str
        Neither a task nor a file.
    tasks : sequence of str
        Of the store.
    """
    letters = name.removesuffix("*")
    if len(letters) < _SHORTEST or not set(letters) <= set(AMINO_ACIDS.letters):
        return False
    return not difflib.get_close_matches(letters.lower(), [task.lower() for task in tasks])


def check_study(
    store: Store, task_name: str, *, plm: str | None = None, sources: Sequence[str] = ()
) -> None:
    """Raise for any name a study cannot use, before anything heavy is imported or read.

    Raises
    ------
    UnknownNameError, InputError
        There is no such task, encoder or source.
    """
    store.task(task_name)
    if plm is not None:
        chosen_encoder(store, plm)
    for source in sources:
        chosen_source(store, source)


def check_folder(folder: Path, *, resume: bool) -> None:
    """Raise unless a training may begin in a folder, or go on there.

    Raises
    ------
    InputError
        It holds a run, or an interrupted training and `resume` was not said.
    UnwritableError
        Nothing can be written there.
    """
    folds = FoldsRecord.load(folder)
    if (folder / STATE).exists() or (folds is not None and not folds.is_finished):
        if not resume:
            raise InputError(
                f"'{folder}' holds an interrupted training. {resuming(folder)}; or name another "
                f"folder with --out"
            )
    elif (folder / RECORD).exists() or any(folder.glob(f"seed-*/{RECORD}")):
        raise InputError(f"'{folder}' holds a run already. Name another folder with --out")
    check_writable(folder)


def chosen_structure(
    store: Store,
    task: Task,
    alphabets: Sequence[str] | None = None,
    source: str | None = None,
    progress: Progress = SILENT,
) -> StructureChoice:
    """Choose the structure tokens a training reads.

    Parameters
    ----------
    store : Store
    task : Task
        Whose proteins' tokens count; it may remember a source.
    alphabets : sequence of str, optional
        Tokens wanted; without, those of `ALPHABETS` that the store has, and none if it has none.
    source : str, optional
        Of the structures.
    progress : Progress
        Told what was chosen where nobody said.

    Raises
    ------
    UnknownNameError
        There is no such alphabet.
    InputError
        The store has no such source; or there are several to choose from, or none though
        alphabets were named.
    """
    for name in alphabets or ():
        alphabet(name)
    if alphabets is not None:
        structure_source = chosen_source(store, source, task) if alphabets else None
        return StructureChoice(structure_source, tuple(alphabets))
    if source is None and not covering_sources(store, task):
        option = f" --source {task.source}" if task.source else " --source NAME"
        progress.note(
            f"no protein of '{task.name}' has structure tokens: training without structure "
            f"(`sesstore tokens DIR{option}` makes some)"
        )
        return StructureChoice(None, ())
    structure_source = chosen_source(store, source, task)
    counts = store.tokens(structure_source).counts()
    available = tuple(name for name in ALPHABETS if counts.get(name))
    if available != ALPHABETS:
        lacking = ", ".join(name for name in ALPHABETS if name not in available)
        progress.note(f"'{structure_source}' has no {lacking} tokens: training without these")
    return StructureChoice(structure_source if available else None, available)


def covering_sources(store: Store, task: Task) -> list[str]:
    """Return the sources that have tokens of any of a task's proteins."""
    digests = np.concatenate([split.digests for split in task.splits.values()])
    return [name for name in store.sources() if store.tokens(name).has(digests).any()]


def names_settings(plm: str | None, weights: Path | None, precision: str | None) -> bool:
    """Whether weights or a precision tell which encoder is meant, whatever is stored by its name.

    Raises
    ------
    InputError
        A precision without an encoder's name.
    """
    if precision is not None and plm is None:
        raise InputError(
            f"precision {precision} of which encoder? Name it with --plm; without --precision, "
            f"what is missing is embedded in the precision of what is stored"
        )
    return plm is not None and (weights is not None or precision is not None)


def chosen_encoder(store: Store, plm: str | None) -> Provenance | None:
    """Return which stored encoder is meant.

    Parameters
    ----------
    store : Store
        Whose encoders there are to choose from.
    plm : str, optional
        Short or full name, or the beginning of a fingerprint, with a layer (``"esm2_t12@6"``) or
        without: then the deepest stored. The store's only encoder by default.

    Returns
    -------
    Provenance or None
        None if the store has no embeddings by that encoder yet.

    Raises
    ------
    InputError
        Nothing was named, and the store has no encoder or several.
    UnknownNameError
        There is no such encoder, neither ours nor stored.
    FingerprintMismatchError
        Several stored encoders fit the name; says in which settings they differ.
    """
    if plm is None:
        stored = store.residue_encoders()
        if len({replace(p.fingerprint, layer=0) for p in stored}) != 1:
            names = ", ".join(dict.fromkeys(p.fingerprint.encoder for p in stored)) or "none"
            raise InputError(f"which encoder? Name one with --plm (stored here: {names})")
        return store.embeddings().provenance
    encoders = {p.fingerprint.encoder for p in store.encoders()}
    if plm.startswith("@") and len(encoders) == 1:
        plm = f"{encoders.pop()}{plm}"
    try:
        registry.spec(plm)
        name = registry.stored_name(plm)
    except UnknownNameError as unknown:
        with suppress(NotStoredError):  # an imported encoder, or a fingerprint
            return store.embeddings(plm).provenance
        raise unknown from None
    try:
        return store.embeddings(name).provenance
    except NotStoredError:
        return None


def chosen_source(store: Store, source: str | None, task: Task | None = None) -> str:
    """Return which source's structure tokens are meant.

    Parameters
    ----------
    store : Store
    source : str, optional
        As named; else the one the task remembers, or the only one there is.
    task : Task, optional
        Without a name, sources with tokens of its proteins are chosen from.

    Raises
    ------
    InputError
        The store has no such source; or none was named, and there are none or several.
    """
    sources = store.sources()
    listed = ", ".join(sources) or "none"
    if source is None:
        able = sources if task is None else covering_sources(store, task)
        if task is not None and task.source in able:
            return str(task.source)
        if len(able) == 1:
            return able[0]
        raise InputError(
            f"which structures? Name their --source (stored here: {listed}), tokenise some with "
            f"`sesstore tokens`, or train without: --structure none"
        )
    if source not in sources:
        raise InputError(
            f"the store has no tokens of source '{source}', only: {listed}. Tokenise structures "
            f"with `sesstore tokens DIR --source {source}`"
        )
    return source


def task_proteins(store: Store, task: Task) -> list[Protein]:
    """Return the proteins of all splits of a task, each once."""
    return list(store.proteins(task_digests(task)))


def task_digests(task: Task) -> list[bytes]:
    """Return the digests of all splits of a task, each once."""
    digests = np.unique(np.concatenate([s.digests for s in task.splits.values()]), axis=0)
    return [row.tobytes() for row in digests]
