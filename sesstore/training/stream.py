"""The data of a training: rows, their order and residency, and the linear term of each protein.

Embeddings are held on the ``device`` when the needed rows fit in the GPU's free memory, in ``ram``
when they fit in what this process may take (see `memory`), else on ``disk``, where a thread reads
ahead from the store's mapped files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..attention.cuda import free_memory
from ..errors import InputError
from ..memory import size
from ..store import Embeddings
from ..streaming.composition import Compositions
from ..streaming.plan import EpochPlan, plan_epoch
from ..streaming.reader import SplitData, is_labelled
from ..streaming.splittokens import TokenRows
from ..tasks import Task
from .baselines import trivial_logits
from .evaluate import split_data
from .fit_config import FitConfig
from .linearterm import LinearTerm, fit_term
from .ranks import Ranks

RESIDENCIES = ("device", "ram", "disk")
SHARE = 0.5
"""Share of free memory that embeddings may take."""


def free_by_residency(device: torch.device) -> dict[str, int]:
    """Free bytes for this process and, for a GPU, of the device, as measured now."""
    free = {"ram": free_memory(torch.device("cpu"))}
    if device.type == "cuda":
        free["device"] = free_memory(device)
    return free


def choose_residency(residency: str, row_bytes: int, free: dict[str, int]) -> str:
    """Choose where to hold embeddings.

    Parameters
    ----------
    residency : str
        ``"auto"``, or one of `RESIDENCIES`.
    row_bytes : int
        Bytes of the rows.
    free : dict of str to int
        From `free_by_residency`.

    Raises
    ------
    InputError
        The name is unknown, or the rows do not fit there.
    """
    if residency == "auto":
        fits = [place for place in ("device", "ram") if row_bytes <= SHARE * free.get(place, 0)]
        return fits[0] if fits else "disk"
    if residency not in RESIDENCIES:
        raise InputError(
            f"residency '{residency}' is none of these: choose auto, {', '.join(RESIDENCIES)}"
        )
    if residency != "disk" and row_bytes > free.get(residency, 0):
        raise InputError(
            f"{size(row_bytes)} of embeddings do not fit residency '{residency}', for which "
            f"{size(free.get(residency, 0))} are free. Choose --residency disk"
        )
    return residency


class Stream:
    """The data of a task as all learners see it.

    Parameters
    ----------
    task, embeddings, tokens
        As in `fit.fit`.
    config : FitConfig
        Whose batch size, masking and residency count.
    alphabets : sequence of str
        Tokens that any learner needs.
    device : torch.device
        Where batches are needed.
    """

    def __init__(
        self,
        task: Task,
        embeddings: Embeddings,
        tokens: TokenRows | None,
        config: FitConfig,
        alphabets: Sequence[str],
        device: torch.device,
    ) -> None:
        self.task, self.config, self.device = task, config, device
        self.fingerprint = embeddings.provenance.fingerprint
        self.source = tokens.source if tokens is not None else None
        self.data: dict[str, SplitData] = {
            name: split_data(task, split, embeddings, tokens, alphabets, config.min_plddt)
            for name, split in task.splits.items()
            if len(split)
        }
        self.term: LinearTerm | None = None
        """What adapters add to; None for residue problems, and until `add_term`."""
        self.valid = "valid" in self.data and config.stop_after is None
        """Whether valid chooses."""
        self.free = free_by_residency(device)
        self.bytes = sum(data.bytes for data in self.data.values())
        self.residency = choose_residency(config.residency, self.bytes, self.free)
        for data in self.data.values():
            data.hold(self.residency, device)
        self.blockwise = self.residency == "disk" and self.bytes > SHARE * self.free["ram"]
        """Whether proteins are shuffled by blocks, because reading them at random would be slow; a
        training that goes on keeps the order it began with, wherever embeddings are held now."""

    def add_term(self, compositions: Compositions, ranks: Ranks) -> None:
        """Fit the linear term to the train rows; it becomes the offset of all rows."""
        train = self.data["train"]
        fitted = fit_term(self.task, train, compositions) if ranks.rank == 0 else None
        if (fitted := ranks.same(fitted)) is None:
            return
        self.term, train.offset = fitted
        for name, data in self.data.items():
            if name != "train":
                data.offset = self.term(data, compositions)

    def start(self) -> Tensor:
        """Return the logits that learning begins at, beside the linear term; shape=(C,)."""
        if self.term is not None:
            return torch.zeros(self.task.n_outputs)
        labels = self.data["train"].all_labels()
        if self.task.problem.per_residue:
            labels = labels[is_labelled(labels)]
        return trivial_logits(self.task.problem, labels, self.task.n_outputs)

    def plan(self, epoch: int) -> EpochPlan:
        """Batches of an epoch."""
        data, config = self.data["train"], self.config
        places = data.places if self.blockwise else None
        return plan_epoch(
            data.lengths, config.pace.batch_tokens, seed=config.seed, epoch=epoch, places=places
        )

    def coverage(self, alphabets: Sequence[str]) -> dict[str, Any]:
        """Of each split, how much has tokens of these alphabets."""
        return {name: data.coverage.of(alphabets) for name, data in self.data.items()}

    def say_residency(self) -> str:
        """Say in a line where embeddings are held, and why."""
        free = ", ".join(
            f"{size(amount)} of {place.upper()}" for place, amount in self.free.items()
        )
        where = {"ram": "in RAM", "disk": "on disk", "device": "on the device"}[self.residency]
        return f"embeddings: {size(self.bytes)}, held {where} ({free} free)"
