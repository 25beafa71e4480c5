"""Find a store's proteins by the names other tools give them.

Names are looked up as they stand first, in the database. Only where that fails, the names of the
whole store are read into an index by rule (see `name_index`), once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from ..name_index import KnownProteins, NameIndex
from ..proteins import Protein
from .store import Store


class ProteinNames:
    """Names of the proteins a command is about: those given to it first, then the store's.

    Parameters
    ----------
    store : Store
    given : iterable of Protein
        Sequences named with the command.
    """

    def __init__(self, store: Store, extra: Iterable[Protein] = ()) -> None:
        self._store = store
        self.extra = KnownProteins(extra)

    @cached_property
    def _index(self) -> NameIndex:
        return NameIndex(self._store.names())

    def find(
        self, names: Sequence[str], *, fold: bool = True, any_chain: bool = False
    ) -> Protein | None:
        """Protein of some names, the best name first; None if none, or several, fit.

        Parameters as for `NameIndex.find`.
        """
        digests = self._digests(names, fold, any_chain)
        if len(digests) != 1:
            return None
        return self.extra.proteins.get(digests[0]) or self._store.protein(digests[0])

    def _digests(self, names: Sequence[str], fold: bool, any_chain: bool) -> list[bytes]:
        if digests := self.extra.index.find(names, fold=fold, any_chain=any_chain):
            return digests
        for name in names:
            if digests := self._store.find_id(name):
                return digests
        return self._index.find(names, fold=fold, any_chain=any_chain)

    def example(self) -> str:
        """The name of one of them; empty if there is none."""
        names = (protein.id for protein in self.extra.proteins.values())
        return next(names, None) or next((name for name, _ in self._store.names()), "")

    def reason(self, names: Sequence[str]) -> str:
        """Why names find nothing, in words."""
        indices = (self.extra.index, self._index)
        fitting = [index for index in indices if index.find(names)]
        related = [index for index in indices if index.relatives(names)]
        return next(iter((*fitting, *related, self._index))).reason(names, self._name)

    def _name(self, digest: bytes) -> str:
        return (self.extra.proteins.get(digest) or self._store.protein(digest)).id
