"""Choose what a task trains on: which of the store's encoders, which source's tokens.

Where the user named nothing and the store leaves no choice, that one is taken; where there is a
choice, the error lists it. Nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, NotStoredError
from ..proteins import Protein
from ..provenance import Provenance
from ..store import Embeddings, Store, Tokens
from ..tasks import Task


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a task trains on.

    Parameters
    ----------
    task : Task
    embeddings : Embeddings
        Of all its proteins.
    tokens : Tokens or None
        Of one source; None without structure.
    """

    task: Task
    embeddings: Embeddings
    tokens: Tokens | None


def chosen_encoder(store: Store, plm: str | None) -> Provenance | None:
    """Return which stored encoder is meant.

    Parameters
    ----------
    store : Store
        Whose encoders there are to choose from.
    plm : str, optional
        Short or full name, or the beginning of a fingerprint; the store's only encoder by default.

    Returns
    -------
    Provenance or None
        None if the store has no embeddings by that encoder yet.

    Raises
    ------
    InputError
        Nothing was named, and the store has no encoder or several.
    FingerprintMismatchError
        Several stored encoders fit the name; says in which settings they differ.
    """
    if plm is None:
        known = store.encoders()
        if len(known) != 1:
            names = ", ".join(p.fingerprint.encoder for p in known) or "none"
            raise InputError(f"which encoder? Name one with --plm (stored here: {names})")
        return known[0]
    try:
        return store.embeddings(plm).provenance
    except NotStoredError:
        return None


def chosen_source(store: Store, source: str | None) -> str:
    """Return which source's structure tokens are meant.

    Raises
    ------
    InputError
        The store has no such source; or none was named, and there are none or several.
    """
    sources = store.sources()
    listed = ", ".join(sources) or "none"
    if source is None and len(sources) == 1:
        return sources[0]
    if source is None:
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
    digests = np.unique(np.concatenate([s.digests for s in task.splits.values()]), axis=0)
    return list(store.proteins([row.tobytes() for row in digests]))
