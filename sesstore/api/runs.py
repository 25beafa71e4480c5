"""A trained run, from a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UnknownNameError
from ..progress import SILENT
from .html_tables import Rows, html_table
from .sequences import Sequences, prediction_inputs
from .stores import OpenStore

if TYPE_CHECKING:
    from ..jobs.training.evaluate import EvaluateReport
    from ..training.baseline_report import BaselineReport
    from ..training.runs import Caution, Run


class TrainedRun:
    """A trained adapter, or those of several seeds, ready to predict.

    Get one by `sesstore.train` or `sesstore.load_run`.

    Parameters
    ----------
    path : path
        The run's folder.
    store : OpenStore or None
        Where `predict` looks for embeddings and keeps new ones; without it keeps nothing.
    """

    def __init__(self, path: Path, store: OpenStore | None = None) -> None:
        from ..training.seeds import runs_at

        self.path, self.store = path, store
        self.runs: Sequence[Run] = runs_at(path)
        """The run of each seed."""

    def __repr__(self) -> str:
        return f"sesstore.load_run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        first = self.runs[0]
        title = f"{first.task['name']} by {first.fingerprint.encoder}"
        rows = [
            [split, metric, f"{value:.4f}"]
            for split, metrics in self.metrics.items()
            for metric, value in metrics.items()
        ]
        return html_table([title, "metric", "value"], rows)

    @cached_property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Each split's metrics, mean over the seeds."""
        first, count = self.runs[0], len(self.runs)
        return {
            split: {name: sum(run.metrics[split][name] for run in self.runs) / count for name in of}
            for split, of in first.metrics.items()
        }

    @property
    def cautions(self) -> list[Caution]:
        """What is off with the result, each with what to do."""
        from ..training.cautions import common_cautions

        return list(common_cautions(self.runs))

    def baselines(self) -> BaselineReport:
        """What simple models reach on the same rows, and whether the adapter is better.

        Fitted to the rows it was trained on, once; the record stays in the run's folder.

        Raises
        ------
        InputError
            There is no store, or its task has other rows than were trained on.
        """
        from ..jobs.training.baselines import measure_baselines
        from ..training.baseline_report import BaselineReport

        stored = BaselineReport.load(self.path)
        if stored is not None:
            return stored
        if self.store is None:
            raise InputError("which store? Give one: sesstore.load_run(path, store)")
        return measure_baselines(self.store.store, self.path)

    def predict(
        self,
        what: Sequences,
        *,
        source: str | None = None,
        weights: Path | str | None = None,
        device: str | None = None,
    ) -> Rows:
        """Predict for new proteins; embeddings that are missing are computed.

        Parameters
        ----------
        what : str, path, mapping or iterable
            A file of sequences or structures, a task of the store, or proteins as in `Sequences`.
        source : str, optional
            Where structures come from; the source the run was trained on by default.
        weights : path, optional
            Of the encoder.
        device : str, optional
            Where the encoder and the adapter run; the best there is by default.

        Returns
        -------
        Rows
            A dict a protein, in the order given (of a list, sequences before files), see
            `jobs.predicting.predictions.columns`. For more than fit memory use
            `jobs.predicting.predict.write_predictions`, or the command line.

        Raises
        ------
        InputError
            An input is wrong, or some protein could not be predicted; says which and why.
        """
        from ..jobs.predicting.predict import PredictOptions, predict_rows, prediction

        store = self.store.store if self.store else None
        progress = self.store.progress if self.store else SILENT
        options = PredictOptions(source, _path(weights), device, keep=store is not None)
        with prediction(
            self.path, prediction_inputs(what), store, options, progress=progress
        ) as predicted:
            rows = Rows(predict_rows(predicted))
        if predicted.report.failed:
            raise InputError(
                f"could not be predicted: {predicted.report.failed}. Mend these, or leave them out"
            )
        return rows

    def evaluate(
        self,
        task: str | None = None,
        split: str | None = None,
        *,
        source: str | None = None,
        device: str | None = None,
    ) -> list[EvaluateReport]:
        """Score each seed on a split of a task of its store.

        Parameters
        ----------
        task : str, optional
            Its own by default.
        split : str, optional
            Test by default; of a cross-validation ``"out-of-fold"``: all rows, predicted unseen.
        source : str, optional
            Of the structures; the one it was trained on by default.
        device : str, optional
            Where the adapter runs; the best there is by default.
        """
        from ..jobs.training.evaluate import evaluate_run

        if self.store is None:
            raise InputError("which store? Give one: sesstore.load_run(path, store)")
        return [
            evaluate_run(
                self.store.store,
                run.path,
                task,
                split,
                source=source,
                device=device,
                progress=self.store.progress,
            )
            for run in self.runs
        ]


