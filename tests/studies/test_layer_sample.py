"""All layers of a sample of proteins."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.errors import InputError
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.studies import layer_sample
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


def test_another_seed_draws_other_rows(own: Store) -> None:
    task = own.task("toy")
    first, again, other = (draw_sample(task, 36, seed=seed) for seed in (1, 1, 2))
    names = [[split.ids for split in drawn.splits.values()] for drawn in (first, again, other)]
    assert names[0] == names[1] != names[2]
    whole = draw_sample(task, 1000)
    assert {n: s.ids for n, s in whole.splits.items()} == {n: s.ids for n, s in task.splits.items()}


@pytest.mark.parametrize(("per_residue", "needed"), [(False, 4 * 4), (True, 2 * 30)])
def test_layers_that_do_not_fit_are_refused(monkeypatch, per_residue: bool, needed: int) -> None:
    """Two bytes a residue and column, or four a protein; half of what is free may be taken."""
    encoder = registry.load("onehot")
    proteins = [Protein(f"p{n}", "ACDEF"[: n + 1] * 3) for n in range(4)]
    assert sum(map(len, proteins)) == 30
    monkeypatch.setattr(layer_sample, "available_memory", lambda: 2 * needed * encoder.dim)
    assert len(embed_sample(encoder, proteins, per_residue=per_residue)) == 1
    monkeypatch.setattr(layer_sample, "available_memory", lambda: 2 * needed * encoder.dim - 2)
    with pytest.raises(InputError, match="--probe-proteins or --layer"):
        embed_sample(encoder, proteins, per_residue=per_residue)


def test_a_protein_that_was_not_encoded_is_named(monkeypatch) -> None:
    encoder = registry.load("onehot")
    proteins = [Protein(f"p{n}", "ACDEF"[: n + 1]) for n in range(4)]
    encode = encoder.encode

    def forgetful(wanted):
        return (item for item in encode(wanted) if item.digest != proteins[2].digest)

    monkeypatch.setattr(encoder, "encode", forgetful)
    with pytest.raises(InputError, match=r"1 of 4 proteins could not be encoded \(p2 among"):
        embed_sample(encoder, proteins, per_residue=False)
