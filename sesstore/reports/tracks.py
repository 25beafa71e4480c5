"""Proteins of a report, residue by residue: what is drawn along them, and on their structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..residues import StructureTokens
from ..store import Embeddings, Store, Tokens
from ..streaming.reader import is_labelled
from ..structures.confidence import plddt
from ..tasks import Problem, Task
from ..training.predictor import attention_absence, pooling_weights
from ..training.runs import rows_of
from .material import ATTENTION, ERROR, SURENESS, Material, ResidueTrack
from .residues import token_letters
from .row_errors import ERRORS, row_errors, true_probability
from .structure_view import Colouring, ViewedStructure, classes, numbers


@dataclass(frozen=True, eq=False)
class StoredRows:
    """What a store has of the rows that are drawn.

    Parameters
    ----------
    store : Store
    task : Task
    view : Embeddings
    tokens : Tokens or None
    structures : mapping of bytes to ViewedStructure
        By digest of the protein.
    absence : str
        Why a protein has none.
    """

    store: Store
    task: Task
    view: Embeddings
    tokens: Tokens | None
    structures: Mapping[bytes, ViewedStructure] = field(default_factory=dict)
    absence: str = ""


def tracks_of(
    material: Material, rows: StoredRows, reasons: Mapping[int, str]
) -> tuple[tuple[ResidueTrack, ...], str, tuple[str, ...]]:
    """Tracks of some rows of the split, each with the reason why it is drawn.

    Returns
    -------
    tracks : tuple of ResidueTrack
    title : str
        What their values are.
    notes : tuple of str
        Why there are none.
    """
    run, (split, digests) = material.run, _digests(material, rows, reasons)
    values, title = _values(material, rows, digests, list(reasons))
    if values is None:
        return (), "", (f"No attention over residues: the run {attention_absence([run])}.",)
    proteins = rows.store.proteins(digests)
    stored = [None] * len(digests) if rows.tokens is None else rows.tokens.get_all(digests)
    tracks = []
    for (row, reason), protein, tokens, curve in zip(
        reasons.items(), proteins, stored, values, strict=True
    ):
        label, prediction = _label_and_prediction(material, row)
        viewed = rows.structures.get(protein.digest)
        track = ResidueTrack(
            split.ids[row],
            reason,
            protein.sequence,
            token_letters(tokens, run.config["adapter"]["alphabets"]),
            curve,
            label,
            prediction,
            further=_predicted(material, rows, row),
            plddt=plddt_of(tokens, viewed, run.source or ""),
            structure=viewed,
            absence="" if viewed else rows.absence,
        )
        tracks.append(track)
    return tuple(tracks), title, ()


def _digests(material: Material, rows: StoredRows, chosen: Mapping[int, str]) -> tuple[Any, Any]:
    split = rows_of(rows.task, material.split)
    return split, [split.digests[row].tobytes() for row in chosen]


def plddt_of(
    tokens: StructureTokens | None, viewed: ViewedStructure | None, source: str
) -> NDArray[np.float64] | None:
    """Stored pLDDT of residues, else that of the structure's file; NaN where one has none.

    Parameters
    ----------
    tokens : StructureTokens or None
    viewed : ViewedStructure or None
    source : str
        Where the structure is from, see `structures.confidence`.
    """
    if tokens is not None and tokens.plddt is not None:
        return _without_zeros(tokens.plddt)
    if viewed is None:
        return None
    structure, placed = viewed.structure, viewed.chains[0]
    by_chain, _ = plddt(structure.chains, structure.origin, source, structure.path)
    of_chain = by_chain[[chain.id for chain in structure.chains].index(placed.chain.id)]
    if of_chain is None:
        return None
    resolved = placed.index >= 0
    return np.where(resolved, _without_zeros(of_chain)[placed.index], np.nan)


def _without_zeros(values: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Confidence as numbers: residues that have none have 0."""
    return np.where(values > 0, values, np.nan).astype(np.float64)


def _values(
    material: Material, rows: StoredRows, digests: Sequence[bytes], chosen: Sequence[int]
) -> tuple[list[NDArray[np.float64]] | None, str]:
    """What is drawn along each protein: pooling weights, or how sure or wrong each residue is."""
    if not len(chosen):
        return [], ATTENTION
    if not material.problem.per_residue:
        matrix = np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)
        return pooling_weights(material.run, matrix, rows.view, rows.tokens), ATTENTION
    predicted = material.predicted[0]
    if material.problem.is_regression:
        values, title = (predicted.scores - predicted.labels).abs().double().numpy(), ERROR
    else:
        values, title = true_probability(predicted), SURENESS
    return [_along(material, rows, row, values) for row in chosen], title


def _along(
    material: Material, rows: StoredRows, row: int, values: NDArray[Any]
) -> NDArray[np.float64]:
    """Values of the labelled residues of a row at their places, NaN at the others."""
    labels = torch.as_tensor(np.asarray(rows_of(rows.task, material.split).labels[row]))
    along = np.full(len(labels), np.nan)
    along[is_labelled(labels).numpy()] = values[material.predicted[0].rows.numpy() == row]
    return along


def _predicted(material: Material, rows: StoredRows, row: int) -> tuple[Colouring, ...]:
    """What is predicted of residues, and what is true, by the first seed."""
    if not material.problem.per_residue:
        return ()
    predicted, names = material.predicted[0], material.run.task["classes"]
    scores, labels = predicted.scores.double().numpy(), predicted.labels.double().numpy()
    note = "By the first seed, where there is a label."
    if material.problem is Problem.RESIDUE_REGRESSION:
        values = [_along(material, rows, row, column) for column in (scores, labels)]
        stated = np.concatenate(values)
        stated = stated[np.isfinite(stated)]
        # Of a protein without any label there is no reach.
        low, high = (float(stated.min()), float(stated.max())) if len(stated) else (0.0, 0.0)
        return tuple(
            numbers(f"{word} {names[0]}", column, low, high, note)
            for word, column in zip(("predicted", "true"), values, strict=True)
        )
    truth = classes("true class", _along(material, rows, row, labels), names, note)
    if len(names) == 2:
        share = _along(material, rows, row, scores[:, 1])
        return numbers(f"probability of {names[1]}", share, 0, 1, note), truth
    best = _along(material, rows, row, scores.argmax(1).astype(np.float64))
    return classes("predicted class", best, names, note), truth


def _label_and_prediction(material: Material, row: int) -> tuple[str, str]:
    """What is true of a row and what is predicted, in words; by the first seed."""
    predicted, names = material.predicted[0], material.run.task["classes"]
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
        words = ", ".join(f"{names[k]} (p {float(scores[0, k]):.2f})" for k in best)
        return ", ".join(names[k] for k in true) or "none", words
    top = int(scores[0].argmax())
    return names[int(labels[0])], f"{names[top]} (p {float(scores[0, top]):.2f})"
