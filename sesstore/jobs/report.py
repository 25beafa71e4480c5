"""Gather what a report of a training shows: scores from its folder, proteins from the store.

Without a store (or one that has another version of the task) there is still a report; what is
missing in it, and why, stands in its notes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..alphabets import alphabet
from ..encoders import registry
from ..errors import InputError, NotStoredError, UnknownNameError
from ..residues import StructureTokens
from ..store import Embeddings, Store, Tokens
from ..tasks import Problem, Split, Task
from ..training.baseline_report import BaselineReport
from ..training.cautions import common_cautions
from ..training.evaluate import load_predictions
from ..training.findings import (
    ERRORS,
    Along,
    Findings,
    RowFacts,
    row_errors,
    row_losses,
    true_probability,
)
from ..training.intervals import Predicted, intervals
from ..training.metrics import METRICS, compute
from ..training.perclass import class_scores, confusion
from ..training.pooled import pooling_weights
from ..training.runs import Run
from ..training.seeds import runs_at

METHOD = (
    "Tan et al. 2024, Simple, efficient, and scalable structure-aware adapter boosts protein "
    "language models, J. Chem. Inf. Model., doi:10.1021/acs.jcim.4c00689 (the adapter)"
)
TOKENS = {
    "foldseek": "van Kempen et al. 2024, doi:10.1038/s41587-023-01773-0 (3Di tokens)",
    "dssp": "Kabsch & Sander 1983, doi:10.1002/bip.360221211 (secondary structure)",
}
ATTENTION, SURENESS, ERROR = "attention", "probability of the true class", "absolute error"
"""What is drawn along a protein: of problems of proteins, residue classes, residue values."""


def gather(
    path: Path, store: Store | None, proteins: Sequence[str] = (), *, rows: bool = True
) -> Findings:
    """Gather what is known of a training.

    Parameters
    ----------
    path : path
        What `sesstore train` printed: a run, or the folder of several seeds.
    store : Store, optional
        With the task and the embeddings it was trained on.
    proteins : sequence of str
        Ids of rows to draw residue by residue; the best, the middle and the worst by default.
    rows : bool
        Gather what is known protein by protein, too; else scores and citations alone.

    Raises
    ------
    MissingFileError
        There is no run, or its predictions are missing.
    UnknownNameError
        A protein is not among the rows of the split.
    InputError
        Proteins were named, and the store to take them from is missing.
    """
    runs = tuple(runs_at(path))
    found = _scored(path, runs)
    if not rows:
        return _cited(found, store)
    if store is None:
        reason = "no store at hand"
    else:
        try:
            return _with_rows(found, store, proteins)
        except (NotStoredError, UnknownNameError) as problem:
            if isinstance(problem, UnknownNameError) and problem.name in proteins:
                raise
            reason = str(problem)
    if proteins:
        raise InputError(f"'{proteins[0]}' cannot be drawn: {reason}. Name the run's --store")
    note = f"Not shown: proteins one by one, and where errors concentrate ({reason})."
    return replace(found, notes=(*found.notes, note))


def store_of(path: Path) -> Store | None:
    """Open a store, if there is one: a report can do without."""
    return Store.open(path) if path.is_dir() else None


def _scored(path: Path, runs: tuple[Run, ...]) -> Findings:
    task = runs[0].task
    problem, n_classes = Problem(task["problem"]), len(task["classes"])
    names = dict.fromkeys((*task["metrics"], task["monitor"], *METRICS[problem]))
    splits = [split for split in ("valid", "test") if split in runs[0].metrics]
    predicted = {s: tuple(load_predictions(run, s) for run in runs) for s in splits}
    last = predicted[splits[-1]]
    single = not problem.is_regression and problem is not Problem.MULTI_LABEL
    return Findings(
        name=path.resolve().name,
        runs=runs,
        split=splits[-1],
        predicted=last,
        values={split: _values(names, problem, predicted[split]) for split in splits},
        intervals=intervals(names, problem, last),
        classes=tuple(class_scores(task["classes"], problem, last)),
        confusion=confusion(n_classes, last) if single else None,
        baselines=BaselineReport.load(path),
        cautions=common_cautions(runs),
        citations=_citations(runs[0], _published(runs[0].fingerprint.encoder)),
    )


def _values(
    names: Mapping[str, None], problem: Problem, runs: Sequence[Predicted]
) -> dict[str, tuple[float, ...]]:
    each = [compute(names, problem, run.scores, run.labels) for run in runs]
    return {name: tuple(values[name] for values in each) for name in names}


def _citations(run: Run, encoder: str = "") -> tuple[str, ...]:
    named = [run.task.get("citation") or "", encoder]
    used = [TOKENS[name] for name in run.config["adapter"]["alphabets"] if name in TOKENS]
    return tuple(text for text in (METHOD, *named, *used) if text)


def _published(encoder: str) -> str:
    """What to cite for an encoder of the registry; empty for another one."""
    return next((s.citation for s in registry.specs() if s.full_name == encoder), "")


def _with_rows(found: Findings, store: Store, chosen: Sequence[str]) -> Findings:
    """Add what the store knows of the rows."""
    run = found.run
    task = store.task(run.task["name"])
    if task.data_digest != run.task["data_digest"]:
        raise NotStoredError("the store's task is not the version the run was trained on")
    split, view = task.split(found.split), store.embeddings(run.fingerprint)
    places = view.find(split.digests)
    if (places < 0).any():
        raise NotStoredError(f"{int((places < 0).sum()):,} proteins have no embedding any more")
    tokens = store.tokens(run.source) if run.source in store.sources() else None
    stored = (tokens or _NoTokens()).get_all(row.tobytes() for row in split.digests)
    losses = row_losses(found.problem, found.predicted, len(split))
    rows = RowFacts(
        split.ids,
        view.lengths[places],
        np.array([_confidence(item) for item in stored]),
        row_errors(found.problem, found.predicted, len(split)),
    )
    picked = _named(split, chosen) if chosen else _typical(losses, view.lengths[places])
    along, drawn, notes = _along(found, store, task, view, tokens, picked)
    return replace(
        found,
        rows=rows,
        along=along,
        drawn=drawn,
        citations=_citations(run, view.provenance.citation),
        notes=(*found.notes, *notes),
    )


def _cited(found: Findings, store: Store | None) -> Findings:
    """Add what the store says of the encoder, if it has it."""
    try:
        made = None if store is None else store.embeddings(found.run.fingerprint).provenance
    except NotStoredError:
        made = None
    if made is None or not made.citation:
        return found
    return replace(found, citations=_citations(found.run, made.citation))


class _NoTokens:
    """Tokens of a run without structure."""

    def get_all(self, digests: Any) -> list[None]:
        return [None for _ in digests]


def _confidence(item: StructureTokens | None) -> float:
    return float("nan") if item is None or item.plddt is None else float(item.plddt.mean())


def _named(split: Split, ids: Sequence[str]) -> dict[int, str]:
    """Rows of some ids, each with why it is shown."""
    for name in ids:
        if name not in split.ids:
            raise UnknownNameError("protein of the reported split", name, split.ids)
    return {row: "chosen" for row, name in enumerate(split.ids) if name in ids}


def _typical(
    losses: NDArray[np.float64], lengths: NDArray[np.int64], longest: int = 1000
) -> dict[int, str]:
    """The best, the middle and the worst row by loss, of those a page has room for."""
    able = np.flatnonzero(~np.isnan(losses) & (lengths <= longest))
    order = able[np.argsort(losses[able], kind="stable")]
    if not len(order):
        return {}
    places = (len(order) - 1, len(order) // 2, 0)
    why = ("largest loss", "median loss", "smallest loss")
    return dict(zip((int(order[p]) for p in reversed(places)), reversed(why), strict=True))


def _along(
    found: Findings,
    store: Store,
    task: Task,
    view: Embeddings,
    tokens: Tokens | None,
    picked: Mapping[int, str],
) -> tuple[tuple[Along, ...], str, tuple[str, ...]]:
    split, run = task.split(found.split), found.run
    digests = split.digests[list(picked)]
    values, drawn = _values_along(found, view, tokens, digests, list(picked))
    if values is None:
        pooling = run.config["adapter"]["pooling"]
        note = f"No attention over residues: the run pools by {pooling}, not by attention1d."
        return (), "", (note,)
    proteins = store.proteins([row.tobytes() for row in digests])
    stored = (tokens or _NoTokens()).get_all(row.tobytes() for row in digests)
    made = []
    for (row, why), protein, item, each in zip(
        picked.items(), proteins, stored, values, strict=True
    ):
        codes = {} if item is None else item.codes
        letters = {
            name: alphabet(name).decode(codes[name][0])
            for name in run.config["adapter"]["alphabets"]
            if name in codes and alphabet(name).letters
        }
        true, said = _words(found, row)
        made.append(Along(split.ids[row], why, protein.sequence, letters, each, true, said))
    return tuple(made), drawn, ()


def _values_along(
    found: Findings,
    view: Embeddings,
    tokens: Tokens | None,
    digests: NDArray[np.uint8],
    rows: Sequence[int],
) -> tuple[list[NDArray[np.float64]] | None, str]:
    """What is drawn along each protein: pooling weights, or how sure or wrong each residue is."""
    if not len(rows):
        return [], ATTENTION
    if not found.problem.per_residue:
        return pooling_weights(found.run, digests, view, tokens), ATTENTION
    one = found.predicted[0]
    if found.problem.is_regression:
        each, drawn = (one.scores - one.labels).abs().double().numpy(), ERROR
    else:
        each, drawn = true_probability(one), SURENESS
    return [each[one.rows.numpy() == row] for row in rows], drawn


def _words(found: Findings, row: int) -> tuple[str, str]:
    """What is true of a row and what is predicted, in words; by the first seed."""
    one, classes = found.predicted[0], found.run.task["classes"]
    at = torch.nonzero(one.rows == row)[:, 0]
    scores, labels = one.scores[at], one.labels[at]
    if found.problem.per_residue:
        error = row_errors(found.problem, [one], len(one.rows))[row]
        return f"{len(at):,} labelled residues", f"{ERRORS[found.problem]}: {error:.3f}"
    if found.problem.is_regression:
        return f"{float(labels[0]):.4g}", f"{float(scores[0]):.4g}"
    if found.problem is Problem.MULTI_LABEL:
        true = torch.nonzero(labels[0])[:, 0].tolist()
        best = scores[0].argsort(descending=True)[: max(1, len(true))].tolist()
        said = ", ".join(f"{classes[k]} (p {float(scores[0, k]):.2f})" for k in best)
        return ", ".join(classes[k] for k in true) or "none", said
    top = int(scores[0].argmax())
    return classes[int(labels[0])], f"{classes[top]} (p {float(scores[0, top]):.2f})"
