"""The encoders without weights, against Biopython's matrix."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.alphabets import AMINO_ACIDS
from sesstore.encoders import registry
from sesstore.errors import InputError
from sesstore.proteins import Protein

from ..conformance.encoder import EncoderConformance, encoded


class TestOnehot(EncoderConformance):
    def load(self, long="windows"):
        return registry.load("onehot", long=long)


class TestBlosum62(EncoderConformance):
    def load(self, long="windows"):
        return registry.load("blosum62", long=long)


def test_onehot_has_one_one_a_row():
    protein = Protein("p", "ACXJ")
    values = encoded(registry.load("onehot"), [protein])[protein.digest]
    assert values.argmax(1).tolist() == AMINO_ACIDS.encode("ACXJ").tolist()
    assert values.sum() == 4


def test_blosum62_is_the_published_matrix():
    from Bio.Align import substitution_matrices

    matrix = substitution_matrices.load("BLOSUM62")
    protein = Protein("p", "ARNDCQEGHILKMFPSTWYVBZX")
    values = encoded(registry.load("blosum62"), [protein])[protein.digest]
    for row, letter in zip(values, protein.sequence, strict=True):
        # Columns have one order for ever: stores hold them.
        assert row.tolist() == [matrix[letter, other] for other in "ACDEFGHIKLMNPQRSTVWYBZX*"]


def test_letters_the_matrix_lacks_take_the_row_of_x():
    protein = Protein("p", "XUOJ")
    values = encoded(registry.load("blosum62"), [protein])[protein.digest]
    np.testing.assert_array_equal(values, np.repeat(values[:1], 4, 0))


def test_a_table_is_identified_by_its_numbers_and_refuses_what_there_is_not():
    one, other = (registry.load(name).fingerprint for name in ("onehot", "blosum62"))
    assert (one.encoder, one.layer, one.long_policy, one.precision) == (
        "onehot",
        0,
        "whole",
        "fp32",
    )
    assert (other.encoder, other.residue_mapping) == ("BLOSUM62", "UOJ->X")
    assert one.weights_sha256 != other.weights_sha256
    for options in ({"long": "half"}, {"layers": "2"}):
        with pytest.raises(InputError):
            registry.load("onehot", **options)
