"""Find the protein behind a name, among many whose names are known.

Names are compared by the rules of `identifiers`, the surest first; what fits several proteins at
one step is refused, never guessed. The index holds numbers only, about 60 bytes a name and rule, so
that a store of millions of proteins can be looked up by rule.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from .identifiers import Identifier, folded, identify
from .proteins import DIGEST_BYTES, Protein

_NO_NAME = "no known protein has this name"
_QUOTE_LIMIT = 3
"""Names quoted in a reason."""


class ProteinLookup(Protocol):
    """Finds proteins by names."""

    def find(self, names: Sequence[str], *, fold: bool = True) -> Protein | None:
        """Protein of some names, the best name first; None if none or several fit."""


class NameIndex:
    """Names of proteins, by every rule.

    Parameters
    ----------
    names : iterable of (str, bytes)
        Name and digest; a name may stand for several digests, and a digest have several names.
    """

    def __init__(self, names: Iterable[tuple[str, bytes]]) -> None:
        keys, rows, qualifiers = array("q"), array("q"), array("q")
        digests = bytearray()
        for row, (name, digest) in enumerate(names):
            for key, qualifier in _keys(identify(name)):
                keys.append(hash(key))
                qualifiers.append(hash(qualifier) if qualifier else 0)
                rows.append(row)
            digests += digest
        order = np.argsort(np.frombuffer(keys, np.int64), kind="stable")
        self._hashes = np.frombuffer(keys, np.int64)[order]
        self._rows = np.frombuffer(rows, np.int64)[order]
        self._qualifiers = np.frombuffer(qualifiers, np.int64)[order]
        self._digests = np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES)

    def find(
        self, names: Sequence[str], *, fold: bool = True, any_chain: bool = False
    ) -> list[bytes]:
        """Digests that fit at the first step at which any does: one if the names are clear.

        Parameters
        ----------
        names : sequence of str
            The best first.
        fold : bool
            Ignore case, replaced signs and aliases where nothing else fits.
        any_chain : bool
            Let an entry of the PDB without a chain be its only chain that is known.
        """
        parts = [identify(name) for name in names if name.strip()]
        for step in _steps(parts, fold, any_chain):
            if digests := self._fitting(step):
                return digests
        return []

    def relatives(self, names: Iterable[str]) -> list[bytes]:
        """Digests of what is not the same but related: isoforms, versions, chains."""
        parts = [identify(name) for name in names if name.strip()]
        return self._fitting([(f"kin {part.kin}", "") for part in parts if part.kin])

    def reason(
        self, names: Sequence[str], name_of: Callable[[bytes], str], *, any_chain: bool = False
    ) -> str:
        """Why names find nothing, in words.

        Parameters
        ----------
        names : sequence of str
            As for `find`.
        name_of : callable
            Name of the protein of a digest.
        """
        if len(digests := self.find(names, any_chain=any_chain)) > 1:
            return f"fits several known proteins: {_quoted(digests, name_of)}"
        if digests := self.relatives(names):
            relatives = _quoted(digests, name_of)
            return f"{_NO_NAME}, but another isoform, version or chain: {relatives}"
        return _NO_NAME

    def _fitting(self, step: Iterable[tuple[str, str]]) -> list[bytes]:
        for key, qualifier in step:
            first = np.searchsorted(self._hashes, hash(key), "left")
            last = np.searchsorted(self._hashes, hash(key), "right")
            rows, qualifiers = self._rows[first:last], self._qualifiers[first:last]
            if qualifier:
                qualifier_hash = hash(qualifier)
                exact = rows[qualifiers == qualifier_hash]
                rows = exact if len(exact) else rows[qualifiers == 0]
            if len(rows):
                return list(dict.fromkeys(self._digests[row].tobytes() for row in rows))
        return []


def _keys(part: Identifier) -> Iterator[tuple[str, str]]:
    """Keys under which a known name is found, and their qualifiers."""
    yield f"text {part.text}", ""
    yield f"identity {part.identity}", part.qualifier
    yield f"folded {folded(part.identity)}", part.qualifier
    for alias in part.aliases:
        yield f"alias {folded(alias)}", ""
    for word in part.text.split(None, 1)[:1]:  # with all its signs replaced
        yield f"alias {folded(word)}", part.qualifier
    if part.kin:
        yield f"kin {part.kin}", ""


def _steps(
    parts: Sequence[Identifier], fold: bool, any_chain: bool
) -> Iterator[list[tuple[str, str]]]:
    """Keys to look a name up by, step by step."""
    yield [(f"text {part.text}", "") for part in parts]
    yield [(f"identity {part.identity}", part.qualifier) for part in parts]
    if fold:
        yield [(f"folded {folded(part.identity)}", part.qualifier) for part in parts]
        yield [(f"alias {folded(part.identity)}", part.qualifier) for part in parts]
        yield [(f"folded {folded(alias)}", "") for part in parts for alias in part.aliases]
    if any_chain:
        # The best name says whether the chain is open: others may be but the file's.
        yield [(f"kin {part.kin}", "") for part in parts[:1] if part.chainless]


def _quoted(digests: Sequence[bytes], name_of: Callable[[bytes], str]) -> str:
    excess = len(digests) - _QUOTE_LIMIT
    return ", ".join(map(name_of, digests[:_QUOTE_LIMIT])) + (
        f" and {excess:,} more" if excess > 0 else ""
    )


class KnownProteins:
    """Proteins in memory, found by their names or other keys.

    Parameters
    ----------
    proteins : iterable of Protein
    """

    def __init__(self, proteins: Iterable[Protein]) -> None:
        self.proteins: dict[bytes, Protein] = {}
        self.index = NameIndex(self._register(proteins))

    def _register(self, proteins: Iterable[Protein]) -> Iterator[tuple[str, bytes]]:
        for protein in proteins:
            self.proteins.setdefault(protein.digest, protein)
            yield protein.id, protein.digest

    def find(
        self, names: Sequence[str], *, fold: bool = True, any_chain: bool = False
    ) -> Protein | None:
        """Protein of some names, the best name first; None if none or several fit."""
        digests = self.index.find(names, fold=fold, any_chain=any_chain)
        return self.proteins[digests[0]] if len(digests) == 1 else None
