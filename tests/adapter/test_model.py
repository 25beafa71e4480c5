from __future__ import annotations

import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.adapter.model import Adapter
from sesstore.products import amx
from sesstore.streaming.batch import Batch

SHAPES = [
    AdapterConfig(32, 3, heads=4),
    AdapterConfig(32, 3, ("dssp",), heads=2, pooling="mean"),
    AdapterConfig(32, 3, ("foldseek",), heads=4, pooling="light_attention"),
    AdapterConfig(32, 2, heads=4, pooling="residue"),
    AdapterConfig(32, 2, (), heads=4),
    AdapterConfig(32, 3, heads=4, width=16),
    AdapterConfig(32, 3, (), width=16, pooling="mean"),
]


def named(config: AdapterConfig) -> str:
    return f"{'+'.join(config.alphabets) or 'none'}-{config.pooling}-{config.width}"


def adapter(config: AdapterConfig, dtype: torch.dtype = torch.float32) -> Adapter:
    torch.manual_seed(1)
    made = Adapter(config).to(dtype).eval()
    with torch.no_grad():  # a norm that does something
        made.norm.weight.uniform_(0.5, 1.5)
        made.norm.bias.uniform_(-0.5, 0.5)
    return made


def both(config, batch, reference, unpacked, dtype):
    """Logits and gradients of every parameter, by the adapter and by the reference."""
    ours = adapter(config, dtype)
    weight = torch.randn(
        ours(batch).shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    ).to(dtype)
    logits = ours(batch)
    (logits * weight).sum().backward()
    plain = {n: p.detach().clone().requires_grad_() for n, p in ours.named_parameters()}
    values, tokens = unpacked(batch)
    expected = reference.padded_logits(config, plain, values, tokens)
    (expected * weight).sum().backward()
    gradients = {n: p.grad for n, p in ours.named_parameters()}
    return logits, expected, gradients, {n: p.grad for n, p in plain.items()}


@pytest.mark.parametrize("config", SHAPES, ids=named)
@pytest.mark.parametrize("shares", [False, True], ids=["codes", "shares"])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_equals_the_padded_write_up(
    config, shares, dtype, close, make_batch, reference, unpacked
) -> None:
    batch = make_batch(shares=shares, dtype=dtype)
    logits, expected, gradients, wanted = both(config, batch, reference, unpacked, dtype)
    torch.testing.assert_close(logits, expected, rtol=close, atol=close)
    for name, gradient in gradients.items():
        assert gradient is not None, name
        # A gradient that is zero but for rounding (a bias before a softmax) has no scale.
        scale = max(float(wanted[name].abs().max()), 1e-2)
        difference = float((gradient - wanted[name]).abs().max()) / scale
        assert difference < close, name


@pytest.mark.parametrize("config", [SHAPES[0], SHAPES[3], SHAPES[5]], ids=named)
def test_a_matrix_unit_gives_the_same_logits_and_gradients(
    config, emulated, monkeypatch, make_batch, reference, unpacked
) -> None:
    """As far as float32-class products go; those of the reference are torch's."""
    logits, expected, gradients, wanted = both(
        config, make_batch(), reference, unpacked, torch.float32
    )
    assert relative(logits, expected) < 2e-5
    for name, gradient in gradients.items():
        if float(wanted[name].abs().max()) > 1e-4:  # no bias before a softmax
            assert relative(gradient, wanted[name]) < 5e-5, name
    monkeypatch.setattr(amx, "kernel", lambda: None)
    assert not torch.equal(adapter(config)(make_batch()), logits)


def relative(result: torch.Tensor, expected: torch.Tensor) -> float:
    return float((result - expected).norm().detach() / expected.norm().detach())


@pytest.mark.parametrize("config", SHAPES, ids=named)
def test_batch_mates_do_not_matter(config, make_batch) -> None:
    batch = make_batch()
    made = adapter(config)
    together = made(batch)
    at = batch.lengths if config.pooling == "residue" else [1] * len(batch.lengths)
    for i, expected in enumerate(together.split(list(at))):
        torch.testing.assert_close(made(one(batch, i)), expected, rtol=1e-5, atol=1e-6)


def one(batch: Batch, i: int) -> Batch:
    start, stop = int(batch.cu_seqlens[i]), int(batch.cu_seqlens[i + 1])
    tokens = {name: codes[start:stop] for name, codes in batch.tokens.items()}
    return Batch(batch.values[start:stop], tokens, (stop - start,), None, batch.index[i : i + 1])


def test_certain_shares_are_codes(make_batch) -> None:
    batch = make_batch()
    shares = {
        "foldseek": torch.nn.functional.one_hot(batch.tokens["foldseek"], 21).float(),
        "dssp": torch.nn.functional.one_hot(batch.tokens["dssp"], 9).float(),
    }
    made = adapter(SHAPES[0])
    certain = Batch(batch.values, shares, batch.lengths, None, batch.index)
    torch.testing.assert_close(made(certain), made(batch))


def test_no_gradient_reaches_the_frozen_embeddings(make_batch) -> None:
    batch = make_batch()
    adapter(SHAPES[0])(batch).sum().backward()
    assert not batch.values.requires_grad
    assert batch.values.grad is None


