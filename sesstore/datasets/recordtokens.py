"""Structure tokens that came with labelled records."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..residues import StructureTokens
from .records import Record


def tokens_of(
    records: list[Record], source: str | None, task: str
) -> tuple[list[StructureTokens], list[str]]:
    """Return the tokens of each sequence once, and what is odd about them, in sentences.

    Parameters
    ----------
    records : list of Record
    source : str or None
        Where the structures behind the tokens come from.
    task : str
        What the tokens came with.

    Raises
    ------
    InputError
        There are tokens, and no source.
    """
    tokens_by_digest: dict[bytes, StructureTokens] = {}
    differing = 0
    partial = sum(bool(record.partial) for record in records)
    for record in records:
        if not record.tokens:
            continue
        if source is None:
            raise InputError(
                f"{record.path.name} brings structure tokens. Say where the structures come from: "
                f"--source alphafold2, esmfold, ..."
            )
        tool = f"came with {task}"
        tokens = StructureTokens(record.protein.digest, source, record.tokens, tool=tool)
        differing += _differ(tokens_by_digest.setdefault(record.protein.digest, tokens), tokens)
    warnings = []
    if differing:
        warnings.append(
            f"rows that repeat a sequence with other tokens (the first count): {differing:,}"
        )
    if partial:
        warnings.append(f"rows whose tokens have the wrong length and are masked: {partial:,}")
    return list(tokens_by_digest.values()), warnings


def _differ(a: StructureTokens, b: StructureTokens) -> bool:
    return a.codes.keys() != b.codes.keys() or any(
        not np.array_equal(a.codes[name], b.codes[name]) for name in a.codes
    )
