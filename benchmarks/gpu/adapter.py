"""Logits in float32, losses and gradients as trained, against the CPU."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.streaming.batch import Batch
from sesstore.tasks import IGNORED, Problem, Split, Task
from sesstore.training.arithmetic import reproducible
from sesstore.training.learner import Learner

from ..differences import relative_error
from ..epoch import LONG
from .visit import Visit

CPU = torch.device("cpu")
ALPHABETS = ("foldseek", "dssp")
LENGTHS = (7, 1, 300, 120, 2, 65, 501)
TOLERANCE = {"logits": 1e-4, "loss": 3e-2, "gradients": 8e-2}
FLIPS = 0.2
"""Of light attention's gradients: it takes maxima, and bfloat16 moves a few to another residue."""


def check(visit: Visit) -> dict[str, Any]:
    """Compare every pooling and problem at a small width, then the widths of ESM-2."""
    errors: dict[str, Any] = {}
    wrong: list[str] = []
    wide = [] if visit.tiny else [(480, 8), (1280, 8), (2560, 8), (2560, 16)]
    cases = [(64, 4, pooling, problem) for problem in Problem for pooling in _poolings(problem)]
    cases += [(dim, heads, "attention1d", Problem.SINGLE_LABEL) for dim, heads in wide]
    for dim, heads, pooling, problem in cases:
        name = f"{dim}/{heads} {pooling} {problem}"
        try:
            row = errors[name] = _errors(visit, dim, heads, pooling, problem)
        except Exception as reason:
            wrong.append(f"{name}: {type(reason).__name__}: {str(reason)[:300]}")
            continue
        allowed = TOLERANCE | ({"gradients": FLIPS} if pooling == "light_attention" else {})
        if not all(row[kind] <= limit for kind, limit in allowed.items()):
            wrong.append(f"{name}: {row}")
    return {"wrong": wrong, "errors": errors}


def _poolings(problem: Problem) -> tuple[str, ...]:
    return ("residue",) if problem.per_residue else ("attention1d", "mean", "light_attention")


def _errors(visit: Visit, dim: int, heads: int, pooling: str, problem: Problem) -> dict[str, float]:
    batch, task = _batch_and_task(dim, problem)
    shape = AdapterConfig(dim, task.n_outputs, ALPHABETS, pooling=pooling, heads=heads, dropout=0.0)
    config = replace(LONG, class_weights=None)
    learner, reference = (Learner(task, shape, config, place) for place in (visit.device, CPU))
    moved = batch.to(visit.device)
    assert batch.labels is not None
    weight = reference.loss.weight(batch.labels)
    with reproducible(visit.device):
        with torch.no_grad():
            logits = relative_error(learner.adapter(moved), reference.adapter(batch))
        loss, *gradients = learner.gradients(moved, weight, torch.Generator(visit.device))
    expected, *references = reference.gradients(batch, weight, torch.Generator())
    flat = [torch.cat([g.reshape(-1).cpu() for g in part]) for part in (gradients, references)]
    return {
        "logits": logits,
        "loss": relative_error(loss, expected),
        "gradients": relative_error(*flat),
    }


def _batch_and_task(dim: int, problem: Problem) -> tuple[Batch, Task]:
    random, total = np.random.default_rng(0), sum(LENGTHS)
    labels = [_label(problem, i % 3, n) for i, n in enumerate(LENGTHS)]
    digests = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(len(LENGTHS)))
    rows = np.frombuffer(digests, np.uint8).reshape(-1, 32)
    classes = ("value",) if problem.is_regression else ("a", "b", "c")
    task = Task("check", problem, classes, {"train": Split(tuple("abcdefg"), rows, labels)}, (), "")
    if problem.per_residue:
        packed = torch.from_numpy(np.concatenate(labels))
    elif problem is Problem.MULTI_LABEL:
        packed = torch.zeros(len(labels), 3)
        for row, row_classes in enumerate(labels):
            packed[row, list(row_classes)] = 1
    else:
        packed = torch.tensor(labels)
    codes = {
        name: torch.from_numpy(random.integers(0, size, total))
        for name, size in (("foldseek", 20), ("dssp", 8))
    }
    values = torch.from_numpy(random.standard_normal((total, dim)).astype(np.float16))
    return Batch(values, codes, LENGTHS, packed, torch.arange(len(LENGTHS))), task


def _label(problem: Problem, kind: int, length: int) -> Any:
    if problem is Problem.SINGLE_LABEL:
        return kind
    if problem is Problem.MULTI_LABEL:
        return (kind,) if kind else (0, 2)
    if problem is Problem.REGRESSION:
        return 50.0 + 10 * kind
    if problem is Problem.RESIDUE_SINGLE_LABEL:
        return np.concatenate([[IGNORED], np.full(length - 1, kind)]).astype(np.int64)
    return np.concatenate([[np.nan], np.full(length - 1, 50.0 + 10 * kind)]).astype(np.float32)
