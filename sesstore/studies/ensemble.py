"""One structure of a protein, or several? The paper's second open question.

Where the store has several conformers of a protein (NMR models, frames of a trajectory), its
residues ask with the expectation of their tokens. The study compares that with the first conformer
alone and with no structure, over all proteins and over those that have several conformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError
from ..store import Store, Tokens
from ..training.evaluate import load_predictions
from ..training.intervals import Predicted
from ..training.runs import Run
from .figures import interval_chart
from .study import Study
from .study_record import StudyReport
from .study_settings import Place, StudySettings
from .token_views import first_conformer

QUESTION = "Do several conformers of a protein help more than one?"
FEWEST = 10
"""Proteins of test with several conformers, from which they are compared by themselves."""


def run(
    store: Store,
    settings: StudySettings,
    place: Place = Place(),  # noqa: B008 - frozen
) -> StudyReport:
    """Run the study.

    Parameters
    ----------
    store, settings, place
        See `StudySettings` and `Place`; of several sources the first with conformers is used.

    Returns
    -------
    StudyReport
        Three rows: no structure, one conformer, all conformers.

    Raises
    ------
    InputError
        No protein of the task has several conformers; or see `study.Study`.
    StoppedError
        A signal came; progress is saved.
    """
    source = _source(store, settings)
    study = Study("ensemble", QUESTION, store, settings, place, {"source": source})
    inputs, alphabets = study.inputs(source), study.alphabets(source)
    tokens = store.tokens(source)
    several = {
        name: conformers(tokens, split.digests) > 1 for name, split in study.task.splits.items()
    }
    single = replace(inputs, tokens=first_conformer(tokens))
    runs = study.train(
        "one", single, [study.arm("none", ()), study.arm("one conformer", alphabets)]
    )
    runs |= study.train("all", inputs, [study.arm("all conformers", alphabets)])
    for name, conformer_runs in runs.items():
        study.row(name, {"conformers": name}, conformer_runs)
    study.compare(*((name, runs[name]) for name in ("all conformers", "one conformer")))
    for name in ("one conformer", "all conformers"):
        study.compare((name, runs[name]), ("none", runs["none"]))
    study.find(
        "Rows with several conformers: "
        + ", ".join(
            f"{int(has.sum()):,} of {len(has):,} in {name}" for name, has in several.items()
        )
    )
    _compare_rows(study, runs, several[study.report.split])
    return study.finish({"conformers": "structure"}, interval_chart)


def conformers(tokens: Tokens, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many conformers each protein has tokens of, shape=(N,)."""
    rows = tokens.get_all(row.tobytes() for row in digests)
    counts = [max((len(c) for c in item.codes.values()), default=0) if item else 0 for item in rows]
    return np.array(counts, np.int64)


def _source(store: Store, settings: StudySettings) -> str:
    train = store.task(settings.task).split("train").digests
    for name in settings.sources or store.sources():
        if (conformers(store.tokens(name), train) > 1).any():
            return name
    raise InputError(
        f"no protein of '{settings.task}' has tokens of several conformers, which this study "
        f"compares. Tokenise NMR entries, or trajectories with `sesstore tokens "
        f"--trajectory FILE --topology FILE --source md`"
    )


def _compare_rows(study: Study, runs: dict[str, list[Run]], several: NDArray[np.bool_]) -> None:
    """Compare over the proteins that have several conformers, if there are enough."""
    split = study.report.split
    if several.sum() < FEWEST:
        study.miss(
            f"only {int(several.sum())} rows of {split} have several conformers: too few to "
            f"compare by themselves"
        )
        return
    selection = torch.from_numpy(np.flatnonzero(several))

    def predictions_of(arm_runs: Sequence[Run]) -> list[Predicted]:
        predictions = [load_predictions(run, split) for run in arm_runs]
        masks = [torch.isin(p.rows, selection) for p in predictions]
        return [
            Predicted(p.scores[k], p.labels[k], p.rows[k])
            for p, k in zip(predictions, masks, strict=True)
        ]

    single, all_ = predictions_of(runs["one conformer"]), predictions_of(runs["all conformers"])
    note = "(rows with several)"
    study.compare((f"all conformers {note}", all_), (f"one conformer {note}", single))
