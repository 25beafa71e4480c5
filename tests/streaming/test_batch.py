from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sesstore.streaming.batch import Batch
from sesstore.streaming.batch_lengths import lengths_on


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


def test_lengths_on_a_device_say_where_each_residue_is() -> None:
    lengths = lengths_on((2, 1, 3), torch.device("cpu"))
    assert lengths == (2, 1, 3)
    assert lengths.ends.tolist() == [0, 2, 3, 6]
    assert lengths.positions.tolist() == [0, 1, 0, 0, 1, 2]
    assert lengths.owners.tolist() == [0, 0, 1, 2, 2, 2]
    for part in (lengths.ends, lengths.positions, lengths.owners):
        assert part.dtype == torch.int32


def test_on_a_device_a_batch_is_what_it_was() -> None:
    """Each field by itself, and none of them missing among those that lie there."""
    batch = Batch(
        torch.zeros(3, 2), {"dssp": torch.arange(3), "foldseek": torch.arange(3) + 9}, (2, 1),
        torch.tensor([7, 8]), torch.tensor([4, 5]), None, torch.ones(2, 3),
    )  # fmt: skip
    there = batch.to(torch.device("cpu"))
    assert there.lengths == (2, 1)
    assert {name: codes.tolist() for name, codes in there.tokens.items()} == {
        "dssp": [0, 1, 2], "foldseek": [9, 10, 11],
    }  # fmt: skip
    assert torch.equal(there.offset, batch.offset)
    assert there.host_labels is batch.labels
    other = torch.tensor([1, 2])
    assert (
        Batch(**{**vars(batch), "host_labels": other}).to(torch.device("cpu")).host_labels is other
    )
    held = [id(tensor) for tensor in batch.tensors()]
    assert held == [
        id(t) for t in (batch.values, *batch.tokens.values(), batch.labels, batch.offset)
    ]
    bare = Batch(**{**vars(batch), "labels": None, "offset": None})
    assert len(bare.tensors()) == 3
    meta = batch.to(torch.device("meta"))
    assert {t.device.type for t in (meta.cu_seqlens, *meta.tensors())} == {"meta"}
    assert {t.device.type for t in (meta.index, meta.host_labels)} == {"cpu"}
