"""What docs/deviations.md says of the adapter, where no other test does."""

from __future__ import annotations

import re
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.adapter.model import Adapter
from sesstore.alphabets import alphabet
from sesstore.jobs.embedding.embed import embed
from sesstore.training.fit_config import FitConfig

ROOT = Path(__file__).resolve().parents[2]


def test_a_third_alphabet_attends_after_the_first_two(make_batch, reference, unpacked) -> None:
    config = AdapterConfig(32, 3, ("foldseek", "dssp", "ss3"), heads=4)
    batch = make_batch(dtype=torch.float64)
    drawn = torch.Generator().manual_seed(5)
    codes = torch.randint(0, alphabet("ss3").mask, (len(batch.values),), generator=drawn)
    batch = replace(batch, tokens={**batch.tokens, "ss3": codes})
    torch.manual_seed(1)
    adapter = Adapter(config).double().eval()
    values, tokens = unpacked(batch)
    expected = reference.padded_logits(config, dict(adapter.named_parameters()), values, tokens)
    torch.testing.assert_close(adapter(batch), expected, rtol=1e-12, atol=1e-12)
    other = replace(batch, tokens={**batch.tokens, "ss3": (codes + 1) % alphabet("ss3").mask})
    assert not torch.allclose(adapter(other), expected)


def test_parameters_at_the_papers_width() -> None:
    """Two attentions of three projections and a table, a LayerNorm, a score, the head."""
    d, classes = 1280, 10
    attentions = 6 * (d * d + d) + (21 + 9) * d
    head = d * d + d + classes * (d + 1)
    adapter = Adapter(AdapterConfig(d, classes))
    count = sum(p.numel() for p in adapter.parameters())
    assert count == attentions + 2 * d + d + head
    assert f"{count / 1e6:.1f} M" in (ROOT / "docs/deviations.md").read_text()


def test_the_defaults_that_the_page_names() -> None:
    adapter, fit = AdapterConfig(1280, 2), FitConfig()
    assert adapter.alphabets == ("foldseek", "dssp")
    assert (adapter.pooling, adapter.heads, adapter.dropout) == ("attention1d", 8, 0.1)
    assert (adapter.head, fit.schedule) == ("linear", "cosine")
    assert signature(embed).parameters["dtype"].default == "float16"


def test_every_test_that_the_page_names_is_there() -> None:
    page, file = (ROOT / "docs/deviations.md").read_text(), ""
    names = re.findall(r"`(?:(tests/[\w/]+\.py))?(?:::)?(test_\w+)?`", page)
    found = [(path, name) for path, name in names if path or name]
    assert len(found) >= 26
    for path, name in found:
        file = path or file
        assert f"def {name}(" in (ROOT / file).read_text() or not name, (file, name)


@pytest.mark.parametrize("pooling", ["attention1d", "mean", "light_attention"])
def test_there_is_one_head_and_a_norm_whatever_the_pooling(pooling: str) -> None:
    adapter = Adapter(AdapterConfig(32, 3, (), pooling=pooling))
    kinds = [type(m).__name__ for m in adapter.modules() if not list(m.children())]
    assert kinds.count("LayerNorm") == 1
    assert "BatchNorm1d" not in kinds
    assert (adapter.hidden.out_features, adapter.logits.in_features) == (32, 32)
