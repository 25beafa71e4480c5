"""Shape of an adapter: the settings, their defaults, and what their options say.

Metadata of fields are as of `training.fit_config`; ``by_task`` marks a default that depends on the
task. Importable without torch, so that help is quick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..alphabets import BUILT_IN, Alphabet, alphabet, declare, in_order
from ..errors import InputError, UnknownNameError

RESIDUE = "residue"
POOLINGS = ("attention1d", "mean", "light_attention")
HEADS = ("linear", "paper")


@dataclass(frozen=True)
class AdapterConfig:
    """Shape of an adapter.

    Parameters
    ----------
    dim : int
        Width of the embeddings.
    n_outputs : int
        Width of the logits.
    alphabets : tuple of str
        Structure tokens that attend; none for the plain baseline.
    pooling : str
        ``"attention1d"``, ``"mean"``, ``"light_attention"``, or ``"residue"`` for none.
    heads : int
        Attention heads.
    width : int, optional
        Project embeddings to this width first.
    dropout : float
        In the head.
    modality_dropout : float
        Share of proteins whose tokens are all masked in a training step, so that one adapter serves
        proteins with and without structure.
    head : str
        ``"paper"``: logits are the adapter's, which begins at random. ``"linear"``: they are added
        to `Batch.offset`, and the adapter begins at zero, or where there is no offset at what is
        most likely of all.
    declared : dict of str to dict
        What its declared alphabets are (see `Alphabet.to_json`), so that a run can be loaded where
        no store declares them; filled in from those that are known.
    """

    dim: int
    n_outputs: int
    alphabets: tuple[str, ...] = ("foldseek", "dssp")
    pooling: str = field(
        default="attention1d",
        metadata={
            "help": "From residues to protein [default: attention1d; residue tasks: none].",
            "choices": POOLINGS,
            "by_task": True,
        },
    )
    heads: int = field(default=8, metadata={"help": "Attention heads.", "least": 1})
    width: int | None = field(
        default=None, metadata={"help": "Project embeddings to this width first.", "least": 1}
    )
    dropout: float = field(default=0.1, metadata={"help": "In the head.", "share": True})
    modality_dropout: float = field(
        default=0.0,
        metadata={"help": "Share of proteins that lose their tokens in a step.", "share": True},
    )
    head: str = field(
        default="linear",
        metadata={
            "help": "linear: adapters add to a linear model; paper: they stand alone.",
            "choices": HEADS,
        },
    )
    declared: Mapping[str, dict[str, Any]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for value in self.declared.values():
            declare(Alphabet.from_json(value), "the adapter's record")
        if isinstance(self.alphabets, str):  # one, not its letters
            object.__setattr__(self, "alphabets", (self.alphabets,))
        # In the order of the paper, whatever the order they are named in.
        object.__setattr__(self, "alphabets", in_order(self.alphabets))
        alphabets = {name: alphabet(name) for name in self.alphabets}
        declared = {n: alphabets[n].to_json() for n in self.alphabets if n not in BUILT_IN}
        object.__setattr__(self, "declared", declared)
        if declared:
            _check_part_names(declared)
        if self.pooling not in (*POOLINGS, RESIDUE):
            raise UnknownNameError("pooling", self.pooling, [*POOLINGS, RESIDUE])
        if self.head not in HEADS:
            raise UnknownNameError("head", self.head, HEADS)
        if self.alphabets and self.inner % (2 * self.heads):
            raise InputError(
                f"{self.heads} heads do not divide width {self.inner} into heads of even width. "
                f"Choose --heads accordingly, or project with --width, such as --width 128"
            )
        for name in ("dropout", "modality_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is a share: give a number from 0 to below 1")

    @property
    def inner(self) -> int:
        """Width d the adapter works in."""
        return self.width or self.dim


def _check_part_names(alphabets: Iterable[str]) -> None:
    """Raise `InputError` if a part of the adapter cannot have the name of an alphabet."""
    from torch import nn

    for name in alphabets:
        if hasattr(nn.ModuleDict, name):
            raise InputError(
                f"an adapter cannot have a part called '{name}', as the alphabet is. "
                f"Declare it under another name"
            )
