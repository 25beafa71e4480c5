"""The adapter (SES-Adapter, arXiv 2404.14850): packed batch in, logits out.

::

    X <- LayerNorm( X + attention_m(X, s_m) )        for each alphabet m, foldseek first
    logits = W_2 ReLU( Dropout( W_1 pool(X) ) )

One LayerNorm is shared. Without alphabets the adapter is LayerNorm, pooling and head. X is frozen:
no gradient flows to it. An optional projection narrows d first, for small, fast adapters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..alphabets import alphabet
from ..products.affine import AffineMap
from ..streaming.batch import Batch
from .adapter_config import RESIDUE, AdapterConfig
from .attention import TokenAttention, rotation
from .packed_operations import owners
from .pooling import POOLINGS


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
        self.project = AffineMap(config.dim, inner) if config.width else nn.Identity()
        self.attentions = nn.ModuleDict(
            {
                name: TokenAttention(alphabet(name).size, inner, config.heads)
                for name in config.alphabets
            }
        )
        self.norm = nn.LayerNorm(inner)
        self.pool = None if config.pooling == RESIDUE else POOLINGS[config.pooling](inner)
        self.pooled_width = inner if self.pool is None else self.pool.out_width
        self.hidden = (AffineMap if self.pool is None else nn.Linear)(self.pooled_width, inner)
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
