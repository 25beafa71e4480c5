"""Gather the material of a report: scores from a training's folder, proteins from the store.

Without a store (or with one that has another version of the task) there is still a report; its
notes say what it lacks, and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..encoders import registry
from ..errors import InputError, NotStoredError, UnknownNameError
from ..residues import StructureTokens
from ..store import Embeddings, Store, Tokens
from ..tasks import Problem, Split, Task
from ..training.baseline_report import BaselineReport
from ..training.cautions import common_cautions
from ..training.evaluate import load_predictions
from ..training.intervals import Predicted, intervals
from ..training.metrics import METRICS, compute
from ..training.perclass import class_scores, confusion
from ..training.predictor import pooling_weights
from ..training.runs import FOLDS, Run, rows_of
from ..training.seeds import fold_runs, runs_at
from .material import Material, ResidueTrack, RowFacts
from .residues import token_letters
from .row_errors import ERRORS, row_errors, row_losses, true_probability

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
) -> Material:
    """Gather the material of a training's report.

    Parameters
    ----------
    path : path
        What `sesstore train` printed: a run, or the folder of several seeds.
    store : Store, optional
        With the task and the embeddings it was trained on.
    proteins : sequence of str
        Ids of rows to draw residue by residue; the best, the middle and the worst by default.
    rows : bool
        Read proteins from the store, too; else there are scores and citations alone.

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
    material = _with_scores(path, runs)
    if not rows:
        return _with_encoder_citation(material, store)
    if store is None:
        reason = "no store was given"
    else:
        try:
            return _with_rows(material, store, proteins)
        except (NotStoredError, UnknownNameError) as problem:
            if isinstance(problem, UnknownNameError) and problem.name in proteins:
                raise
            reason = str(problem)
    if proteins:
        raise InputError(f"'{proteins[0]}' cannot be drawn: {reason}. Name the run's --store")
    note = f"Not shown: proteins one by one, and where errors concentrate ({reason})."
    return replace(material, notes=(*material.notes, note))


def store_of(path: Path) -> Store | None:
    """Open a store, if there is one: a report can do without."""
    return Store.open(path) if path.is_dir() else None


def _with_scores(path: Path, runs: tuple[Run, ...]) -> Material:
    task = runs[0].task
    problem, n_classes = Problem(task["problem"]), len(task["classes"])
    names = dict.fromkeys((*task["metrics"], task["monitor"], *METRICS[problem]))
    splits = [split for split in ("valid", "test", FOLDS) if split in runs[0].metrics]
    predicted = {s: tuple(load_predictions(run, s) for run in runs) for s in splits}
    last = predicted[splits[-1]]
    single = not problem.is_regression and problem is not Problem.MULTI_LABEL
    return Material(
        name=path.resolve().name,
        runs=runs,
        split=splits[-1],
        predicted=last,
        values={split: _values(names, problem, predicted[split]) for split in splits},
        intervals=intervals(names, problem, last),
        classes=tuple(class_scores(task["classes"], problem, last)),
        confusion=confusion(n_classes, last) if single else None,
        learning=tuple(run for fold in fold_runs(path) for run in fold),
        baselines=BaselineReport.load(path),
        cautions=common_cautions(runs),
        citations=_citations(runs[0], _encoder_citation(runs[0].fingerprint.encoder)),
    )


def _values(
    names: Mapping[str, None], problem: Problem, runs: Sequence[Predicted]
) -> dict[str, tuple[float, ...]]:
    scores = [compute(names, problem, run.scores, run.labels) for run in runs]
    return {name: tuple(values[name] for values in scores) for name in names}


def _citations(run: Run, encoder: str = "") -> tuple[str, ...]:
    sources = [run.task.get("citation") or "", encoder]
    token_sources = [TOKENS[name] for name in run.config["adapter"]["alphabets"] if name in TOKENS]
    return tuple(text for text in (METHOD, *sources, *token_sources) if text)


def _encoder_citation(encoder: str) -> str:
    """What to cite for an encoder of the registry; empty for another one."""
    return next((s.citation for s in registry.specs() if s.full_name == encoder), "")


def _with_rows(material: Material, store: Store, ids: Sequence[str]) -> Material:
    """Add what the store knows of the rows."""
    run = material.run
    task = store.task(run.task["name"])
    if task.data_digest != run.task["data_digest"]:
        raise NotStoredError("the store's task is not the version the run was trained on")
    split, view = rows_of(task, material.split), store.embeddings(run.fingerprint)
    view_rows = view.find(split.digests)
    if (view_rows < 0).any():
        raise NotStoredError(
            f"{int((view_rows < 0).sum()):,} proteins have no embedding any more: embed them again "
            f"with `sesstore embed`"
        )
    tokens = store.tokens(run.source) if run.source in store.sources() else None
    stored = (tokens or _NoTokens()).get_all(row.tobytes() for row in split.digests)
    losses = row_losses(material.problem, material.predicted, len(split))
    rows = RowFacts(
        split.ids,
        view.lengths[view_rows],
        np.array([_mean_plddt(item) for item in stored]),
        row_errors(material.problem, material.predicted, len(split)),
    )
    reasons = _rows_of_ids(split, ids) if ids else _typical_rows(losses, view.lengths[view_rows])
    tracks, title, notes = _tracks(material, store, task, view, tokens, reasons)
    return replace(
        material,
        rows=rows,
        tracks=tracks,
        track_title=title,
        citations=_citations(run, view.provenance.citation),
        notes=(*material.notes, *notes),
    )


