"""A larger PLM, or a wider adapter? Score, time and bytes over what the store holds.

The paper's third open question. Each encoder with embeddings of all the task's proteins is a row of
the grid, each adapter width a column; the seeds of a cell share a stream of their own, so its time
is measured, not estimated.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..encoders import registry
from ..errors import InputError
from ..jobs.inputs import Inputs
from ..store import Store
from ..streaming.reader import read_type
from .arms import Arm, parameter_count
from .figures import scaling_chart
from .study import Study
from .study_record import StudyReport
from .study_settings import Place, StudySettings

QUESTION = "What buys more: a larger PLM, or a wider adapter?"


def run(
    store: Store,
    settings: StudySettings,
    place: Place = Place(),  # noqa: B008 - frozen
    *,
    plms: Sequence[str] = (),
    widths: Sequence[int] = (32, 128),
) -> StudyReport:
    """Run the study.

    Parameters
    ----------
    store, settings, place
        See `StudySettings` and `Place`; of several sources the first is used, and no structure
        where there is none.
    plms : sequence of str
        Encoders; all of the store that have embedded the task by default.
    widths : sequence of int
        Widths to project embeddings to; without projection is tried too.

    Returns
    -------
    StudyReport
        A row for each encoder and width: score, seconds an epoch, bytes of embeddings, parameters.

    Raises
    ------
    InputError, StoppedError
        See `study.Study` and `arms.train_trial`.
    """
    options = {"plms": list(plms), "widths": list(widths)}
    study = Study("scaling", QUESTION, store, settings, place, options)
    source = study.source()
    alphabets = study.alphabets(source) if source else ()
    if source is None:
        study.miss("there are no structure tokens of this task, so adapters have none either")
    encoder_inputs = [study.inputs(source, name) for name in plms] or _embedded(study, source)
    for inputs in encoder_inputs:
        for width in (*widths, None):
            if (arm := _arm(inputs, study, alphabets, width)) is None:
                continue
            runs = study.train(arm.name, inputs, [arm])[arm.name]
            seconds = statistics.fmean(run.timings["seconds_per_epoch"] for run in runs)
            study.row(arm.name, arm.factors, runs).update(
                dim=inputs.embeddings.dim,
                seconds_per_epoch=seconds / len(runs),
                bytes=_bytes(inputs),
                parameters=parameter_count(inputs, arm),
            )
    if len(encoder_inputs) == 1:
        study.miss(
            f"there are embeddings by one encoder only ({next(iter(study.encoders))}), so this "
            f"says nothing of PLM size. Embed with others: `sesstore embed {study.task.name} "
            f"--plm NAME`"
        )
    _say_best(study)
    columns = {
        "encoder": "encoder",
        "width": "width",
        "parameters": "parameters",
        "bytes": "bytes of embeddings",
        "seconds_per_epoch": "seconds an epoch",
    }
    return study.finish(columns, scaling_chart)


def _embedded(study: Study, source: str | None) -> list[Inputs]:
    """What each encoder that has embedded every protein of the task gives to learn from."""
    digests = np.concatenate([split.digests for split in study.task.splits.values()])
    complete = []
    for provenance in study.store.residue_encoders():
        view = study.store.embeddings(provenance.fingerprint)
        missing = int((view.find(digests) < 0).sum())
        if missing:
            study.miss(
                f"{provenance.fingerprint.encoder} lacks {missing:,} of the task's rows and was "
                f"left out. Make them with `sesstore embed {study.task.name} --plm "
                f"{provenance.fingerprint.encoder}`"
            )
        else:
            complete.append(study.stored(provenance, source))
    if not complete:
        raise InputError(
            f"no encoder has embedded '{study.task.name}'. Run `sesstore embed {study.task.name} "
            f"--plm NAME` with each that is to be compared"
        )
    return complete


def _arm(inputs: Inputs, study: Study, alphabets: Sequence[str], width: int | None) -> Arm | None:
    fingerprint, inner = inputs.embeddings.provenance.fingerprint, width or inputs.embeddings.dim
    heads = int(study.settings.adapter.get("heads", 8))
    if alphabets and inner % (2 * heads):
        study.miss(f"{heads} heads do not divide width {inner} of {fingerprint.encoder}: left out")
        return None
    title = registry.title(fingerprint)
    projection = "" if width else " (no projection)"
    name = f"{title} {fingerprint.short}, width {inner}{projection}"
    arm = study.arm(name, alphabets, width=width)
    return Arm(
        name,
        {"encoder": title, "width": inner, "projected": bool(width)},
        arm.adapter,
    )


def _bytes(inputs: Inputs) -> int:
    """Bytes of the embeddings of the task's proteins, each once, as they are read."""
    view = inputs.embeddings
    digests = np.concatenate([split.digests for split in inputs.task.splits.values()])
    residues = int(view.lengths[np.unique(view.find(digests))].sum())
    return residues * view.dim * read_type(view).itemsize


def _say_best(study: Study) -> None:
    rows: list[dict[str, Any]] = study.report.rows
    if not rows:
        raise InputError(
            "no width fits the number of heads. Choose others with --widths or --heads"
        )
    best = (min if study.lower_is_better else max)(rows, key=lambda row: row["valid"])
    fastest = min(rows, key=lambda row: row["seconds_per_epoch"])
    study.find(
        f"Best on valid: {best['arm']} ({study.report.split} {best['score']:.4f}, "
        f"{best['seconds_per_epoch']:.2f} s an epoch); fastest: {fastest['arm']} "
        f"({fastest['score']:.4f}, {fastest['seconds_per_epoch']:.2f} s an epoch)"
    )
