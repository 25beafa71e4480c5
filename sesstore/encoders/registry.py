"""Which encoders there are. Importable without torch; `load` imports what it needs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnknownNameError
from .catalogue import SPECS, EncoderSpec, Options

if TYPE_CHECKING:
    from .base import Encoder

__all__ = ["EncoderSpec", "Options", "load", "spec", "specs"]


def specs() -> list[EncoderSpec]:
    """Return all encoders, small ones first within a family."""
    return list(SPECS.values())


def spec(name: str) -> EncoderSpec:
    """Return the encoder of a short or full name, in upper or lower case.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    for candidate in SPECS.values():
        if name.casefold() in (candidate.name.casefold(), candidate.full_name.casefold()):
            return candidate
    raise UnknownNameError("encoder", name, SPECS, "`sesstore plms` lists them.")


def load(
    name: str,
    *,
    weights: Path | None = None,
    device: str | None = None,
    threads: int | None = None,
    long: str = "windows",
    precision: str | None = None,
) -> Encoder:
    """Make an encoder ready; its weights are found and hashed, and read when it first encodes.

    Parameters
    ----------
    name : str
        Short or full name.
    weights : path, optional
        File or folder with its weights; found by `weights.find` otherwise.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ...; the best there is by default.
    threads : int, optional
        CPU threads (of the whole process); all cores by default.
    long : str
        ``"windows"`` or ``"nterm"``: what happens to proteins beyond the window.
    precision : str, optional
        ``"fp32"``, ``"bf16"`` or ``"fp16"``; by default the first on a CPU, and on a GPU the half
        precision that suits encoder and card, see `devices.choose_precision`.

    Raises
    ------
    UnknownNameError
        There is no such encoder.
    WeightsError
        Its weights are absent, or not what they say; says which file to put where.
    MissingExtraError
        It needs an optional part of sesstore.
    InputError
        The device, the precision or the policy does not exist.
    """
    encoder_spec = spec(name)
    if threads is not None:
        from .devices import use_threads

        use_threads(threads)
    family: Any = import_module(f".{encoder_spec.family}", __package__)
    encoder: Encoder = family.load(encoder_spec, Options(weights, device, long, precision))
    return encoder