def _with_encoder_citation(material: Material, store: Store | None) -> Material:
    """Add what the store says of the encoder, if it has it."""
    try:
        encoder = None if store is None else store.embeddings(material.run.fingerprint).provenance
    except NotStoredError:
        encoder = None
    if encoder is None or not encoder.citation:
        return material
    return replace(material, citations=_citations(material.run, encoder.citation))


class _NoTokens:
    """Tokens of a run without structure."""

    def get_all(self, digests: Any) -> list[None]:
        return [None for _ in digests]


def _mean_plddt(structure: StructureTokens | None) -> float:
    return (
        float("nan")
        if structure is None or structure.plddt is None
        else float(structure.plddt.mean())
    )


def _rows_of_ids(split: Split, ids: Sequence[str]) -> dict[int, str]:
    """Rows of some ids, each with why it is shown."""
    for name in ids:
        if name not in split.ids:
            raise UnknownNameError("protein of the reported split", name, split.ids)
    return {row: "chosen" for row, name in enumerate(split.ids) if name in ids}


def _typical_rows(
    losses: NDArray[np.float64], lengths: NDArray[np.int64], longest: int = 1000
) -> dict[int, str]:
    """The best, the middle and the worst row by loss, of those a page has room for."""
    eligible = np.flatnonzero(~np.isnan(losses) & (lengths <= longest))
    order = eligible[np.argsort(losses[eligible], kind="stable")]
    if not len(order):
        return {}
    places = (len(order) - 1, len(order) // 2, 0)
    reasons = ("largest loss", "median loss", "smallest loss")
    return dict(zip((int(order[p]) for p in reversed(places)), reversed(reasons), strict=True))


def _tracks(
    material: Material,
    store: Store,
    task: Task,
    view: Embeddings,
    tokens: Tokens | None,
    reasons: Mapping[int, str],
) -> tuple[tuple[ResidueTrack, ...], str, tuple[str, ...]]:
    split, run = rows_of(task, material.split), material.run
    digests = split.digests[list(reasons)]
    values, title = _track_values(material, view, tokens, digests, list(reasons))
    if values is None:
        pooling = run.config["adapter"]["pooling"]
        note = f"No attention over residues: the run pools by {pooling}, not by attention1d."
        return (), "", (note,)
    proteins = store.proteins([row.tobytes() for row in digests])
    stored = (tokens or _NoTokens()).get_all(row.tobytes() for row in digests)
    tracks = []
    for (row, reason), protein, structure, curve in zip(
        reasons.items(), proteins, stored, values, strict=True
    ):
        letters = token_letters(structure, run.config["adapter"]["alphabets"])
        label, prediction = _label_and_prediction(material, row)
        tracks.append(
            ResidueTrack(
                split.ids[row], reason, protein.sequence, letters, curve, label, prediction
            )
        )
    return tuple(tracks), title, ()


def _track_values(
    material: Material,
    view: Embeddings,
    tokens: Tokens | None,
    digests: NDArray[np.uint8],
    rows: Sequence[int],
) -> tuple[list[NDArray[np.float64]] | None, str]:
    """What is drawn along each protein: pooling weights, or how sure or wrong each residue is."""
    if not len(rows):
        return [], ATTENTION
    if not material.problem.per_residue:
        return pooling_weights(material.run, digests, view, tokens), ATTENTION
    predicted = material.predicted[0]
    if material.problem.is_regression:
        values, title = (predicted.scores - predicted.labels).abs().double().numpy(), ERROR
    else:
        values, title = true_probability(predicted), SURENESS
    return [values[predicted.rows.numpy() == row] for row in rows], title


def _label_and_prediction(material: Material, row: int) -> tuple[str, str]:
    """What is true of a row and what is predicted, in words; by the first seed."""
    predicted, classes = material.predicted[0], material.run.task["classes"]
    places = torch.nonzero(predicted.rows == row)[:, 0]
    scores, labels = predicted.scores[places], predicted.labels[places]
    if material.problem.per_residue:
        error = row_errors(material.problem, [predicted], len(predicted.rows))[row]
        return f"{len(places):,} labelled residues", f"{ERRORS[material.problem]}: {error:.3f}"
    if material.problem.is_regression:
        return f"{float(labels[0]):.4g}", f"{float(scores[0]):.4g}"
    if material.problem is Problem.MULTI_LABEL:
        true = torch.nonzero(labels[0])[:, 0].tolist()
        best = scores[0].argsort(descending=True)[: max(1, len(true))].tolist()
        words = ", ".join(f"{classes[k]} (p {float(scores[0, k]):.2f})" for k in best)
        return ", ".join(classes[k] for k in true) or "none", words
    top = int(scores[0].argmax())
    return classes[int(labels[0])], f"{classes[top]} (p {float(scores[0, top]):.2f})"
