"""Residues of a chain and of its protein, each by the other's places."""

from __future__ import annotations

import numpy as np

from sesstore.exchange.imported_tokens import observed_chain
from sesstore.proteins import Protein
from sesstore.structures.matching import PlacedChain


def test_places_and_values_of_residues() -> None:
    """The chain has a residue that the protein lacks, and lacks two of the protein's."""
    chain = observed_chain("KVGA")
    placed = PlacedChain(chain, Protein("p", "MKVLA"), np.array([-1, 0, 1, -1, 3]))
    assert placed.unresolved == 2
    assert placed.places.tolist() == [1, 2, -1, 4]
    values = placed.values(np.array([10.0, 11, 12, 13, 14], np.float32))
    np.testing.assert_array_equal(values, [11, 12, np.nan, 14])
    assert values.dtype == np.float64
