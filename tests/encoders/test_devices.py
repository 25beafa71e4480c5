"""Which arithmetic suits a device, and what an encoder's settings refuse."""

from __future__ import annotations

import pytest
import torch

from sesstore.attention import cuda
from sesstore.encoders import registry
from sesstore.encoders.devices import (
    choose_device,
    choose_precision,
    exact_products,
    use_threads,
)
from sesstore.errors import InputError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_half_precision_is_for_gpus_and_encoders_that_take_it() -> None:
    assert choose_precision(None, CPU) == "fp32"
    assert choose_precision(None, GPU, ("fp32",)) == "fp32"
    assert choose_precision(None, GPU, ("fp32", "fp16", "bf16")) == "fp16"
    assert choose_precision(None, GPU, ("fp32", "bf16", "fp16")) == "bf16"
    assert choose_precision("fp16", CPU) == "fp16"
    with pytest.raises(InputError, match="'bf16' is none of this encoder's: fp32"):
        choose_precision("bf16", GPU, ("fp32",))


def test_a_card_without_bfloat16_is_given_another(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "_capability", lambda index: (7, 5))
    card = torch.device("cuda", 0)
    assert choose_precision(None, card, registry.spec("esm2_t33").precisions) == "fp16"
    assert choose_precision(None, card, registry.spec("esmc_300m").precisions) == "fp16"
    assert choose_precision(None, card, registry.spec("prott5").precisions) == "fp32"
    assert choose_precision("bf16", card) == "bf16"
    monkeypatch.setattr(cuda, "_capability", lambda index: (8, 0))
    assert choose_precision(None, card, registry.spec("prott5").precisions) == "bf16"


def test_products_are_exact_while_encoding_and_as_before_after_it() -> None:
    products = torch.backends.cuda.matmul
    names = ["fp32_precision", "allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation"]
    before = [getattr(products, name) for name in names]
    try:
        products.fp32_precision = "tf32"
        products.allow_fp16_reduced_precision_reduction = True
        with exact_products():
            assert [getattr(products, name) for name in names] == ["ieee", False, False]
        assert [getattr(products, name) for name in names[:2]] == ["tf32", True]
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(products, name, value)


def test_devices_and_threads() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InputError, match="quantum"):
        choose_device("quantum")
    before = torch.get_num_threads()
    try:
        use_threads(3)
        assert torch.get_num_threads() == 3
        registry.load("onehot", threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    with pytest.raises(InputError, match="0 threads"):
        use_threads(0)
