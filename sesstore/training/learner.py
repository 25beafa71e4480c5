"""One adapter being trained: its optimiser, its schedule, its best epoch so far.

A learner takes packed batches and knows nothing of where they come from, so several can learn from
one stream. What it draws at random depends only on seed, epoch and batch number: a training that
was interrupted goes on exactly as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..adapter.adapter_config import AdapterConfig
from ..adapter.model import Adapter
from ..adapter.workers import PART, Workers
from ..streaming.batch import Batch
from ..tasks import Task
from .adamw import AdamW
from .arithmetic import mixed_precision
from .fit_config import FitConfig
from .losses import Loss, class_weights, label_scale
from .metrics import better
from .ranks import ALONE, Ranks

SMALLEST_PART = 256
"""Residues that are worth a core's while."""


class Learner:
    """An adapter in training.

    Parameters
    ----------
    task : Task
        What it learns.
    adapter : AdapterConfig
        Its shape.
    config : FitConfig
        How it learns.
    device : torch.device
        Where.
    start : Tensor, shape=(C,), optional
        Logits that the adapter says of everything before it has learned; at random without.
    """

    def __init__(
        self,
        task: Task,
        adapter: AdapterConfig,
        config: FitConfig,
        device: torch.device,
        start: Tensor | None = None,
    ) -> None:
        self.config, self.device, self.monitor = config, device, task.monitor
        self.pace = config.pace
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.adapter = Adapter(adapter).to(device)
        if start is not None:
            self.adapter.start_at(start)
        self.parameters = list(self.adapter.parameters())
        self.optimiser = AdamW(self.parameters, config.weight_decay)
        weights = class_weights(task, config.class_weights)
        self.loss = Loss(task.problem, label_scale(task), weights, config.focal)
        self.history: list[dict[str, Any]] = []
        self.best: float | None = None
        self.best_weights: dict[str, Tensor] = {}
        self.checks_without_gain = 0
        """Checks on valid since the best one."""

    @property
    def is_finished(self) -> bool:
        """Whether it has had its epochs, or its patience is over."""
        past = self.history[-1]["epoch"] if self.history else 0
        return past >= self.config.last_epoch or self.checks_without_gain >= self.pace.patience

    def step(
        self,
        batch: Batch | None,
        epoch: int,
        number: int,
        of: int,
        workers: Workers,
        ranks: Ranks = ALONE,
    ) -> Tensor:
        """Learn from one batch.

        Parameters
        ----------
        batch : Batch or None
            This process's rows, with labels, on the learner's device; None if it has none.
        epoch, number, of : int
            The epoch (from 1), the batch's number in it (from 0), and how many it has.
        workers : Workers
            What computes the batch's parts.
        ranks : Ranks
            The processes that have the batch's other rows.

        Returns
        -------
        Tensor, shape=()
            Mean loss over all rows, on the device: reading it waits for the device.
        """
        jobs = self.jobs(batch, epoch, number, ranks)
        if jobs is None:
            return torch.zeros((), device=self.device)
        return self.finish(workers.map(Job.run, jobs, Job.cost), epoch, number, of, ranks)

    def jobs(
        self, batch: Batch | None, epoch: int, number: int, ranks: Ranks = ALONE
    ) -> list[Job] | None:
        """Return the gradients to compute for a batch, part by part; arguments as of `step`.

        None if no row anywhere has a label: then there is nothing to learn.
        """
        labels = None if batch is None or batch.labels is None else batch.labels_on_host
        weight = ranks.total(0.0 if labels is None else self.loss.weight(labels))
        if not weight:
            return None
        if batch is None:
            return []
        if not self.adapter.training:
            self.adapter.train()
        key = (self.config.seed, epoch, number, *([ranks.rank] if ranks.world > 1 else []))
        budget = self.pace.batch_tokens
        if self.device.type == "cpu":  # cores share what is in small batches, too
            budget = min(PART, max(budget // 4, SMALLEST_PART))
        parts = batch.parts(budget, self.loss.problem.per_residue)
        return [Job(self, part, weight, (*key, place)) for place, part in enumerate(parts)]

    def finish(
        self,
        gradients: Sequence[tuple[Tensor, ...]],
        epoch: int,
        number: int,
        of: int,
        ranks: Ranks = ALONE,
    ) -> Tensor:
        """Learn from what the jobs of a batch found, in their order; otherwise as `step`."""
        loss, *total = ranks.sum(self._summed(gradients))
        self._set_gradients(total)
        self.optimiser.step(self.config.rate((epoch - 1 + number / of) / self.pace.epochs))
        return loss

    def check(self, entry: dict[str, Any]) -> None:
        """Note a check, with its ``valid`` metrics; keep the weights if they are the best.

        Without valid the last ones are.
        """
        value = entry["valid"].get(self.monitor, math.nan)
        entry["best"] = not entry["valid"] or better(self.monitor, value, self.best)
        if entry["best"]:
            self.best, state = value, self.adapter.state_dict()
            self.best_weights = {name: tensor.detach().clone() for name, tensor in state.items()}
        self.checks_without_gain = 0 if entry["best"] else self.checks_without_gain + 1
        self.history.append(entry)

    def keep_start(self) -> None:
        """Take what the adapter began at, a last layer of zeros, for its best weights."""
        for name in ("logits.weight", "logits.bias"):
            self.best_weights[name].zero_()
        for entry in self.history:
            entry["best"] = entry["epoch"] == 0

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Everything numeric that training goes on from, by name."""
        yield from ((f"weights/{n}", p.detach()) for n, p in self.adapter.named_parameters())
        yield from ((f"best/{name}", tensor) for name, tensor in self.best_weights.items())
        yield from ((f"optimiser/{name}", tensor) for name, tensor in self.optimiser.tensors())

    def facts(self) -> dict[str, Any]:
        """Everything else, as plain values."""
        return {"history": self.history, "best": self.best, "waiting": self.checks_without_gain}

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Go on from `tensors` and `facts` of an earlier learner with the same settings."""
        self.history, self.best = facts["history"], facts["best"]
        self.checks_without_gain = facts["waiting"]
        by_kind: dict[str, dict[str, Tensor]] = {"weights": {}, "best": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            kind, _, parameter = name.partition("/")
            by_kind[kind][parameter] = tensor.to(self.device)
        self.adapter.load_state_dict(by_kind["weights"])
        self.best_weights = by_kind["best"]
        self.optimiser.restore(by_kind["optimiser"])

    def gradients(self, part: Batch, weight: float, chance: torch.Generator) -> tuple[Tensor, ...]:
        """Loss of a part, then the gradient of each parameter."""
        assert part.labels is not None
        with torch.enable_grad():
            with mixed_precision(self.device):
                logits = self.adapter(part, chance)
            loss = self.loss.total(logits.float(), part.labels) / weight
            return loss.detach(), *torch.autograd.grad(loss, self.parameters)

    def _summed(self, parts: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
        if not parts:
            nothing = torch.zeros((), device=self.device)
            return [nothing, *(torch.zeros_like(p) for p in self.parameters)]
        total = list(parts[0])
        for part in parts[1:]:
            torch._foreach_add_(total, list(part))
        return total

    def _set_gradients(self, total: list[Tensor]) -> None:
        for parameter, gradient in zip(self.parameters, total, strict=True):
            parameter.grad = gradient
        if self.config.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)


@dataclass(frozen=True, eq=False)
class Job:
    """A learner's gradients on a part of a batch, still to be computed.

    Parameters
    ----------
    learner : Learner
        Whose.
    part : Batch
        Some proteins of a batch.
    weight : float
        Of the whole batch: losses are divided by it.
    key : tuple of int
        What dropout is drawn from.
    """

    learner: Learner
    part: Batch
    weight: float
    key: tuple[int, ...]

    def run(self) -> tuple[Tensor, ...]:
        """Loss of the part, then the gradient of each parameter."""
        chance = _chance(self.learner.device, *self.key)
        return self.learner.gradients(self.part, self.weight, chance)

    def cost(self) -> float:
        """About how long it takes."""
        return float(self.learner.adapter.flops(self.part.lengths))


def _chance(device: torch.device, *key: int) -> torch.Generator:
    """Generator that depends on nothing but its key."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(seed & (2**63 - 1))


def with_seeds(config: FitConfig, count: int) -> list[FitConfig]:
    """Return a configuration with `count` seeds, beginning with its own."""
    return [replace(config, seed=config.seed + i) for i in range(count)]
