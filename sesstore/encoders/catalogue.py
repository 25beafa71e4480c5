"""The table of encoders: names, shapes, licences. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


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
        Files it needs, the one with the weights first.
    repository : str
        Where Hugging Face has it; empty if it has not.
    precisions : tuple of str
        Arithmetics it can run in.
    extra : str
        The extra of sesstore that brings it; empty if none is needed.
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
    repository: str = ""
    precisions: tuple[str, ...] = ("fp32", "bf16", "fp16")
    extra: str = ""

    @property
    def bytes_per_residue(self) -> int:
        """Stored as float16."""
        return 2 * self.dim

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "bytes_per_residue": self.bytes_per_residue}


@dataclass(frozen=True)
class Options:
    """How an encoder is to be run; see `registry.load`."""

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
        f"facebook/{full}",
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
            precisions=("fp32",),
            extra="near",
        ),
        EncoderSpec("onehot", "onehot", "baselines", 26, 0, 0, 0, None, "none needed", ""),
        EncoderSpec(
            "blosum62", "BLOSUM62", "baselines", 24, 0, 0, 0, None, "none needed", _HENIKOFF
        ),
    )
}
