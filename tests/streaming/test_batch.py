from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sesstore.streaming.batch import Batch


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 60), st.booleans())
def test_parts_are_the_batch_in_pieces(lengths, budget, per_residue) -> None:
    total = sum(lengths)
    labels = torch.arange(total if per_residue else len(lengths))
    batch = Batch(
        torch.arange(total)[:, None].float(),
        {"dssp": torch.arange(total)},
        tuple(lengths),
        labels,
        torch.arange(len(lengths)),
        labels + 1,
        torch.arange(2 * len(lengths)).reshape(-1, 2),
    )
    parts = batch.parts(budget, per_residue)
    for name in ("values", "labels", "index", "host_labels", "offset"):
        pieces = [getattr(part, name) for part in parts]
        assert torch.equal(torch.cat(pieces), getattr(batch, name))
    assert torch.equal(torch.cat([p.tokens["dssp"] for p in parts]), batch.tokens["dssp"])
    assert sum((p.lengths for p in parts), ()) == batch.lengths
    for part in parts:
        assert len(part.values) == sum(part.lengths)
        assert sum(part.lengths[:-1]) < budget
        assert len(part.labels) == (len(part.values) if per_residue else len(part.lengths))


def test_places_and_positions() -> None:
    batch = Batch(torch.zeros(6, 1), {}, (2, 1, 3), None, torch.arange(3))
    assert batch.cu_seqlens.tolist() == [0, 2, 3, 6]
    assert batch.cu_seqlens.dtype == torch.int32
    assert np.array_equal(batch.to(torch.device("cpu")).values, batch.values)
