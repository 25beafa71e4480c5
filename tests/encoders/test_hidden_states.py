"""Layers between, by the one forward that all need."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sesstore.proteins import Protein

from ..conformance.encoder import encoded, random_proteins
from .conftest import by_layer, load


def test_layers_of_one_pass_are_those_of_a_pass_each(small_esm2: Any) -> None:
    """Windows, batch mates and odd letters included."""
    spec = replace(small_esm2.spec, window=60)
    proteins = [*random_proteins([1, 140, 33]), Protein("odd", "MKXXUZOBWJX")]
    together = by_layer(load(spec, small_esm2.path, "all"), proteins)
    for layer, values in together.items():
        alone = encoded(load(spec, small_esm2.path, str(layer)), proteins)
        assert alone.keys() == values.keys()
        for digest, rows in values.items():
            np.testing.assert_array_equal(rows, alone[digest])


@pytest.mark.parametrize(("layers", "depth"), [("1", 1), ("0", 0), ("1,2", 2), ("mean:2", 3)])
def test_no_more_layers_run_than_are_needed(small_esm2: Any, layers: str, depth: int) -> None:
    encoder: Any = load(small_esm2.spec, small_esm2.path, layers)
    assert encoder.depth == depth == len(encoder.model._layers)
    whole = load(small_esm2.spec, small_esm2.path)
    assert encoder.flops(100) == whole.flops(100) * depth // 3
