"""Names of imported entries are read by rule."""

from __future__ import annotations

import pytest

from sesstore.exchange.imported_tokens import entry_name


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
