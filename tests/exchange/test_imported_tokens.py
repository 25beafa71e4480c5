"""Names of imported entries are read by rule."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.exchange.imported_tokens import entry_name, observed_chain


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("AF-P12345-F1-model_v4.cif.gz", ("P12345", "AF-P12345-F1-model_v4.cif.gz")),
        ("AF-P12345-F2-model_v4", ("AF-P12345-F2-model_v4",)),
        ("1aki.pdb", ("1aki", "1aki.pdb")),
        ("1aki_A", ("1aki_A",)),
        ("sp|P12345|NAME description", ("sp|P12345|NAME",)),
        ("P12345/12-60", ("P12345/12-60",)),
        ("x.pdb_MODEL_2_B", ("x_B", "x", "x.pdb_MODEL_2_B")),
        ("1a0n_MODEL_2_B", ("1a0n_B", "1a0n", "1a0n_MODEL_2_B")),
        ("1a0n_MODEL_2", ("1a0n", "1a0n_MODEL_2")),
        ("x_unrelaxed_model_1_B", ("x_unrelaxed_model_1_B",)),
    ],
)
def test_names_are_read_by_rule(name: str, labels: tuple[str, ...]) -> None:
    assert entry_name(name).labels == labels


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("x.pdb_MODEL_2_B", "2"),
        ("1a0n_MODEL_10", "10"),
        ("1l2y.CIF.GZ_MODEL_3_A words", "3"),
        ("1aki.pdb_A", ""),
        ("1aki_A", ""),
        ("", ""),
    ],
)
def test_the_number_of_a_model_is_part_of_a_name(name: str, model: str) -> None:
    assert entry_name(name).model == model


def test_a_chain_without_coordinates_has_its_numbers() -> None:
    chain = observed_chain("MKV")
    assert (chain.id, chain.residues, chain.numbers.tolist()) == ("", "MKV", [1, 2, 3])
    assert (chain.insertions.tolist(), chain.sequence) == ([""] * 3, None)
    assert (chain.backbone.shape, chain.bfactors.shape) == ((0, 3, 5, 3), (3,))
    named = observed_chain("MK", np.array([7, 7]), np.array(["", "A"]), "B")
    assert (named.id, named.numbers.tolist()) == ("B", [7, 7])
    assert named.insertions.tolist() == ["", "A"]
