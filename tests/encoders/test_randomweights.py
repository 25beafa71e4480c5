"""Random checkpoints: the same for the same seed, of the shape that is asked for."""

from __future__ import annotations

from pathlib import Path

import torch

from sesstore.encoders.checkpoints import read_checkpoint
from sesstore.encoders.randomweights import write_random_esm2


def test_equal_seeds_give_equal_weights(tmp_path: Path) -> None:
    states = []
    for number, seed in enumerate((0, 0, 1)):
        path = tmp_path / f"{number}.pt"
        spec = write_random_esm2(path, layers=2, dim=24, heads=2, seed=seed)
        states.append(read_checkpoint(path, spec).state)
        assert (spec.name, spec.full_name) == ("esm2_t2", f"esm2_t2_random_d24_s{seed}")
        assert (spec.dim, spec.layers, spec.heads, spec.window) == (24, 2, 2, 1022)
        assert spec.files == (path.name,)
    first, again, other = states
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["embed_tokens.weight"], other["embed_tokens.weight"])
    assert first["layers.1.fc1.weight"].shape == (96, 24)
    queries, keys = (first[f"layers.0.self_attn.{part}_proj.weight"] for part in "qk")
    assert not torch.equal(queries, keys)
