"""Where an encoder runs, on how many threads, and in which arithmetic."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ..attention.cuda import at_least_ampere
from ..errors import InputError

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Environment variable that sizes cuBLAS's workspace. It is read at the first product on a GPU."""
WORKSPACES = (":4096:8", ":16:8")
"""Its values with which products are the same bits every time, as torch documents; the first is
what torch takes on an H100 anyway."""


def choose_device(name: str | None) -> torch.device:
    """Return the device of that name, or the best there is.

    Before CUDA is first used, cuBLAS is given a workspace with which products are the same bits
    every time, unless the environment names one.

    Raises
    ------
    InputError
        It is no device, or this machine lacks it.
    """
    if torch.cuda.is_available() and not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        os.environ.setdefault(WORKSPACE, WORKSPACES[0])
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as problem:
        first = str(problem).splitlines()[0]
        raise InputError(f"device '{name}' cannot be used: {first}. Try --device cpu") from None
    return device


PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Types of the forward pass by the names fingerprints use."""
HALF_PRECISIONS = tuple(name for name, dtype in PRECISIONS.items() if dtype.itemsize == 2)


def choose_precision(
    name: str | None, device: torch.device, precisions: Sequence[str] = tuple(PRECISIONS)
) -> str:
    """Return the precision of that name, or the one that suits the device.

    Parameters
    ----------
    name : str, optional
        One of `PRECISIONS`.
    device : torch.device
        Where the encoder is to run. A GPU that is not in this machine is taken for a recent one.
    precisions : sequence of str
        Those the encoder runs in, the half precision it does better in first.

    Returns
    -------
    str
        By default ``"fp32"`` on a CPU, and on a GPU the first half precision that it has: bfloat16
        takes compute capability 8.0.

    Raises
    ------
    InputError
        There is no such precision, or the encoder does not run in it.
    """
    if name is not None:
        if name not in precisions:
            raise InputError(
                f"precision '{name}' is none of this encoder's: {', '.join(precisions)}. Name "
                f"one of these, or none"
            )
        return name
    if device.type == "cpu":
        return "fp32"
    old = device.type == "cuda" and torch.cuda.is_available() and not at_least_ampere(device)
    return next(
        (half for half in precisions if half == "fp16" or (half == "bf16" and not old)), "fp32"
    )


def stored_type(dtype: torch.dtype) -> torch.dtype:
    """Type in which embeddings leave a forward: float16, as stored, if it ran in half precision."""
    return dtype if dtype == torch.float32 else torch.float16


_EXACT = {
    "fp32_precision": "ieee",
    "allow_fp16_reduced_precision_reduction": False,
    "allow_bf16_reduced_precision_reduction": False,
    "allow_fp16_accumulation": False,
}


@contextmanager
def exact_products() -> Iterator[None]:
    """Keep products on GPUs to their type: no TF32 in float32, no partial sums in half precision.

    torch's settings hold for the whole process and are read when a product is launched; they are
    put back, since training may want others.
    """
    products: Any = torch.backends.cuda.matmul
    settings = {name: getattr(products, name) for name in _EXACT}
    try:
        for name, value in _EXACT.items():
            setattr(products, name, value)
        yield
    finally:
        for name, value in settings.items():
            setattr(products, name, value)


def use_threads(count: int) -> None:
    """Let torch use so many CPU threads.

    Raises
    ------
    InputError
        Fewer than one.
    """
    if count < 1:
        raise InputError(f"{count} threads are too few; give 1 or more")
    torch.set_num_threads(count)
