"""A run that predicts for whoever sends something, one job after another.

The prediction is the one of `sesstore predict`, and nothing that is sent or computed is kept: not
in the store, and in memory only as long as the limits say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encoders import registry
from ..errors import InputError, StructureError
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
        *,
        progress: Progress = SILENT,
    ) -> None:
        self.loaded, self.limits, self._store = loaded, limits, store
        run = loaded.run
        self.problem = Problem(run.task["problem"])
        self._linear = all(seed.best_epoch == 0 for seed in loaded.runs)
        reads = run.source is not None and not self._linear
        self.alphabets = tuple(run.config["adapter"]["alphabets"]) if reads else ()
        """Structure tokens the run reads; none where it predicts by its linear model alone."""
        self.colours = ResidueColours(self.problem, tuple(run.task["classes"]))
        run.fingerprint.check_same(loaded.encoder.fingerprint)
        next(iter(loaded.encoder.encode([Protein("ready", "MKVLAAGIVG")])))
        loaded.predictor  # noqa: B018 - reads the weights
        self.known: KnownProteins | None = None
        if store is not None:
            self.known = known_proteins(store, loaded, progress=progress)
        self.queue = JobQueue(self._work, limits, progress.note)

    def __enter__(self) -> PredictionService:
        self.queue.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.queue.__exit__(*error)

    def _work(self, job: Job) -> JobResult:
        with _spec_of(job) as (spec, without_folder):
            options = PredictOptions(
                source=self.loaded.run.source or _ANY_SOURCE,
                keep=False,
                chunk_residues=CHUNK_RESIDUES,
            )
            proteins: list[ProteinResult] = []
            name, data = job.submission.name, job.submission.structure
            structure = UploadedStructure(Path(name), data) if data else None
            ready = prediction_by(
                self.loaded, spec, self._store, options, progress=JobProgress(job)
            )
            with ready as predicted:
                for chunk in predicted.predicted_chunks(job.cancel.is_set):
                    proteins += self._results(chunk, structure)
                    residues = sum(len(result.sequence) for result in proteins)
                    check_size(len(proteins), residues, self.limits)
            return JobResult(
                self.about(),
                predicted.columns,
                proteins,
                self.colours.title if any(p.values is not None for p in proteins) else "",
                {
                    without_folder(name): without_folder(reason)
                    for name, reason in predicted.report.failed.items()
                },
                (*job.submission.warnings, *self._notes(job, predicted.report)),
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
        if self.known is not None:
            nearest = self.known.nearest(chunk.proteins, chunk.embeddings, NEAREST)
        every = zip(
            chunk.proteins, chunk.rows, stored, self._values(chunk, digests), nearest, strict=True
        )
        for protein, row, tokens, values, hits in every:
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
        if self._linear and not self.problem.per_residue:
            return [None] * len(chunk.proteins)
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
            which = "it" if report.proteins == 1 else f"{missing:,} of {report.proteins:,} proteins"
            yield (
                f"The run reads structure tokens ({names}), and none are known of {which}: masked "
                f"ones were read instead. With a structure file (PDB or mmCIF) the prediction "
                f"rests on more"
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
        before = self.job.stage, self.job.done, self.job.total
        self.job.stage, self.job.done, self.job.total = name, 0, total or 0
        yield self
        self.job.stage, self.job.done, self.job.total = before

    def advance(self, amount: int = 1) -> None:
        """Count what is done."""
        self.job.done += amount

    def show(self, **figures: str) -> None:
        """Nothing is shown."""

    def row(self, **figures: str) -> None:
        """Nothing is shown."""

    def note(self, text: str) -> None:
        """Nobody reads it."""


@contextmanager
def _spec_of(job: Job) -> Iterator[tuple[InputSpec, Callable[[str], str]]]:
    """What to predict for, and what takes the path of its scratch folder out of a message."""
    submission = job.submission
    if not submission.structure:
        yield InputSpec(proteins=submission.proteins), str
        return
    with tempfile.TemporaryDirectory(prefix="sesstore-") as folder:
        path = Path(folder) / submission.name
        path.write_bytes(submission.structure)
        try:
            yield InputSpec(names=(str(path),)), lambda text: text.replace(f"{folder}/", "")
        except InputError as problem:
            raise StructureError(str(problem).replace(f"{folder}/", "")) from None
