"""What proteins may be given as, from a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from ..jobs.predicting.prediction_inputs import InputSpec
    from ..proteins import Protein

Sequences = str | Path | Mapping[str, str] | Iterable["str | Path | Protein"]
"""The path of a file, the name of a task of the store or a sequence, as text; sequences by id; or a
list of sequences (text), files (`Path`) and `Protein`."""


def prediction_inputs(sequences: Sequences) -> InputSpec:
    """Sort inputs into names (files, tasks, text) and proteins in memory.

    Raises
    ------
    InputError
        Something is neither, or a sequence holds another letter; says which.
    """
    from ..jobs.predicting.prediction_inputs import InputSpec

    if isinstance(sequences, str | Path):
        return InputSpec([str(sequences)])
    if isinstance(sequences, Mapping):
        return InputSpec((), proteins(sequences))
    listed = list(sequences)
    files = [str(path) for path in listed if isinstance(path, Path)]
    return InputSpec(
        files, proteins(sequence for sequence in listed if not isinstance(sequence, Path))
    )


def proteins(sequences: Mapping[str, str] | Iterable[Any]) -> list[Protein]:
    """Return proteins from sequences by id, or from a list of sequences, named seq1, seq2, ...

    Raises
    ------
    InputError
        One is no text, or holds another letter; says which.
    """
    from ..proteins import Protein

    pairs = sequences.items() if isinstance(sequences, Mapping) else enumerate(sequences, 1)
    parsed = []
    for name, sequence in pairs:
        label = name if isinstance(name, str) else f"seq{name}"
        if isinstance(sequence, Protein):
            parsed.append(sequence)
            continue
        if not isinstance(sequence, str):
            raise InputError(
                f"'{label}' is {type(sequence).__name__}, not a sequence. Give it as text, or as a "
                f"Protein"
            )
        try:
            parsed.append(Protein.parse(label, sequence))
        except InputError as problem:
            raise InputError(f"sequence '{label}': {problem}") from None
    return parsed
