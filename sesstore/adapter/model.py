"""The adapter (SES-Adapter, arXiv 2404.14850): packed batch in, logits out.

::

    X <- LayerNorm( X + attention_m(X, s_m) )        for each alphabet m, foldseek first
    logits = W_2 ReLU( Dropout( W_1 pool(X) ) )

One LayerNorm is shared. Without alphabets the adapter is LayerNorm, pooling and head. X is frozen:
no gradient flows to it. An optional projection narrows d first, for small, fast adapters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..alphabets import BUILT_IN, Alphabet, alphabet, declare, in_order
from ..errors import InputError, UnknownNameError
from ..streaming.batch import Batch
from .attention import TokenAttention, rotation
from .packed_operations import owners
from .pooling import POOLINGS

RESIDUE = "residue"
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
    pooling: str = "attention1d"
    heads: int = 8
    width: int | None = None
    dropout: float = 0.1
    modality_dropout: float = 0.0
    head: str = "linear"
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
        if reserved := [name for name in declared if hasattr(nn.ModuleDict, name)]:
            raise InputError(
                f"an adapter cannot have a part called '{reserved[0]}', as the alphabet is. "
                f"Declare it under another name"
            )
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


class Adapter(nn.Module):
    """Structure-aware adapter on frozen embeddings.

    Parameters
    ----------
    config : AdapterConfig
        Its shape.
    """

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        inner = config.inner
        self.project = nn.Linear(config.dim, inner) if config.width else nn.Identity()
        self.attentions = nn.ModuleDict(
            {
                name: TokenAttention(alphabet(name).size, inner, config.heads)
                for name in config.alphabets
            }
        )
        self.norm = nn.LayerNorm(inner)
        self.pool = None if config.pooling == RESIDUE else POOLINGS[config.pooling](inner)
        self.pooled_width = inner if self.pool is None else self.pool.out_width
        self.hidden = nn.Linear(self.pooled_width, inner)
        self.logits = nn.Linear(inner, config.n_outputs)

    def forward(self, batch: Batch, chance: torch.Generator | None = None) -> Tensor:
        """Return logits.

        Parameters
        ----------
        batch : Batch
            With tokens of all the adapter's alphabets.
        chance : Generator, optional
            What dropout draws from in training; torch's own by default.

        Returns
        -------
        Tensor, shape=(B, n_outputs), or (T, n_outputs) for residue problems
        """
        x = self.residues(batch, chance)
        x = self.hidden(x if self.pool is None else self.pool(x, batch.lengths))
        if self.training and self.config.dropout:
            survivors = (
                torch.rand(x.shape, generator=chance, device=x.device) >= self.config.dropout
            )
            x = x * survivors / (1 - self.config.dropout)
        logits: Tensor = self.logits(x.relu())
        if self.config.head == "paper" or batch.offset is None:
            return logits
        return logits + batch.offset

    def start_at(self, logits: Tensor) -> None:
        """Set the last layer so that the adapter says the same of everything.

        Parameters
        ----------
        logits : Tensor, shape=(n_outputs,)
        """
        with torch.no_grad():
            self.logits.weight.zero_()
            self.logits.bias.copy_(logits)

    def residues(self, batch: Batch, chance: torch.Generator | None = None) -> Tensor:
        """Return what is pooled: structure-aware embeddings, shape=(T, d)."""
        x: Tensor = self.project(batch.values.to(self.norm.weight.dtype))
        if not self.attentions:
            normed: Tensor = self.norm(x)
            return normed
        heads = self.config.heads
        turn = rotation(batch.lengths, self.config.inner // heads, x.device)
        hidden = self._hidden(batch, chance)
        for name, attention in self.attentions.items():
            tokens = batch.tokens[name]
            if hidden is not None:
                tokens = _masked(tokens, hidden, alphabet(name).mask)
            x = self.norm(x + attention(x, tokens, batch.lengths, turn))
        return x

    def _hidden(self, batch: Batch, chance: torch.Generator | None) -> Tensor | None:
        """Which residues lose their tokens to modality dropout in this step: bool [T] or None."""
        share = self.config.modality_dropout
        if not (self.training and share):
            return None
        device = batch.values.device
        hidden_proteins = torch.rand(len(batch.lengths), generator=chance, device=device) < share
        return hidden_proteins[owners(batch.lengths, device)]

    def flops(self, lengths: Sequence[int]) -> int:
        """Floating-point operations of one forward pass over proteins of these lengths.

        Multiplications and additions count one each. Lookups, norms and the rotation are left out.
        """
        config, inner, total = self.config, self.config.inner, sum(lengths)
        projection = 2 * total * config.dim * inner if config.width else 0
        a_layer = 4 * total * inner**2 + sum(4 * n * n * inner for n in lengths)
        pooled = total if self.pool is None else len(lengths)
        head = 2 * pooled * inner * (self.pooled_width + config.n_outputs)
        return projection + a_layer * len(config.alphabets) + head

    def training_flops(self, lengths: Sequence[int]) -> int:
        """Floating-point operations of one training step, forward and backward.

        What a gradient needs and no more: nothing flows to the frozen input, so the first product
        with weights costs twice its forward pass and not three times; nothing is computed twice.
        """
        config, inner, total = self.config, self.config.inner, sum(lengths)
        first = config.dim * inner if config.width else 2 * inner**2 * bool(config.alphabets)
        return 3 * self.flops(lengths) - 2 * total * first


def _masked(tokens: Tensor, hidden: Tensor, mask: int) -> Tensor:
    if tokens.ndim == 1:
        return tokens.masked_fill(hidden, mask)
    tokens = tokens.masked_fill(hidden[:, None], 0)
    tokens[:, mask].masked_fill_(hidden, 1)
    return tokens
