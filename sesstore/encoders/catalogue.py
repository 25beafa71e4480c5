"""What is known of an encoder before its weights are read. Nothing here imports torch.

The encoders themselves are in `published`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..residues import StructureTokens


@dataclass(frozen=True)
class Reading:
    """How an encoder reads a normalised sequence (upper case, no white space), a token a residue.

    Parameters
    ----------
    mapping : str
        As fingerprints write it: the letters that are read as another, and any prefix.
    as_x : str
        Letters that become X as the authors prescribe; letters a vocabulary lacks do in any case.
        Where it lacks X itself, its token for what is unknown takes the place.
    before, after : tuple of str
        Tokens around every sequence; their rows are never stored.
    structure : bool
        Whether it reads 3Di tokens beside the letters.
    """

    mapping: str
    as_x: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    structure: bool = False


ESM = Reading("esm1b, J->X", "J", ("<cls>",), ("<eos>",))


PURPOSES = {
    "esm2": "proteins in general",
    "esm1b": "proteins in general",
    "esm1v": "effects of variants",
    "ism": "proteins in general; tuned on structure",
    "saesm2": "proteins in general; tuned on structure",
    "dplm": "proteins in general; trained by diffusion",
    "esmc": "proteins in general",
    "amplify": "proteins in general",
    "e1": "proteins in general",
    "saprot": "sequence with the 3Di structure beside it",
    "prott5": "proteins in general",
    "prostt5": "sequence and 3Di structure; distant homology",
    "protbert": "proteins in general",
    "ankh": "proteins in general",
    "ankh3": "proteins in general",
    "antiberty": "antibodies",
    "near": "finding homologues, on a CPU",
    "onehot": "baseline: the letter alone",
    "blosum62": "baseline: substitution scores",
}
"""What encoders were made for, by the part of their name before the underscore."""


_OPEN_LICENCES = ("MIT", "Apache-2.0", "AFL-3.0", "BSD-3-Clause", "none needed")
"""Those that allow commercial use. Where none is stated, nothing is allowed."""


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
        Arithmetics it can run in; of the half precisions the one for GPUs first.
    extra : str
        The extra of sesstore that brings it; empty if none is needed.
    package : str
        Python package that has its weights; empty if none has.
    reading : Reading
        How it reads a sequence.
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
    precisions: tuple[str, ...] = ("fp32", "fp16", "bf16")
    extra: str = ""
    package: str = ""
    reading: Reading = ESM

    @property
    def bytes_per_residue(self) -> int:
        """Stored as float16."""
        return 2 * self.dim

    @property
    def gpu_precision(self) -> str:
        """Arithmetic on a GPU by default: the first half precision, if it runs in any."""
        return next((name for name in self.precisions if name != "fp32"), "fp32")

    @property
    def commercial_use(self) -> bool:
        """Whether the licence of the weights is known to allow it; read it all the same."""
        return self.licence in _OPEN_LICENCES

    @property
    def purpose(self) -> str:
        """What it was made for, in a few words."""
        return PURPOSES.get(self.name.partition("_")[0], "")

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            **asdict(self),
            "bytes_per_residue": self.bytes_per_residue,
            "commercial_use": self.commercial_use,
            "purpose": self.purpose,
        }


@dataclass(frozen=True, eq=False)
class StructureSource:
    """Structure tokens for encoders that read them.

    Parameters
    ----------
    name : str
        Of the source, such as ``"alphafold2"``.
    read : callable
        Gives the tokens of proteins by digest, None where there are none.
    min_plddt : int
        Tokens of residues below are masked.
    """

    name: str
    read: Callable[[Sequence[bytes]], Sequence[StructureTokens | None]]
    min_plddt: int = 0


@dataclass(frozen=True)
class Options:
    """How an encoder is to be run; see `registry.load`."""

    weights: Path | None = None
    device: str | None = None
    long: str = "windows"
    precision: str | None = None
    layers: str = "last"
    structure: StructureSource | None = None
