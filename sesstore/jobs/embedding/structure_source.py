"""Structure tokens of a store for encoders that read them beside the sequence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...encoders import registry
from ...encoders.catalogue import StructureSource
from ...errors import InputError, UnknownNameError
from ...store import Store


def structure_source(
    store: Store, plm: str, name: str | None, min_plddt: int = 0
) -> StructureSource | None:
    """Return the tokens an encoder is to read; None for one that reads none.

    Parameters
    ----------
    store : Store
    plm : str
        The encoder; one of an import reads none.
    name : str, optional
        Source; the store's only one by default.
    min_plddt : int
        Tokens of residues below are masked.

    Raises
    ------
    InputError
        The encoder reads none and a source is named; or the store has no such source, or several
        and none is named.
    """
    try:
        reads_structure = registry.spec(plm).reading.structure
    except UnknownNameError:
        reads_structure = False
    if not reads_structure:
        if name is not None or min_plddt:
            raise InputError(
                f"{plm} reads the sequence alone. Leave --source and --min-plddt out, or take "
                f"an encoder that reads structure, such as saprot_650m"
            )
        return None
    sources = store.sources()
    if name is None and len(sources) == 1:
        (name,) = sources
    if name not in sources:
        problem = "name its source with --source" if name is None else f"there are none of '{name}'"
        raise InputError(
            f"{plm} reads 3Di tokens beside the sequence: {problem} (stored here: "
            f"{', '.join(sources) or 'none'}). `sesstore tokens DIR --source NAME` makes some"
        )
    return StructureSource(name, store.tokens(name).get_all, min_plddt)


def coverage_note(store: Store, source: str, digests: NDArray[np.uint8]) -> str:
    """Say how many of the proteins to encode have tokens from a source."""
    count = int(np.count_nonzero(store.tokens(source).has(digests)))
    lacking = len(digests) - count
    if not lacking:
        return f"all of them have tokens from {source}"
    return (
        f"{count:,} of them have tokens from {source}; the other {lacking:,} cannot be encoded "
        f"before `sesstore tokens DIR --source {source}` makes theirs"
    )
