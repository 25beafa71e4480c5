"""Which arithmetic suits a device, and what an encoder's settings refuse."""

from __future__ import annotations

import pytest
import torch

from sesstore.encoders import registry
from sesstore.encoders.devices import choose_device, choose_precision, use_threads
from sesstore.errors import InputError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_half_precision_is_for_gpus_and_encoders_that_take_it() -> None:
    assert choose_precision(None, CPU) == "fp32"
    assert choose_precision(None, GPU) == "bf16"
    assert choose_precision(None, GPU, ("fp32", "fp16")) == "fp32"
    assert choose_precision("fp16", CPU) == "fp16"
    with pytest.raises(InputError, match="'bf16' is none of this encoder's: fp32"):
        choose_precision("bf16", GPU, ("fp32",))


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
