"""All layers of a sample of proteins."""

from __future__ import annotations

import numpy as np

from sesstore.encoders import registry
from sesstore.store import Store
from sesstore.studies.layer_sample import draw_sample, embed_sample


def test_rows_of_a_sample(own: Store) -> None:
    task = own.task("toy")
    drawn = draw_sample(task, 36)
    assert {name: len(split) for name, split in drawn.splits.items()} == {
        "train": 16, "valid": 10, "test": 12
    }  # fmt: skip
    known = dict(zip(task.splits["train"].ids, task.splits["train"].labels, strict=True))
    train = drawn.splits["train"]
    assert [known[name] for name in train.ids] == train.labels


def test_a_sample_keeps_means_or_rows(own: Store) -> None:
    encoder = registry.load("esm2_t6", device="cpu", layers="1,2")
    proteins = list(own.proteins())[:4]
    rows = embed_sample(encoder, proteins, per_residue=True)
    means = embed_sample(encoder, proteins, per_residue=False)
    for layer in range(2):
        assert rows[layer].lengths.tolist() == [len(rows[layer]._values[i]) for i in range(4)]
        for row, mean in zip(rows[layer]._values, means[layer]._values, strict=True):
            np.testing.assert_allclose(mean[0], row.astype(np.float32).mean(0), atol=2e-3)