def test_every_parameter_is_used(make_batch) -> None:
    made = adapter(SHAPES[0])
    made(make_batch()).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_half_precision_values_are_taken(make_batch) -> None:
    batch = make_batch()
    half = Batch(batch.values.half(), batch.tokens, batch.lengths, None, batch.index)
    torch.testing.assert_close(
        adapter(SHAPES[0])(half), adapter(SHAPES[0])(batch), atol=1e-2, rtol=0
    )


def test_modality_dropout_hides_whole_proteins(make_batch) -> None:
    config = AdapterConfig(32, 3, heads=4, modality_dropout=0.5, dropout=0.0)
    batch = make_batch(lengths=[9] * 40)
    made = adapter(config)
    masked = {"foldseek": torch.full((360,), 20), "dssp": torch.full((360,), 8)}
    hidden = made(Batch(batch.values, masked, batch.lengths, None, batch.index))
    seen = made(batch)
    made.train()
    torch.manual_seed(0)
    drawn = made(batch)
    is_hidden = torch.isclose(drawn, hidden, atol=1e-5).all(1)
    is_seen = torch.isclose(drawn, seen, atol=1e-5).all(1)
    assert bool((is_hidden ^ is_seen).all())
    assert 8 <= int(is_hidden.sum()) <= 32
    shares = {
        "foldseek": torch.nn.functional.one_hot(batch.tokens["foldseek"], 21).float(),
        "dssp": torch.nn.functional.one_hot(batch.tokens["dssp"], 9).float(),
    }
    torch.manual_seed(0)
    as_shares = made(Batch(batch.values, shares, batch.lengths, None, batch.index))
    torch.testing.assert_close(as_shares, drawn, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.8])
def test_the_share_of_hidden_proteins_is_the_one_asked_for(share, make_batch) -> None:
    config = AdapterConfig(32, 3, ("dssp",), heads=4, modality_dropout=share, dropout=0.0)
    batch = make_batch(lengths=[2] * 600)
    made = adapter(config)
    seen = made(batch)
    hidden = ~torch.isclose(made.train()(batch, chance=seeded(4)), seen, atol=1e-6).all(1)
    assert float(hidden.float().mean()) == pytest.approx(share, abs=0.06)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_dropout_keeps_the_mean_and_drops_its_share(share, make_batch) -> None:
    """With what enters the ReLU positive, logits are linear in what dropout keeps."""
    config = AdapterConfig(32, 4, (), pooling="mean", dropout=share)
    batch = make_batch(lengths=[1] * 3000)
    made = adapter(config)
    with torch.no_grad():
        made.hidden.weight.mul_(0.1)
        made.hidden.bias.fill_(5.0)
        made.logits.weight.copy_(torch.eye(32)[:4])
        made.logits.bias.zero_()
        plain = made(batch)
        dropped = made.train()(batch, chance=seeded(5))
    assert bool((plain > 0).all())
    torch.testing.assert_close(dropped.mean(0), plain.mean(0), rtol=0.08, atol=0)
    zeros = dropped == 0
    assert float(zeros.float().mean()) == pytest.approx(share, abs=0.03)
    torch.testing.assert_close(dropped[~zeros], (plain / (1 - share))[~zeros])


def test_what_is_drawn_depends_on_the_generator_alone(make_batch) -> None:
    batch = make_batch()
    made = adapter(AdapterConfig(32, 3, heads=4, dropout=0.5, modality_dropout=0.5)).train()
    first, again, other = (made(batch, chance=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(made.eval()(batch, chance=seeded(1)), made(batch))


def test_order_of_alphabets_is_the_papers() -> None:
    assert AdapterConfig(32, 2, ("dssp", "foldseek"), heads=4).alphabets == ("foldseek", "dssp")


def test_flops_of_one_attention_layer() -> None:
    none = Adapter(AdapterConfig(32, 2, (), heads=4)).flops([10, 20])
    one_layer = Adapter(AdapterConfig(32, 2, ("dssp",), heads=4)).flops([10, 20])
    # keys and values: 2 * 30 * 32 * 64; scores and weighted sum: 2 * 2 * (100 + 400) * 32
    assert one_layer - none == 2 * 30 * 32 * 64 + 4 * 500 * 32


def test_flops_of_projection_and_head() -> None:
    made = Adapter(AdapterConfig(32, 3, (), width=16, pooling="light_attention"))
    # projection of 30 residues, then two matrices for each of two proteins: 32 to 16, and 16 to 3
    assert made.flops([10, 20]) == 2 * 30 * 32 * 16 + 2 * 2 * (32 * 16 + 16 * 3)
    residues = Adapter(AdapterConfig(32, 3, (), pooling="residue"))
    assert residues.flops([10, 20]) == 2 * 30 * (32 * 32 + 32 * 3)
    assert made.training_flops([30]) == 3 * made.flops([30]) - 2 * 30 * 32 * 16


def test_flops_of_a_training_step_leave_the_frozen_input_out() -> None:
    made = Adapter(AdapterConfig(32, 2, heads=4))
    assert made.training_flops([30]) == 3 * made.flops([30]) - 2 * 30 * 32 * 64
