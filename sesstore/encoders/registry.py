"""Which encoders there are. Importable without torch; `load` imports what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnknownNameError

if TYPE_CHECKING:
    from .base import Encoder


@dataclass(frozen=True)
class EncoderSpec:
    """What is known of an encoder before its weights are read.

    Parameters
    ----------
    name, full_name : str
        Short name for the command line, and the published one.
    family : str
        Module of this package that runs it.
    dim, layers, heads : int
        Shape; 0 where it does not apply.
    parameters : int
        Number of weights.
    window : int or None
        Longest sequence the model takes at once; None if there is no limit.
    licence, citation : str
        Of the weights; of the paper.
    files : tuple of str
        Weight files it needs, the main one first.
    """

    name: str
    full_name: str
    family: str
    dim: int
    layers: int
    heads: int
    parameters: int
    window: int | None
    licence: str
    citation: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """How an encoder is to be run; see `load`."""

    weights: Path | None = None
    device: str | None = None
    long: str = "windows"
    precision: str | None = None


_ESM2 = "Lin et al. 2023, doi:10.1126/science.ade2574"
_HENIKOFF = "Henikoff & Henikoff 1992, doi:10.1073/pnas.89.22.10915"


def _esm2(layers: int, size: str, dim: int, heads: int, parameters: int) -> EncoderSpec:
    full = f"esm2_t{layers}_{size}_UR50D"
    return EncoderSpec(
        f"esm2_t{layers}",
        full,
        "esm",
        dim,
        layers,
        heads,
        parameters,
        1022,
        "MIT",
        _ESM2,
        (f"{full}.pt",),
    )


SPECS = {
    spec.name: spec
    for spec in (
        _esm2(6, "8M", 320, 20, 7_840_000),
        _esm2(12, "35M", 480, 20, 33_990_000),
        _esm2(30, "150M", 640, 20, 148_800_000),
        _esm2(33, "650M", 1280, 20, 652_400_000),
        _esm2(36, "3B", 2560, 40, 2_841_600_000),
        _esm2(48, "15B", 5120, 40, 15_135_000_000),
        EncoderSpec(
            "near",
            "NEAR",
            "near",
            256,
            8,
            0,
            7_350_000,
            None,
            "BSD-3-Clause",
            "Olson et al. 2025, doi:10.1093/bioinformatics/btaf198",
            ("weights.npz",),
        ),
        EncoderSpec("onehot", "onehot", "baselines", 26, 0, 0, 0, None, "none needed", ""),
        EncoderSpec(
            "blosum62", "BLOSUM62", "baselines", 24, 0, 0, 0, None, "none needed", _HENIKOFF
        ),
    )
}


def specs() -> list[EncoderSpec]:
    """Return all encoders, small ones first within a family."""
    return list(SPECS.values())


def spec(name: str) -> EncoderSpec:
    """Return the encoder of a short or full name.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    for one in SPECS.values():
        if name in (one.name, one.full_name):
            return one
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
        ``"fp32"``, ``"bf16"`` or ``"fp16"``; by default the first on a CPU, the second on a GPU.

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
    known = spec(name)
    if threads is not None:
        from .devices import use_threads

        use_threads(threads)
    family: Any = import_module(f".{known.family}", __package__)
    made: Encoder = family.load(known, Options(weights, device, long, precision))
    return made
