"""A study at work: what it reads, where it writes, how its arms become rows of a table.

Every study is a function ``run(store, settings, ...)`` in a file of its own. It opens a `Study`,
trains `Trial`s of arms, adds rows, comparisons and findings, and finishes: record, table, figure,
page. Rows show a metric's mean over seeds with its 95 % interval over proteins and seeds, see
`training.uncertainty`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..jobs.inputs import Inputs, chosen_source
from ..jobs.signals import saying_how_to_resume
from ..jobs.training.baselines import compare_baselines
from ..jobs.training.train import interval, prepare
from ..provenance import Provenance, circumstances, moment
from ..store import Store
from ..streaming.composition import StoredCompositions
from ..tasks import Problem
from ..training.cautions import common_cautions
from ..training.evaluate import load_predictions
from ..training.intervals import Predicted
from ..training.metrics import HIGHER_IS_WORSE
from ..training.pairs import Comparison, adjusted, compare
from ..training.runs import Run, task_record
from ..training.seeds import deviation
from ..training.uncertainty import advice
from .arms import Arm, Runs, Trial, train_trial
from .study_record import StudyReport, begin, check
from .study_settings import Place, StudySettings
from .token_views import CONTROLS

if TYPE_CHECKING:
    import altair as alt

Chart = Callable[[StudyReport], "alt.TopLevelMixin | list[alt.TopLevelMixin]"]
ALPHABET_NAMES = ("foldseek", "dssp")


class Study:
    """A study at work.

    Parameters
    ----------
    name : str
        Such as ``"ablation"``.
    question : str
        What it asks.
    store : Store
    settings : StudySettings
    place : Place
    options : mapping
        The study's own settings, for its record.

    Raises
    ------
    InputError
        The folder holds another study, or this one with other settings.
    UnknownNameError
        The store has no such task.
    """

    def __init__(
        self,
        name: str,
        question: str,
        store: Store,
        settings: StudySettings,
        place: Place,
        options: Mapping[str, Any],
    ) -> None:
        if settings.seeds < 1:
            raise InputError(f"a study needs at least one seed, not {settings.seeds}")
        if place.resume and place.out is None:
            raise InputError("which study shall go on? Name its folder with --out")
        self.began = time.perf_counter()
        self.store, self.place, self.progress = store, place, place.progress
        self.task = store.task(settings.task)
        # Chosen once, by the whole training set, whatever subsets of it are learned from; and alike
        # for arms with and without tokens, so that these differ by structure alone.
        sources = set(settings.sources or store.sources()).intersection(store.sources())
        structure = any(map(self.covered, sources))
        fit = settings.fit.completed(self._lengths(), structure=structure)
        self.settings = settings = replace(settings, fit=fit)
        self.encoders: dict[str, dict[str, Any]] = {}
        self.folder = place.out or Path("runs") / self.task.name / f"study-{name}-{moment()}"
        choices = {"study": name, **asdict(settings), **options}
        self._begun = {**choices, "data": self.task.data_digest}
        check(self.folder, self._begun, resume=place.resume)
        self.report = StudyReport(
            study=name,
            task=self.task.name,
            question=question,
            run=str(self.folder),
            encoder=[],
            monitor=self.task.monitor,
            split="test" if len(self.task.splits.get("test", ())) else "valid",
            settings=choices,
        )
        self._comparisons: list[Comparison] = []
        self._runs: list[Run] = []
        self._arms: list[tuple[str, Sequence[Run]]] = []
        """Arms that are rows of the table, without controls."""

    # What is read

    def _lengths(self) -> NDArray[np.int64]:
        """Residues of each train row."""
        digests = [row.tobytes() for row in self.task.split("train").digests]
        lengths = {p.digest: len(p) for p in self.store.proteins(set(digests))}
        return np.array([lengths[digest] for digest in digests], np.int64)

    def inputs(self, source: str | None = None, plm: str | None = None) -> Inputs:
        """Open embeddings, and tokens of a source; what is not embedded yet is embedded first."""
        inputs = prepare(
            self.store,
            self.task.name,
            plm=plm or self.settings.plm,
            alphabets=ALPHABET_NAMES if source else (),
            source=source,
            device=self.settings.fit.device,
            progress=self.progress,
        )
        return self._noted(inputs)

    def stored(self, encoder: Provenance, source: str | None) -> Inputs:
        """Open the embeddings of one very encoder of the store, and tokens of a source."""
        view = self.store.embeddings(encoder.fingerprint)
        tokens = self.store.tokens(source) if source else None
        return self._noted(
            Inputs(self.task, view, tokens, compositions=StoredCompositions(self.store))
        )

    def sources(self) -> list[str]:
        """Sources of structures to study.

        Raises
        ------
        InputError
            None was named and none has tokens of the task's proteins, or one is not stored.
        """
        if self.settings.sources:
            return [chosen_source(self.store, name) for name in self.settings.sources]
        covered = [name for name in self.store.sources() if self.covered(name)]
        if not covered:
            raise InputError(
                f"no proteins of '{self.task.name}' have structure tokens, and this study is about "
                f"structure. Add some with `sesstore tokens DIR --source NAME`"
            )
        return covered

    def source(self) -> str | None:
        """First source that has tokens of the task's proteins; None if there is none.

        Raises
        ------
        InputError
            One that was named is not stored.
        """
        names = self.sources() if self.settings.sources else self.store.sources()
        return next((name for name in names if self.covered(name)), None)

    def covered(self, source: str) -> float:
        """Share of the rows of train that have tokens of a source."""
        return self.store.tokens(source).coverage(self.task.split("train").digests)

    def alphabets(self, source: str) -> tuple[str, ...]:
        """Alphabets of the paper that a source has tokens of; says what is missing."""
        counts = self.store.tokens(source).counts()
        for name in ALPHABET_NAMES:
            if not counts.get(name):
                self.miss(
                    f"{source} has no {name} tokens, so there is no arm with them. Tokenise the "
                    f"structures with `sesstore tokens DIR --source {source}`"
                )
        return tuple(name for name in ALPHABET_NAMES if counts.get(name))

    @property
    def lower_is_better(self) -> bool:
        """Whether less of the monitor is better."""
        return self.task.monitor in HIGHER_IS_WORSE

    # What is trained

    def arm(self, name: str, alphabets: Sequence[str], **settings: Any) -> Arm:
        """Make an arm; further settings are its own factors and of its adapter."""
        factors = {"structure": "+".join(alphabets) or "none", **settings}
        return Arm(
            name, factors, {**self.settings.adapter, "alphabets": tuple(alphabets), **settings}
        )

    def begin(self) -> None:
        """Make the study's folder, if that was not done before."""
        begin(self.folder, self._begun)

    def train(self, name: str, inputs: Inputs, arms: Sequence[Arm], **fit: Any) -> Runs:
        """Train arms on one stream, or load them where they are done; see `arms.train_trial`."""
        self.begin()
        config = replace(self.settings.fit, **fit)
        trial = Trial(name, inputs, arms, config, self.settings.seeds)
        with saying_how_to_resume(self.folder):
            trained = train_trial(trial, self.folder, progress=self.progress)
        self._runs += [run for runs in trained.values() for run in runs]
        return trained

    def train_control(
        self, name: str, inputs: Inputs, source: str, control: str, arms: Sequence[Arm]
    ) -> Runs:
        """Train arms on a source's tokens as one of `token_views.CONTROLS` changes them."""
        tokens = CONTROLS[control](self.store.tokens(source))
        return self.train(name, replace(inputs, tokens=tokens), arms)

    # What is found

    def row(
        self, name: str, factors: Mapping[str, Any], runs: Sequence[Run], *, control: bool = False
    ) -> dict[str, Any]:
        """Add a row of the table for an arm that was trained; a control is never the best arm."""
        low, high = interval(runs)
        if not control:
            self._arms.append((name, runs))
        return self.add_row(name, factors, runs, self._scores(runs), (low, high))

    def add_row(
        self,
        name: str,
        factors: Mapping[str, Any],
        runs: Sequence[Run],
        scores: Sequence[float],
        bounds: tuple[float, float],
    ) -> dict[str, Any]:
        """Add a row with scores measured otherwise than by the runs themselves."""
        monitor = self.task.monitor
        row = {
            "arm": name,
            **factors,
            "valid": statistics.fmean(run.metrics["valid"][monitor] for run in runs),
            "score": statistics.fmean(scores),
            "std": deviation(scores) if len(scores) > 1 else None,
            "low": bounds[0],
            "high": bounds[1],
            "seeds": len(runs),
            "best_epoch": statistics.fmean(run.best_epoch for run in runs),
        }
        self.report.rows.append(row)
        return row

    def compare(
        self,
        first: tuple[str, Sequence[Run | Predicted]],
        second: tuple[str, Sequence[Run | Predicted]],
    ) -> Comparison:
        """Add a paired comparison of two arms."""
        split, problem = self.report.split, Problem(self.task.problem)
        pair = [
            (name, [load_predictions(r, split) if isinstance(r, Run) else r for r in runs])
            for name, runs in (first, second)
        ]
        comparison = compare(self.task.monitor, problem, pair[0], pair[1])
        self._comparisons.append(comparison)
        return comparison

    def verdict(self, comparison: Comparison) -> str:
        """Say in words what a comparison comes to; one seed gives no verdict."""
        if comparison.seeds == 1:
            return f"{comparison.one} and {comparison.other}: {advice(1)}"
        if not comparison.certain:
            return (
                f"{comparison.one} and {comparison.other} are not told apart: the 95 % interval of "
                f"their difference includes zero"
            )
        direction = "worse" if (comparison.low > 0) is self.lower_is_better else "better"
        return (
            f"{comparison.one} is {direction} than {comparison.other}: the 95 % interval of their "
            f"difference leaves zero out"
        )

    def find(self, sentence: str) -> None:
        """Add a finding."""
        self.report.findings.append(sentence)

    def miss(self, sentence: str) -> None:
        """Add, once, what cannot be answered here and what to do."""
        if sentence not in self.report.missing:
            self.report.missing.append(sentence)

    def finish(self, columns: Mapping[str, str], chart: Chart) -> StudyReport:
        """Write record, table, figure and page; `columns` come before the scores' own."""
        from .page import write_page

        report, monitor = self.report, self.task.monitor
        report.columns = dict(columns)
        tested = adjusted(self._comparisons)
        doubt = advice(self.settings.seeds)
        if tested and doubt:
            self.miss(f"how sure the differences are: {doubt}")
        report.comparisons = [comparison.to_json() for comparison in tested]
        if self.place.baselines:
            self._set_baselines()
        report.findings += [comparison.sentence(monitor) for comparison in tested]
        report.cautions = [asdict(caution) for caution in common_cautions(self._runs)]
        names = list(self.encoders)
        report.encoder = names[0] if len(names) == 1 else names
        report.provenance = {
            "encoders": self.encoders,
            "task": task_record(self.task),
            "sources": {name: self.store.tokens(name).tool for name in self.store.sources()},
            **circumstances("torch", "numpy", "scipy", "zarr"),
        }
        report.seconds = time.perf_counter() - self.began
        report.write()
        write_page(report, chart, self.progress)
        return report

    def _set_baselines(self) -> None:
        """Set each encoder's best arm on valid beside simple models, and say which is better."""
        by_encoder: dict[str, list[tuple[str, Sequence[Run]]]] = {}
        for name, runs in self._arms:
            by_encoder.setdefault(runs[0].fingerprint.encoder, []).append((name, runs))
        monitor, split = self.task.monitor, self.report.split

        def on_valid(arm: tuple[str, Sequence[Run]]) -> float:
            mean = statistics.fmean(run.metrics["valid"][monitor] for run in arm[1])
            return -mean if self.lower_is_better else mean

        for encoder, arms in by_encoder.items():
            arm, runs = max(arms, key=on_valid)
            predicted = [load_predictions(run, split) for run in runs]
            try:
                baselines = compare_baselines(self.store, runs[0].path, None, split, predicted)
            except InputError as problem:
                self.miss(f"What simple models reach: {problem}")
                continue
            self.report.baselines.append({"encoder": encoder, "arm": arm, **baselines.to_json()})
            subject = f"{arm}, {encoder}" if len(by_encoder) > 1 else arm
            self.find(f"{baselines.sentence} (of the best arm on valid, {subject})")

    def _noted(self, inputs: Inputs) -> Inputs:
        provenance = inputs.embeddings.provenance
        self.encoders[provenance.fingerprint.encoder] = provenance.to_json()
        return inputs

    def _scores(self, runs: Sequence[Run]) -> list[float]:
        return [run.metrics[self.report.split][self.task.monitor] for run in runs]
