"""A run that predicts for whoever sends something, one job after another.

The prediction is the one of `sesstore predict`, and nothing that is sent or computed is kept: not
in the store, and in memory only as long as the limits say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encoders import registry
from ..jobs.predicting.known_proteins import KnownProteins, known_proteins
from ..jobs.predicting.loaded_run import LoadedRun
from ..jobs.predicting.predict import PredictedChunk, PredictOptions, PredictReport, prediction_by
from ..jobs.predicting.prediction_inputs import InputSpec
from ..jobs.predicting.structure_values import values_along
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..reports.residues import NAMES, token_letters
from ..reports.structure_view import view_markup
from ..residues import StructureTokens
from ..store import Store
from ..store.digest_index import as_rows
from ..tasks import Problem
from .job_limits import ServiceLimits
from .job_queue import Job, JobQueue
from .protein_view import ResidueColours, UploadedStructure, protein_view
from .results import JobResult, ProteinResult
from .submission import check_size

NEAREST = 5
"""Known proteins that are shown of each."""

CHUNK_RESIDUES = 2048
"""After so many, or one protein, a job may be cancelled and its progress shows."""

_ANY_SOURCE = "upload"
"""What structures are said to be from where the run reads none: only their sequence counts."""


class PredictionService(AbstractContextManager["PredictionService"]):
    """A run, ready; use it in a ``with`` block, which starts and stops the worker.

    Parameters
    ----------
    loaded : LoadedRun
        Its weights are read now, so that what is missing is known before anybody asks.
    store : Store, optional
        Whose embeddings and tokens are read, and whose proteins may be near.
    limits : ServiceLimits
    neighbours : str, optional
        Among what the nearest proteins are looked for, see `known_proteins`.
    progress : Progress
        Told what is made ready, and what goes wrong.

    Raises
    ------
    WeightsError, MissingFileError, FingerprintMismatchError
        The encoder or the adapter cannot be run here.
    """

    def __init__(
        self,
        loaded: LoadedRun,
        store: Store | None,
        limits: ServiceLimits,
        neighbours: str | None = None,
        *,
        progress: Progress = SILENT,
    ) -> None:
        self.loaded, self.limits, self._store = loaded, limits, store
        run = loaded.run
        self.problem = Problem(run.task["problem"])
        reads = run.source is not None and not all(seed.is_linear for seed in loaded.runs)
        self.alphabets = tuple(run.config["adapter"]["alphabets"]) if reads else ()
        """Structure tokens the run reads; none where it predicts by its linear model alone."""
        self.colours = ResidueColours(self.problem, tuple(run.task["classes"]))
        run.fingerprint.check_same(loaded.encoder.fingerprint)
        next(iter(loaded.encoder.encode([Protein("ready", "MKVLAAGIVG")])))
        loaded.predictor  # noqa: B018 - reads the weights
        self.neighbours: KnownProteins | None = None
        """Where the nearest proteins are looked for."""
        if store is not None:
            self.neighbours = known_proteins(store, loaded, neighbours, progress=progress)
        self.queue = JobQueue(self._work, limits, progress.note)

    def __enter__(self) -> PredictionService:
        self.queue.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.queue.__exit__(*error)

    def _work(self, job: Job) -> JobResult:
        submission = job.submission
        structure = None
        if submission.structure:
            structure = UploadedStructure(Path(submission.name), data=submission.structure)
        options = PredictOptions(
            source=self.loaded.run.source or _ANY_SOURCE, keep=False, chunk_residues=CHUNK_RESIDUES
        )
        spec = InputSpec(
            proteins=submission.proteins, structures=() if structure is None else (structure,)
        )
        proteins: list[ProteinResult] = []
        ready = prediction_by(self.loaded, spec, self._store, options, progress=JobProgress(job))
        with ready as prediction:
            for chunk in prediction.predicted_chunks(job.cancel.is_set):
                proteins += self._results(chunk, structure)
                residues = sum(len(result.sequence) for result in proteins)
                check_size(len(proteins), residues, self.limits)
        return JobResult(
            self.about(),
            prediction.columns,
            proteins,
            self.colours.title if any(p.values is not None for p in proteins) else "",
            prediction.report.failed,
            (*submission.warnings, *self._notes(job, prediction.report)),
        )

    def about(self) -> dict[str, Any]:
        """What predicts: task, problem, encoder, adapters, and the tokens that are read."""
        run = self.loaded.run
        return {
            "task": run.task["name"],
            "problem": str(self.problem),
            "encoder": registry.title(run.fingerprint),
            "fingerprint": run.fingerprint.short,
            "adapters": len(self.loaded.runs),
            "structure_tokens": list(self.alphabets),
        }

    def _results(
        self, chunk: PredictedChunk, structure: UploadedStructure | None
    ) -> Iterator[ProteinResult]:
        digests = as_rows(protein.digest for protein in chunk.proteins)
        stored: list[StructureTokens | None] = [None] * len(digests)
        if chunk.tokens is not None:
            stored = chunk.tokens.get_all(row.tobytes() for row in digests)
        nearest: Iterable[list[dict[str, Any]]] = [[] for _ in chunk.proteins]
        if self.neighbours is not None:
            nearest = self.neighbours.nearest(chunk.proteins, chunk.embeddings, NEAREST)
        entries = zip(
            chunk.proteins, chunk.rows, stored, self._values(chunk, digests), nearest, strict=True
        )
        for protein, row, tokens, values, hits in entries:
            letters = token_letters(tokens, self.alphabets)
            view = protein_view(protein, self.colours, values, row, tokens, letters, structure)
            yield ProteinResult(
                row,
                protein.sequence,
                letters,
                values,
                hits,
                view_markup(view),
                view.structure is not None,
            )

    def _values(
        self, chunk: PredictedChunk, digests: NDArray[np.uint8]
    ) -> Sequence[NDArray[np.float64] | None]:
        """What is shown along each protein: what is predicted of residues, or where it looks."""
        values = values_along(
            self.loaded.predictor,
            chunk.predictions.scores,
            digests,
            chunk.embeddings,
            chunk.tokens,
        )
        return values or [None] * len(chunk.proteins)

    def _notes(self, job: Job, report: PredictReport) -> Iterator[str]:
        """What the predictions rest on, where that is not all it might be."""
        missing = report.proteins - report.with_structure
        if self.alphabets and missing:
            names = " and ".join(NAMES.get(name, name) for name in self.alphabets)
            subject = (
                "it" if report.proteins == 1 else f"{missing:,} of {report.proteins:,} proteins"
            )
            yield (
                f"The run reads structure tokens ({names}), and none are known of {subject}: "
                f"masked ones were read instead. With a structure file (PDB or mmCIF) the "
                f"prediction rests on more"
            )
        if job.submission.structure and not self.alphabets:
            yield "The run reads no structure: of the file only sequences were used"


@dataclass
class JobProgress:
    """Progress of a job: its stage, and how much of that is done. Notes are for nobody there."""

    job: Job

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[JobProgress]:
        """Begin a stage."""
        outer_stage = self.job.stage, self.job.done, self.job.total
        self.job.stage, self.job.done, self.job.total = name, 0, total or 0
        yield self
        self.job.stage, self.job.done, self.job.total = outer_stage

    def advance(self, amount: int = 1) -> None:
        """Count what is done."""
        self.job.done += amount

    def show(self, **figures: str) -> None:
        """Nothing is shown."""

    def row(self, **figures: str) -> None:
        """Nothing is shown."""

    def note(self, text: str) -> None:
        """Nobody reads it."""
