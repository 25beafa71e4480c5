"""Gather the material of a report: scores from a training's folder, proteins from the store.

Without a store (or with one that has another version of the task) there is still a report; its
notes say what it lacks, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encoders import registry
from ..errors import InputError, NotStoredError, UnknownNameError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..residues import StructureTokens
from ..store import Store
from ..tasks import Problem, Split
from ..training.baseline_report import BaselineReport
from ..training.cautions import common_cautions
from ..training.evaluate import load_predictions
from ..training.intervals import Predicted, intervals
from ..training.metrics import METRICS, compute
from ..training.perclass import class_scores, confusion
from ..training.runs import FOLDS, Run, rows_of
from ..training.seeds import fold_runs, runs_at
from .material import Material, RowFacts
from .row_errors import row_errors, row_losses
from .structure_search import StructureSearch, search_structures
from .tracks import StoredRows, tracks_of

METHOD = (
    "Tan et al. 2024, Simple, efficient, and scalable structure-aware adapter boosts protein "
    "language models, J. Chem. Inf. Model., doi:10.1021/acs.jcim.4c00689 (the adapter)"
)
TOKENS = {
    "foldseek": "van Kempen et al. 2024, doi:10.1038/s41587-023-01773-0 (3Di tokens)",
    "dssp": "Kabsch & Sander 1983, doi:10.1002/bip.360221211 (secondary structure)",
}


def gather(
    path: Path,
    store: Store | None,
    proteins: Sequence[str] = (),
    *,
    rows: bool = True,
    structures: Sequence[Path] = (),
    progress: Progress = SILENT,
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
    structures : sequence of path
        Files, folders and tar files of structures, among which those of the drawn proteins are
        looked for.
    progress : Progress
        Told about structures as they are read.

    Raises
    ------
    MissingFileError
        There is no run, or its predictions are missing; or there is no structure at a path.
    UnknownNameError
        A protein is not among the rows of the split.
    InputError
        Proteins or structures were named, and the store to take proteins from is missing.
    """
    runs = tuple(runs_at(path))
    material = _with_scores(path, runs)
    if not rows:
        return _with_encoder_citation(material, store)
    if store is None:
        reason = "no store was given"
    else:
        try:
            return _with_rows(material, store, proteins, structures, progress)
        except (NotStoredError, UnknownNameError) as problem:
            if isinstance(problem, UnknownNameError) and problem.name in proteins:
                raise
            reason = str(problem)
    if proteins or structures:
        name = proteins[0] if proteins else structures[0]
        raise InputError(f"'{name}' cannot be drawn: {reason}. Name the run's --store")
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


def _with_rows(
    material: Material,
    store: Store,
    ids: Sequence[str],
    structures: Sequence[Path],
    progress: Progress,
) -> Material:
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
    drawn, missing = _structures(store, split, reasons, structures, progress)
    sources = StoredRows(store, task, view, tokens, drawn.structures, missing)
    tracks, title, notes = tracks_of(material, sources, reasons)
    return replace(
        material,
        rows=rows,
        tracks=tracks,
        track_title=title,
        citations=_citations(run, view.provenance.citation),
        notes=(*material.notes, *notes, *drawn.notes()),
    )


def _structures(
    store: Store,
    split: Split,
    rows: Iterable[int],
    paths: Sequence[Path],
    progress: Progress,
) -> tuple[StructureSearch, str]:
    """Structures of some rows, and why one of them has none."""
    if not paths:
        return StructureSearch(), (
            "No structure is drawn: name files or folders of them with `sesstore report RUN "
            "--structures`."
        )
    chosen = list(rows)
    sequences = store.proteins(split.digests[row].tobytes() for row in chosen)
    proteins = [
        Protein(split.ids[row], protein.sequence)
        for row, protein in zip(chosen, sequences, strict=True)
    ]
    search = search_structures(paths, proteins, progress)
    return search, (
        f"No structure is drawn: of {search.files:,} files none has a chain of this sequence, or "
        f"is named for it and fits."
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
