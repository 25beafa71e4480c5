"""What proteins may be given as, from a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from ..jobs.asked import Given
    from ..proteins import Protein

Sequences = str | Path | Mapping[str, str] | Iterable["str | Path | Protein"]
"""The path of a file, the name of a task of the store or a sequence, as text; sequences by id; or a
list of sequences (text), files (`Path`) and `Protein`."""


def given(what: Sequences) -> Given:
    """Sort out what was given: files and tasks by name, and proteins at hand.

    Raises
    ------
    InputError
        Something is neither, or a sequence holds another letter; says which.
    """
    from ..jobs.asked import Given

    if isinstance(what, str | Path):
        return Given([str(what)])
    if isinstance(what, Mapping):
        return Given((), proteins(what))
    listed = list(what)
    files = [str(one) for one in listed if isinstance(one, Path)]
    return Given(files, proteins(one for one in listed if not isinstance(one, Path)))


def proteins(given: Mapping[str, str] | Iterable[Any]) -> list[Protein]:
    """Return proteins from sequences by id, or from a list of sequences, named seq1, seq2, ...

    Raises
    ------
    InputError
        One is no text, or holds another letter; says which.
    """
    from ..proteins import Protein

    pairs = given.items() if isinstance(given, Mapping) else enumerate(given, 1)
    made = []
    for name, one in pairs:
        label = name if isinstance(name, str) else f"seq{name}"
        if isinstance(one, Protein):
            made.append(one)
            continue
        if not isinstance(one, str):
            raise InputError(f"'{label}' is {type(one).__name__}, not a sequence as text")
        try:
            made.append(Protein.parse(label, one))
        except InputError as problem:
            raise InputError(f"sequence '{label}': {problem}") from None
    return made
