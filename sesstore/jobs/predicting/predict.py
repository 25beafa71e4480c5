"""Predict for new sequences or structures, a million as well as one.

Proteins go through in chunks of constant size: embeddings are read from the store or computed, the
adapter predicts, rows go out, the next chunk comes. Rows stand in the order of the input, one a
record, so a sequence under two ids has two. What is computed on the way stays in the store, so that
predicting again, or by another run, is quick; with ``keep=False`` nothing is stored, and no store
is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO

from ...batches import batches_within
from ...encoders import registry
from ...errors import InputError, StoppedError
from ...failures import list_failures
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...store import Store, Tokens
from ...store.digest_index import as_rows
from ...streaming.composition import compositions
from ...structures.structure_files import StructureFile
from ...training.predictor import Predictions
from ..signals import stop_requests
from .embedding_source import EmbeddingSource, InMemoryEmbeddings
from .loaded_run import LoadedRun
from .prediction_inputs import InputPart, InputSpec, PredictionInputs, read_inputs
from .predictions import Row, columns, rows
from .structure_values import ResidueValues, meaning, values_along
from .tables import CsvTable, RowList, Table, open_table

CHUNK_RESIDUES, CHUNK_PROTEINS = 65536, 4096
"""Most residues and proteins of a chunk: what memory must hold, and the largest batch of an encoder
on a GPU."""


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

    Parameters
    ----------
    source : str, optional
        Where the structures come from; the source the run was trained on by default.
    weights : path, optional
        The encoder's weights, see `registry.load`.
    device : str, optional
        Where the encoder and the adapter run; the best there is by default.
    keep : bool
        Store embeddings and tokens that are computed on the way.
    onto_structures : bool
        Remember what is predicted along each protein, for `structure_values.write_structures`.
    chunk_residues : int, optional
        Most residues of a chunk, after which a prediction may be stopped; `CHUNK_RESIDUES` by
        default.
    """

    source: str | None = None
    weights: Path | None = None
    device: str | None = None
    keep: bool = True
    onto_structures: bool = False
    chunk_residues: int | None = None


@dataclass
class PredictReport:
    """What a prediction did; the keys of ``predict --json``.

    Parameters
    ----------
    run, task : str
        The run's folder, and the task it was trained for.
    encoder, fingerprint : str
        The run's.
    adapters : int
        Adapters whose mean is given: one, or one a seed.
    proteins, with_structure : int
        Rows, and those of them whose protein has structure tokens.
    embedded : int
        Sequences the encoder was run on; the others' embeddings were stored.
    far : int
        Proteins farther from every training protein than 99 % of those are from each other.
    kept : bool
        Whether what was computed is in the store now.
    failed : dict of str to str
        Id or file to reason.
    out : str or None
        File the table is in.
    """

    run: str
    task: str
    encoder: str
    fingerprint: str
    adapters: int
    kept: bool
    proteins: int = 0
    with_structure: int = 0
    embedded: int = 0
    far: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    out: str | None = None


@dataclass(frozen=True, eq=False)
class PredictedChunk:
    """Some proteins, what was predicted of them, and what that rests on.

    Parameters
    ----------
    proteins : list of Protein, length N
    embeddings : InMemoryEmbeddings
        That hold them.
    tokens : Tokens or None
        That hold their structure tokens, where there are some.
    predictions : Predictions
    rows : list of Row, length N
    """

    proteins: list[Protein]
    embeddings: InMemoryEmbeddings
    tokens: Tokens | None
    predictions: Predictions
    rows: list[Row]