def load_run(path: Path | str, store: OpenStore | None = None) -> TrainedRun:
    """Load what `train` or ``sesstore train`` made.

    Parameters
    ----------
    path : path
        The run's folder.
    store : OpenStore, optional
        Where predictions look for embeddings and keep new ones.

    Raises
    ------
    MissingFileError
        There is no run.
    """
    return TrainedRun(Path(path), store)


def train(
    store: OpenStore,
    task: str,
    *,
    plm: str | None = None,
    precision: str | None = None,
    structure: str | Sequence[str] | None = None,
    source: str | None = None,
    seeds: int = 1,
    folds: int | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    **settings: Any,
) -> TrainedRun:
    """Train a structure-aware adapter on a task; what is not embedded yet is embedded first.

    Parameters
    ----------
    store : OpenStore
    task : str
        A task of the store.
    plm : str, optional
        The encoder; the store's only one by default.
    precision : str, optional
        Its arithmetic (``"fp32"``, ``"fp16"``, ``"bf16"``), where `plm` is named.
    structure : str or sequence of str, optional
        Structure tokens to use, such as ``"foldseek"`` or ``["foldseek", "dssp"]``; ``()`` for
        none. By default 3Di and DSSP where the store has them.
    source : str, optional
        Where the structures come from; the one the task was added with, or the store's only one.
    seeds : int
        How many adapters to train on one stream.
    folds : int, optional
        Cross-validate with so many folds, then train on all rows; the metrics are those of rows
        that a training had not seen (``"out-of-fold"``).
    out : path, optional
        Folder for the run; a new one under ``runs/`` by default.
    resume : bool
        Go on with an interrupted training in `out`.
    **settings
        Of `AdapterConfig` (``heads``, ``width``, ``pooling``, ``dropout``, ...) and `FitConfig`
        (``epochs``, ``lr``, ``batch_tokens``, ``seed``, ...).

    Returns
    -------
    TrainedRun

    Raises
    ------
    UnknownNameError
        There is no such task, or setting.
    InputError
        There is a choice of encoders or sources and none was named.
    """
    from ..jobs.inputs import check_training

    names = alphabet_names(structure)
    check_training(
        store.store,
        task,
        plm=plm,
        precision=precision,
        alphabets=names,
        source=source,
        out=_path(out),
        resume=resume,
    )

    # These import torch, which takes seconds: a wrong name is known before.
    from ..adapter.adapter_config import AdapterConfig
    from ..jobs.training.crossvalidation import cross_validate
    from ..jobs.training.train import prepare, train
    from ..training.fit_config import FitConfig

    decided = {"dim", "n_outputs", "alphabets", "declared"}  # by the data, and by `structure`
    shape_names = {f.name for f in fields(AdapterConfig)} - decided
    fit = {f.name for f in fields(FitConfig)}
    for name in settings.keys() - shape_names - fit:
        raise UnknownNameError("setting of training", name, shape_names | fit)
    config = FitConfig(**{name: value for name, value in settings.items() if name in fit})
    adapter = {name: value for name, value in settings.items() if name in shape_names}
    inputs = prepare(
        store.store,
        task,
        plm=plm,
        precision=precision,
        alphabets=names,
        source=source,
        progress=store.progress,
    )
    shape = {**adapter, "alphabets": inputs.alphabets}
    work = (
        partial(cross_validate, store.store, inputs, shape, config, folds)
        if folds is not None
        else partial(train, inputs, shape, config)
    )
    report = work(seeds=seeds, out=_path(out), resume=resume, progress=store.progress)
    return TrainedRun(Path(report.run), store)


def alphabet_names(structure: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the alphabets a text or a list names: ``"foldseek"`` is one, ``"none"`` no one."""
    if structure is None:
        return None
    words = structure.split(",") if isinstance(structure, str) else structure
    names = tuple(word.strip() for word in words if word.strip())
    return () if names == ("none",) else names


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)
