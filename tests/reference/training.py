"""Training as its papers write it: one loop, one batch at a time, nothing shared or resumed.

A slow second write-up to which `sesstore.training` must be equal where nothing is drawn at random
but the first weights and the order of proteins: AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101,
algorithm 2), a learning rate that rises linearly and falls as a cosine, gradients clipped by their
common norm (Pascanu et al. 2013, arXiv 1211.5063).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Parameters = dict[str, Tensor]
BETAS, EPSILON = (0.9, 0.999), 1e-8


@dataclass
class Plain:
    """A training with plain settings.

    Parameters
    ----------
    weights : dict of str to Tensor
        To begin with; changed in place.
    loss : callable
        Mean loss of some rows, from the weights and the rows.
    lr, weight_decay, clip, warmup, epochs
        As of `FitConfig`; `falling` for the cosine, else constant after the warm-up.
    """

    weights: Parameters
    loss: Callable[[Parameters, Sequence[int]], Tensor]
    lr: float
    weight_decay: float
    clip: float
    warmup: float
    epochs: int
    falling: bool
    steps: int = 0
    means: Parameters = field(default_factory=dict)
    squares: Parameters = field(default_factory=dict)

    def epoch(self, number: int, batches: Sequence[Sequence[int]]) -> float:
        """Train an epoch (from 1) and return the mean loss over its rows."""
        total = 0.0
        for place, rows in enumerate(batches):
            share = (number - 1 + place / len(batches)) / self.epochs
            total += self._step(rows, self._rate(share)) * len(rows)
        return total / sum(map(len, batches))

    def _rate(self, share: float) -> float:
        if share < self.warmup:
            return self.lr * share / self.warmup
        if not self.falling:
            return self.lr
        beyond = (share - self.warmup) / (1 - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * beyond))

    def _step(self, rows: Sequence[int], rate: float) -> float:
        for weight in self.weights.values():
            weight.requires_grad_().grad = None
        loss = self.loss(self.weights, rows)
        loss.backward()
        gradients = {name: weight.grad for name, weight in self.weights.items()}
        norm = math.sqrt(sum(float(g.square().sum()) for g in gradients.values()))
        factor = min(1.0, self.clip / norm) if self.clip else 1.0
        self.steps += 1
        with torch.no_grad():
            for name, gradient in gradients.items():
                self._update(name, gradient * factor, rate)
        return float(loss.detach())

    def _update(self, name: str, gradient: Tensor, rate: float) -> None:
        first, second = BETAS
        zero = torch.zeros_like(gradient)
        mean = first * self.means.get(name, zero) + (1 - first) * gradient
        square = second * self.squares.get(name, zero) + (1 - second) * gradient**2
        self.means[name], self.squares[name] = mean, square
        unbiased = mean / (1 - first**self.steps)
        spread = (square / (1 - second**self.steps)).sqrt() + EPSILON
        weight = self.weights[name]
        weight -= rate * (unbiased / spread + self.weight_decay * weight)
