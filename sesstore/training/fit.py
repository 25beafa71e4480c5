"""Train an adapter from a store: epochs of shuffled packed batches, the best by the monitor kept.

The PLM is nowhere near: embeddings come from the store, tokens from memory. The same settings and
seed give the same weights on a CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..adapter.model import Adapter, AdapterConfig
from ..encoders.devices import choose_device
from ..errors import InputError, TrainingError
from ..progress import SILENT, Progress
from ..provenance import circumstances
from ..store import Embeddings, Tokens
from ..streaming.batch import Batch
from ..streaming.loader import Loader
from ..streaming.plan import plan_epoch
from ..streaming.reader import SplitData, is_labelled
from ..tasks import IGNORED, Problem, Task
from .checkpoint import save_weights
from .evaluate import evaluate_adapter, split_data
from .metrics import METRICS, better
from .runs import Run


@dataclass(frozen=True)
class FitConfig:
    """How to train. Defaults follow the paper's scripts.

    Parameters
    ----------
    lr : float
        Learning rate of AdamW.
    weight_decay : float
        Of AdamW.
    epochs : int
        At most so many.
    patience : int
        Stop after so many epochs without a better monitor.
    batch_tokens : int
        Most residues of a batch.
    seed : int
        Of weights, shuffling and dropout.
    min_plddt : int
        Mask the tokens of residues predicted with less; 0 masks none.
    device : str or None
        ``"cpu"``, ``"cuda"``, ...; the best there is by default.
    """

    lr: float = 5e-4
    weight_decay: float = 0.01
    epochs: int = 20
    patience: int = 5
    batch_tokens: int = 8192
    seed: int = 0
    min_plddt: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        for name in ("lr", "epochs", "patience", "batch_tokens"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")


def fit(
    task: Task,
    embeddings: Embeddings,
    tokens: Tokens | None,
    adapter: AdapterConfig,
    config: FitConfig,
    out: Path,
    *,
    progress: Progress = SILENT,
) -> Run:
    """Train an adapter on a task.

    Parameters
    ----------
    task : Task
        With ``train`` and ``valid`` rows; ``test`` is scored once, by the best epoch.
    embeddings : Embeddings
        The store's view under one encoder.
    tokens : Tokens or None
        Structure tokens of one source; needed if the adapter has alphabets.
    adapter : AdapterConfig
        Shape of the adapter.
    config : FitConfig
        How to train.
    out : path
        Folder for the run; made if it is absent.
    progress : Progress
        Told about residues trained on, with loss and monitor.

    Returns
    -------
    Run
        Saved in `out`.

    Raises
    ------
    InputError
        The task lacks train or valid rows, or `out` holds a run already.
    NotStoredError
        Proteins have no embedding.
    TrainingError
        The loss is not finite.
    """
    check_fit(task, adapter, tokens, out)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        trainer = _Trainer(task, embeddings, tokens, adapter, config, progress)
        trainer.run_epochs()
        return trainer.finish(out)


def check_fit(task: Task, adapter: AdapterConfig, tokens: Tokens | None, out: Path) -> None:
    """Raise `InputError` for what `fit` would refuse, before anything is read."""
    for needed in ("train", "valid"):
        if not len(task.splits.get(needed, ())):
            raise InputError(f"task '{task.name}' has no {needed} rows, and training needs them")
    if adapter.alphabets and tokens is None:
        raise InputError(f"an adapter with {', '.join(adapter.alphabets)} needs structure tokens")
    if (adapter.pooling == "residue") != task.problem.per_residue:
        raise InputError(
            f"pooling '{adapter.pooling}' does not fit a {task.problem} task: "
            f"'residue' is for residue tasks, and only for them"
        )
    unknown = set(task.metrics) - set(METRICS[task.problem])
    if unknown:
        raise InputError(f"a {task.problem} task has no metric {', '.join(sorted(unknown))}")
    if (out / "run.json").exists():
        raise InputError(f"'{out}' holds a run already. Name another folder with --out")


class _Trainer:
    """State of one training: adapter, optimiser, best so far, history."""

    def __init__(
        self,
        task: Task,
        embeddings: Embeddings,
        tokens: Tokens | None,
        adapter: AdapterConfig,
        config: FitConfig,
        progress: Progress,
    ) -> None:
        self.task, self.config, self.progress = task, config, progress
        self.fingerprint = embeddings.provenance.fingerprint
        self.source = tokens.source if tokens is not None and adapter.alphabets else None
        self.settings = {"adapter": asdict(adapter), "fit": asdict(config)}
        self.started = time.perf_counter()
        self.data: dict[str, SplitData] = {
            name: split_data(task, split, embeddings, tokens, self.settings)
            for name, split in task.splits.items()
            if len(split)
        }
        self.device = choose_device(config.device)
        self.adapter = Adapter(adapter).to(self.device)
        self.scale = label_scale(task)
        self.optimiser = torch.optim.AdamW(
            self.adapter.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.history: list[dict[str, Any]] = []
        self.best: float | None = None
        self.best_state: dict[str, Tensor] = {}

    def run_epochs(self) -> None:
        """Train until the last epoch, or until the monitor stops getting better."""
        total = int(self.data["train"].lengths.sum()) * self.config.epochs
        monitor, waiting = self.task.monitor, 0
        with self.progress.stage("training", total, "residues") as bar:
            for epoch in range(1, self.config.epochs + 1):
                entry = self._train_epoch(epoch, bar.advance)
                entry["valid"] = self._score("valid")
                entry["best"] = better(monitor, entry["valid"][monitor], self.best)
                if entry["best"]:
                    self._keep_best(entry["valid"][monitor])
                waiting = 0 if entry["best"] else waiting + 1
                self.history.append(entry)
                bar.show(
                    epoch=f"{epoch}/{self.config.epochs}",
                    loss=f"{entry['loss']:.4f}",
                    **{monitor: f"{entry['valid'][monitor]:.4f}", "best": f"{self.best or 0:.4f}"},
                )
                if waiting >= self.config.patience:
                    break

    def finish(self, out: Path) -> Run:
        """Score the best epoch on valid and test, and write the run."""
        if not self.best_state:
            raise TrainingError(
                f"{self.task.monitor} on valid was never a number: too few rows, or one class only"
            )
        self.adapter.load_state_dict(self.best_state)
        metrics = {name: self._score(name) for name in self.data if name != "train"}
        out.mkdir(parents=True, exist_ok=True)
        run = Run(
            path=out,
            task=task_record(self.task),
            config=self.settings,
            fingerprint=self.fingerprint,
            source=self.source,
            coverage={name: asdict(data.coverage) for name, data in self.data.items()},
            metrics=metrics,
            history=self.history,
            timings=self._timings(),
            scale=self.scale,
            circumstances=circumstances("torch", "numpy", "zarr"),
        )
        save_weights(run, self.best_state)
        run.save()
        return run

    def _train_epoch(self, epoch: int, advance: Any) -> dict[str, Any]:
        data, config = self.data["train"], self.config
        plan = plan_epoch(data.lengths, config.batch_tokens, seed=config.seed, epoch=epoch)
        loader = Loader(data, plan, self.device)
        self.adapter.train()
        began, total, weight = time.perf_counter(), 0.0, 0
        for batch in loader:
            loss = self._step(batch)
            rows = len(batch.lengths)
            total, weight = total + loss * rows, weight + rows
            advance(len(batch.values))
        seconds = time.perf_counter() - began
        if not math.isfinite(total):
            raise TrainingError(
                f"the loss of epoch {epoch} is not finite. Lower the learning rate: "
                f"--lr {config.lr / 10:g}"
            )
        return {
            "epoch": epoch,
            "loss": total / weight,
            "seconds": seconds,
            "tokens_per_second": int(data.lengths.sum()) / seconds,
            "wait_share": loader.waited / seconds,
        }

    def _step(self, batch: Batch) -> float:
        half = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            logits = self.adapter(batch)
        assert batch.labels is not None
        loss = task_loss(logits.float(), batch.labels, self.task.problem, self.scale)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())

    def _score(self, split: str) -> dict[str, float]:
        rows = self.task.split(split)
        data = self.data[split]
        return evaluate_adapter(self.adapter, self.task, rows, data, self.scale).metrics

    def _keep_best(self, value: float) -> None:
        self.best = value
        state = self.adapter.state_dict()
        self.best_state = {name: tensor.detach().clone() for name, tensor in state.items()}

    def _timings(self) -> dict[str, float]:
        seconds = [entry["seconds"] for entry in self.history]
        return {
            "total": time.perf_counter() - self.started,
            "seconds_per_epoch": sum(seconds) / len(seconds),
            "tokens_per_second": max(entry["tokens_per_second"] for entry in self.history),
            "wait_share": sum(e["wait_share"] * e["seconds"] for e in self.history) / sum(seconds),
        }


def label_scale(task: Task) -> dict[str, float]:
    """Mean and standard deviation of the train labels of a regression; empty for classes."""
    if not task.problem.is_regression:
        return {}
    labels = torch.cat(
        [torch.as_tensor(label).double().reshape(-1) for label in task.splits["train"].labels]
    )
    known = labels[is_labelled(labels)]
    std = float(known.std()) if len(known) > 1 else 0.0
    return {"mean": float(known.mean()), "std": std or 1.0}


def task_loss(
    logits: Tensor, labels: Tensor, problem: Problem, scale: Mapping[str, float]
) -> Tensor:
    """Loss of a batch: cross-entropy, binary cross-entropy, or squared error of scaled labels.

    Parameters
    ----------
    logits : Tensor, shape=(B, C) or (T, C)
    labels : Tensor
        As `Batch.labels`; residues without a label do not count.
    """
    if problem.is_regression:
        known = is_labelled(labels)
        scaled = (labels[known] - scale["mean"]) / scale["std"]
        return F.mse_loss(logits[:, 0][known], scaled)
    if problem is Problem.MULTI_LABEL:
        return F.binary_cross_entropy_with_logits(logits, labels)
    return F.cross_entropy(logits, labels, ignore_index=IGNORED)


def task_record(task: Task) -> dict[str, Any]:
    """What a run's record says of its task."""
    return {
        "name": task.name,
        "problem": str(task.problem),
        "classes": list(task.classes),
        "metrics": list(task.metrics),
        "monitor": task.monitor,
        "data_digest": task.data_digest,
        "citation": task.citation,
    }