class Prediction:
    """A run about to predict for what was asked. Get one by `prediction`.

    Parameters
    ----------
    loaded : LoadedRun
    inputs : PredictionInputs
        The proteins.
    vectors : EmbeddingSource
        Gives their embeddings.
    options : PredictOptions
    progress : Progress
        Told about proteins.
    """

    def __init__(
        self,
        loaded: LoadedRun,
        inputs: PredictionInputs,
        vectors: EmbeddingSource,
        options: PredictOptions,
        progress: Progress = SILENT,
    ) -> None:
        self._predictor, self._run = loaded.predictor, loaded.run
        self._inputs, self._vectors, self._progress = inputs, vectors, progress
        self._source = options.source or self._run.source
        self._certainty = self._predictor.certainty
        self.columns = columns(self._run, self._certainty)
        """Columns of the rows: name to kind."""
        self.report = PredictReport(
            run=str(loaded.path),
            task=self._run.task["name"],
            encoder=registry.title(self._run.fingerprint),
            fingerprint=self._run.fingerprint.short,
            adapters=len(loaded.runs),
            kept=options.keep,
        )
        """What was done; complete once all chunks are read."""
        self.residue_values: dict[bytes, ResidueValues] = {}
        """Of `PredictOptions.onto_structures`: by digest, for as many as fit memory."""
        self._chunk_residues = options.chunk_residues or CHUNK_RESIDUES
        self._remember = options.onto_structures
        self.meaning = meaning(loaded.runs) if self._remember else ""
        """What the values of residues are, in words."""

    @property
    def structure_files(self) -> list[StructureFile]:
        """Structures among what is predicted for."""
        return self._inputs.structure_files

    def chunks(self, stop: Callable[[], object] = lambda: False) -> Iterator[list[Row]]:
        """Yield the rows, chunk by chunk; parameters and errors as of `predicted_chunks`."""
        for chunk in self.predicted_chunks(stop):
            yield chunk.rows

    def predicted_chunks(
        self, stop: Callable[[], object] = lambda: False
    ) -> Iterator[PredictedChunk]:
        """Predict, chunk by chunk.

        Parameters
        ----------
        stop : callable
            Asked after each chunk; when it says yes, no other is begun.

        Raises
        ------
        StoppedError
            It was stopped before the end; what was computed is kept.
        InputError
            There is nothing to predict for.
        """
        report, total = self.report, self._inputs.proteins if self._inputs.counted else None
        size = self._chunk_residues
        with self._vectors, self._progress.stage("predicting", total, "proteins") as bar:
            for part in self._inputs.parts():
                for proteins in batches_within(part.proteins, size, len, CHUNK_PROTEINS):
                    chunk = self._predict(proteins, part)
                    if chunk is not None:
                        yield chunk
                    bar.advance(len(proteins))
                    if stop():
                        break
                if stop():
                    break
        report.failed |= self._inputs.failed
        processed = report.proteins + len(report.failed)
        if stop() and not (self._inputs.counted and processed >= self._inputs.proteins):
            raise StoppedError(f"stopped after {report.proteins:,} predictions")
        if not report.proteins:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in report.failed.items())
            raise InputError(f"nothing to predict for: {reasons or 'name some files'}")

    def _predict(self, proteins: list[Protein], part: InputPart) -> PredictedChunk | None:
        """Predict for some proteins; None if none of them could be embedded."""
        embeddings, failed = self._vectors.chunk(proteins)
        embedded = [protein for protein in proteins if protein.digest in embeddings]
        list_failures(self.report.failed, proteins, failed)
        self.report.embedded = self._vectors.computed
        if not embedded:
            return None
        digests, tokens = as_rows(p.digest for p in embedded), self._tokens(part.tokens)
        letters = partial(compositions, proteins=embedded)
        predictions = self._predictor(digests, embeddings, tokens, letters)
        self.report.proteins += len(embedded)
        self.report.with_structure += int(predictions.structure.sum())
        if self._remember:
            along = values_along(self._predictor, predictions.scores, digests, embeddings, tokens)
            for protein, values in zip(embedded, along, strict=True):
                entry = ResidueValues(protein.sequence, values, [])
                self.residue_values.setdefault(protein.digest, entry).ids.append(protein.id)
        table = list(rows(self._run, embedded, predictions, self._certainty))
        self.report.far += sum(row.get("far", False) for row in table)
        return PredictedChunk(embedded, embeddings, tokens, predictions, table)

    def _tokens(self, store: Store | None) -> Tokens | None:
        if store is None or self._source is None or self._run.source is None:
            return None
        return store.tokens(self._source) if self._source in store.sources() else None


@contextmanager
def prediction(
    run_path: Path | str,
    spec: InputSpec,
    store: Store | None = None,
    options: PredictOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> Iterator[Prediction]:
    """Make ready to predict: read the run, and check everything that was named.

    Parameters
    ----------
    run_path : path
        Folder of a run, or of a training by several seeds.
    spec : InputSpec
        What to predict for. Its `source` is taken from the run where it is None.
    store : Store, optional
        Where embeddings and tokens are; needed to keep any.
    options : PredictOptions, optional

    Raises
    ------
    MissingFileError, UnknownNameError, RecordError, InputError
        The run or an input is wrong; nothing was stored.
    """
    options = options or PredictOptions()
    if options.keep and store is None:
        raise InputError("give a store to keep what is computed, or keep nothing")
    loaded = LoadedRun(run_path, options.weights, options.device)
    with prediction_by(loaded, spec, store, options, progress=progress) as predicted:
        yield predicted


@contextmanager
def prediction_by(
    loaded: LoadedRun,
    spec: InputSpec,
    store: Store | None,
    options: PredictOptions,
    *,
    progress: Progress = SILENT,
) -> Iterator[Prediction]:
    """Make a run that is loaded ready to predict; parameters and errors as of `prediction`.

    Weights and device are those it was loaded with.
    """
    run = loaded.run
    spec = replace(spec, source=options.source or run.source)
    dim = run.config["adapter"]["dim"]
    with ExitStack() as stack:
        inputs = stack.enter_context(read_inputs(spec, store, keep=options.keep, progress=progress))
        vectors = EmbeddingSource(
            store, run.fingerprint, dim, lambda: loaded.encoder, options.keep, progress
        )
        if inputs.proteins:
            progress.note(f"{inputs.proteins:,} proteins, {inputs.residues:,} residues to predict")
        yield Prediction(loaded, inputs, vectors, options, progress)


def write_predictions(predicted: Prediction, out: Path | RowList | IO[str]) -> PredictReport:
    """Predict, and write the rows as they come.

    Parameters
    ----------
    predicted : Prediction
    out : path, RowList or text stream
        A file (``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``) that is there when it is complete, an
        list, or an open stream, which takes CSV.

    Raises
    ------
    StoppedError
        Ctrl-C or SIGTERM came; says where the rows so far are.
    """
    with stop_requests() as stop:
        chunks = predicted.chunks(lambda: bool(stop))
        if not isinstance(out, Path):
            table: Table = out if isinstance(out, RowList) else CsvTable(out, predicted.columns)
            for chunk in chunks:
                table.write(chunk)
            return predicted.report
        about = {k: getattr(predicted.report, k) for k in ("run", "task", "encoder", "fingerprint")}
        with open_table(out, predicted.columns, about) as table:
            for chunk in chunks:
                table.write(chunk)
    predicted.report.out = str(out)
    return predicted.report


def predict_rows(predicted: Prediction) -> list[Row]:
    """Predict, and return all rows; for as many as fit memory."""
    return [row for chunk in predicted.chunks() for row in chunk]
