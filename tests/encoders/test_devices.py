"""Which arithmetic suits a device, and what an encoder's settings refuse."""

from __future__ import annotations

import os

import pytest
import torch

from sesstore.attention import cuda
from sesstore.encoders import registry
from sesstore.encoders.devices import (
    choose_device,
    choose_precision,
    exact_products,
    stored_type,
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
    names = [
        "fp32_precision",
        "allow_fp16_reduced_precision_reduction",
        "allow_fp16_accumulation",
        "allow_bf16_reduced_precision_reduction",
    ]
    before = [getattr(products, name) for name in names]
    try:
        products.fp32_precision = "tf32"
        products.allow_fp16_reduced_precision_reduction = True
        products.allow_bf16_reduced_precision_reduction = True
        loose = [getattr(products, name) for name in names]
        assert loose[:2] == ["tf32", True]
        with exact_products():
            assert [getattr(products, name) for name in names] == ["ieee", False, False, False]
        assert [getattr(products, name) for name in names] == loose
        with pytest.raises(KeyboardInterrupt), exact_products():
            raise KeyboardInterrupt
        assert [getattr(products, name) for name in names] == loose
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(products, name, value)


def test_devices_and_threads() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InputError, match="quantum"):
        choose_device("quantum")
    absent = "cuda:99" if torch.cuda.is_available() else "cuda"
    with pytest.raises(InputError, match=f"device '{absent}' cannot be used: .*--device cpu"):
        choose_device(absent)
    before = torch.get_num_threads()
    try:
        for count in (1, 3):
            use_threads(count)
            assert torch.get_num_threads() == count
        registry.load("onehot", threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    with pytest.raises(InputError, match="0 threads"):
        use_threads(0)


def test_cublas_is_given_a_workspace_before_its_first_use_unless_one_is_named(monkeypatch) -> None:
    def workspace(*, cuda: bool, begun: bool, named: str | None) -> str | None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: begun)
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
        if named:
            monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", named)
        assert choose_device("cpu") == CPU
        return os.environ.get("CUBLAS_WORKSPACE_CONFIG")

    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # put back in the end
    assert workspace(cuda=True, begun=False, named=None) == ":4096:8"
    assert workspace(cuda=True, begun=False, named=":16:8") == ":16:8"
    assert workspace(cuda=True, begun=True, named=None) is None
    assert workspace(cuda=False, begun=False, named=None) is None


def test_half_precision_is_stored_as_float16_and_a_gpu_is_taken_where_there_is_one(
    monkeypatch,
) -> None:
    types = (torch.float32, torch.bfloat16, torch.float16)
    assert [stored_type(dtype) for dtype in types] == [torch.float32, torch.float16, torch.float16]
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    for available, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert choose_device(None).type == kind
