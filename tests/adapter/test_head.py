"""The last layers: what is added to a linear model, what stands alone, and where it begins."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.adapter.model import Adapter
from sesstore.adapter.pooling import Attention1d, LightAttention, Mean

from .conftest import LENGTHS


@pytest.mark.parametrize("pooling", ["mean", "residue"])
@pytest.mark.parametrize("head", ["linear", "paper"])
def test_a_linear_head_is_added_to_the_offset_and_the_papers_stands_alone(
    make_batch, pooling: str, head: str
) -> None:
    batch = make_batch()
    torch.manual_seed(1)
    made = Adapter(AdapterConfig(32, 3, heads=4, pooling=pooling, head=head)).eval()
    alone = made(batch)
    rows = len(LENGTHS) if pooling == "mean" else sum(LENGTHS)
    assert alone.shape == (rows, 3)
    offset = torch.randn(rows, 3)
    expected = alone + offset if head == "linear" else alone
    torch.testing.assert_close(made(replace(batch, offset=offset)), expected)


def test_an_adapter_starts_by_saying_the_same_of_everything(make_batch) -> None:
    made = Adapter(AdapterConfig(32, 3, heads=4)).eval()
    made.start_at(torch.tensor([1.0, -2.0, 0.5]))
    with torch.no_grad():
        logits = made(make_batch())
    assert logits.tolist() == [[1.0, -2.0, 0.5]] * len(LENGTHS)
    made(make_batch()).sum().backward()
    assert made.logits.weight.grad is not None
    assert made.logits.weight.grad.any()


def test_dropout_and_modality_dropout_are_for_training_alone(make_batch) -> None:
    batch = make_batch()
    made = Adapter(AdapterConfig(32, 3, heads=4, dropout=0.5, modality_dropout=0.5)).eval()
    plain = Adapter(AdapterConfig(32, 3, heads=4, dropout=0.0))
    plain.load_state_dict(made.state_dict())
    assert torch.equal(made(batch), made(batch))
    torch.testing.assert_close(made(batch), plain.train()(batch))


def test_what_is_pooled_has_a_row_a_residue_and_weights_sum_to_one(make_batch) -> None:
    made = Adapter(AdapterConfig(32, 3, heads=4, width=16)).eval()
    residues = made.residues(make_batch())
    assert residues.shape == (sum(LENGTHS), 16)
    pool = made.pool
    assert isinstance(pool, Attention1d)
    weights = pool.weights(residues, LENGTHS)
    assert tuple(map(len, weights)) == LENGTHS
    expected = [
        (part @ pool.score.weight[0]).exp() / (part @ pool.score.weight[0]).exp().sum()
        for part in residues.split(list(LENGTHS))
    ]
    torch.testing.assert_close(list(weights), expected)


def test_poolings_by_their_definitions() -> None:
    x, lengths = torch.arange(12.0).view(4, 3), [1, 3]
    assert Mean(3)(x, lengths).tolist() == [[0, 1, 2], [6, 7, 8]]
    light = LightAttention(3)
    assert (light.out_width, Mean(3).out_width, Attention1d(3).out_width) == (6, 3, 3)
    with torch.no_grad():
        features = light.feature(x[1:].T[None])[0]
        shares = light.attention(x[1:].T[None])[0].softmax(1)
        pooled = light(x, lengths)[1]
    torch.testing.assert_close(pooled[:3], (features * shares).sum(1))
    torch.testing.assert_close(pooled[3:], features.max(1).values)
