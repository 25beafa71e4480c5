"""What a packed batch holds: tokens, places, residues, and what fills a block up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.attention.rotation import Rotation, frequencies
from sesstore.encoders.tokeniser import Tokeniser

CPU = torch.device("cpu")
IDS = np.arange(128, dtype=np.int32)


@pytest.mark.parametrize(("before", "after"), [((1,), (2,)), ((), (3, 4)), ((5, 6), ())])
@pytest.mark.parametrize("block", [1, 16, 600])
def test_every_row_is_where_it_belongs(before, after, block) -> None:
    sequences = ["MKV", "A", "WYXXG"]
    batch = Tokeniser(IDS, before, after).pack(sequences, CPU, block)
    expected = [token for s in sequences for token in (*before, *s.encode(), *after)]
    assert batch.ids[: len(expected)].tolist() == expected
    assert len(batch.ids) % block == 0
    assert len(batch.ids) - len(expected) < block
    assert set(batch.ids[len(expected) :].tolist()) <= {ord("X")}
    assert batch.lengths[:3] == tuple(len(before) + len(s) + len(after) for s in sequences)
    assert sum(batch.lengths) == len(batch.ids)
    assert max(batch.lengths) <= 256
    assert batch.ids[batch.residues].tolist() == list("".join(sequences).encode())
    ends = [0, *np.cumsum(batch.lengths)]
    assert batch.lengths.ends.tolist() == ends
    places = [i for length in batch.lengths for i in range(length)]
    assert batch.lengths.positions.tolist() == places
    assert {x.dtype for x in (batch.ids, batch.residues, batch.lengths.ends)} == {torch.int32}


def test_angles_looked_up_are_those_of_a_plain_list_of_lengths() -> None:
    lengths = Tokeniser(IDS, (1,), ()).pack(["MKV", "A", "WYXXG"], CPU, 16).lengths
    mine = Rotation(frequencies(8), lengths).rows()
    assert torch.equal(mine, Rotation(frequencies(8), list(lengths)).rows())
