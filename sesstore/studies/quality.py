"""How good must a structure be? Sources against each other, and tokens made worse step by step.

The paper's third experiment (AlphaFold2 against ESMFold) and its first open question: where
structure stops helping. Adapters trained on one source are also read with another's tokens; random
noise on tokens, noise on coordinates (where structure files are given) and pLDDT thresholds (where
pLDDT is stored) degrade the first source, at reading time or from training on. Each is compared
with no structure at all; whether it *helps* is said against the same adapter on masked tokens,
because an adapter without tokens lacks the layers that read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..jobs.inputs import Inputs, task_digests, task_proteins
from ..store import Store, Tokens
from ..streaming.splittokens import TokenRows
from ..tasks import Problem
from ..training.evaluate import evaluate
from ..training.intervals import Predicted, bootstrap
from ..training.runs import Run
from .figures import quality_chart
from .jitter import shaken_tokens
from .study import Study
from .study_record import StudyReport
from .study_settings import Place, StudySettings
from .token_views import agreement, noisy

QUESTION = "How good must a structure be, and where does it stop helping?"
PHASES = ("test", "train")
MASKED = "masked tokens"


@dataclass(frozen=True)
class Degrading:
    """How to make structures worse.

    Parameters
    ----------
    rates : tuple of float
        Shares of tokens replaced at random.
    when : tuple of str
        ``"test"``: adapters trained on good tokens read bad ones; ``"train"``: they also learned
        from bad ones.
    structures : tuple of path
        Files of the first source's structures, for noise on coordinates.
    angstrom : tuple of float
        Deviations of that noise.
    plddt : tuple of int
        Thresholds below which residues are masked.
    """

    rates: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 1.0)
    when: tuple[str, ...] = PHASES
    structures: tuple[Path, ...] = ()
    angstrom: tuple[float, ...] = (0.5, 1.0, 2.0)
    plddt: tuple[int, ...] = (50, 70, 90)

    def __post_init__(self) -> None:
        for name in self.when:
            if name not in PHASES:
                raise InputError(f"tokens are degraded at test or train time, not '{name}'")

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**vars(self), "structures": [str(path) for path in self.structures]}


def run(
    store: Store,
    settings: StudySettings,
    place: Place = Place(),  # noqa: B008 - frozen
    *,
    degrading: Degrading = Degrading(),
) -> StudyReport:
    """Run the study.

    Parameters
    ----------
    store, settings, place
        See `StudySettings` and `Place`; the first source is the one that is degraded.
    degrading : Degrading
        How.

    Returns
    -------
    StudyReport
        A row for each source and each way and degree of making it worse.

    Raises
    ------
    InputError, StoppedError
        See `study.Study` and `arms.train_trial`.
    """
    study = Study("quality", QUESTION, store, settings, place, degrading.to_json())
    work = _Quality(study, degrading)
    work.sources()
    work.cross()
    work.noise()
    work.coordinates()
    work.thresholds()
    work.say_where_it_ends()
    columns = {"arm": "structure", "when": "degraded at", "degree": "degree"}
    return study.finish(columns, quality_chart)


@dataclass
class _Quality:
    """The study in its steps."""

    study: Study
    degrading: Degrading
    names: list[str] = field(default_factory=list)
    inputs: dict[str, Inputs] = field(default_factory=dict)
    clean: dict[str, list[Run]] = field(default_factory=dict)
    plain: list[Run] = field(default_factory=list)
    masked: list[Run] = field(default_factory=list)

    def sources(self) -> None:
        """Train on each source, on masked tokens, and without structure."""
        study = self.study
        self.names = study.sources()
        for source in self.names:
            self.inputs[source] = study.inputs(source)
            arms = [study.arm(source, study.alphabets(source))]
            if not self.plain:
                arms.insert(0, study.arm("no structure", ()))
            runs = study.train(source, self.inputs[source], arms)
            self.plain = self.plain or runs["no structure"]
            self.clean[source] = runs[source]
        first, *rivals = self.names
        arm = study.arm(MASKED, study.alphabets(first))
        unread = study.train_control(MASKED, self.inputs[first], first, "masked", [arm])
        self.masked = unread[MASKED]
        self._row("no structure", "none", None, None, self.plain)
        self._row(MASKED, "masked", None, None, self.masked)
        for source, source_runs in self.clean.items():
            row = self._row(source, source, None, None, source_runs)
            row["coverage"] = study.covered(source)
            self._against_controls(source, source_runs)
        for rival in rivals:
            study.compare((first, self.clean[first]), (rival, self.clean[rival]))
            self._say_agreement(first, rival)
        if not rivals:
            study.miss(
                f"only {first} has tokens of this task, so sources cannot be compared. Add another "
                f"with `sesstore add {study.task.name} --data DIR --source NAME`"
            )

    def _say_agreement(self, first: str, rival: str) -> None:
        """Say how often two sources have the same letter: noise is to be set against that."""
        study = self.study
        digests = task_digests(study.task)
        counts = agreement(self._tokens(first), self._tokens(rival), digests)
        shares = [
            f"{name} on {equal / residues:.1%} of {residues:,} residues"
            for name, (equal, residues) in counts.items()
            if residues
        ]
        if shares:
            study.find(f"{first} and {rival} have the same letter of {', of '.join(shares)}")

    def cross(self) -> None:
        """Read adapters trained on the first source with the others' tokens, and the reverse."""
        for source in self.names:
            for reader in self.names:
                if reader != source:
                    tokens = self._tokens(reader)
                    self._read(f"{source}, read with {reader}", source, tokens, reader, None)

    def noise(self) -> None:
        """Replace tokens at random."""
        for rate in self.degrading.rates:
            self._degraded("noise", rate, noisy(self._tokens(self.names[0]), rate))

    def coordinates(self) -> None:
        """Shake coordinates and tokenise anew; without noise too, to see what that alone does."""
        study, source = self.study, self.names[0]
        if not self.degrading.structures:
            study.miss(
                "no structure files were given, so there is no noise on coordinates. Name those of "
                f"{source} with --structures DIR"
            )
            return
        proteins = task_proteins(study.store, study.task)
        for angstrom in (0.0, *self.degrading.angstrom):
            tokens, failed = shaken_tokens(
                self.degrading.structures, proteins, source, angstrom, progress=study.progress
            )
            if not len(tokens):
                study.miss(
                    f"none of the structures given is of a protein of '{study.task.name}', so "
                    f"there is no noise on coordinates. Files are matched by id or sequence"
                )
                return
            if failed:
                study.miss(f"{len(failed)} structures could not be used; the first: {failed[0]}")
            if len(tokens) < len(proteins):
                study.miss(
                    f"the structures given are of {len(tokens):,} of {len(proteins):,} proteins; "
                    f"the others have no tokens in the rows with noise on coordinates"
                )
            self._degraded("coordinates", angstrom, tokens)

    def thresholds(self) -> None:
        """Mask residues of low pLDDT."""
        study, source = self.study, self.names[0]
        if not self._tokens(source).counts().get("plddt"):
            study.miss(
                f"{source} has no pLDDT stored, so there are no thresholds. Tokenise its structure "
                f"files with `sesstore tokens DIR --source {source}`"
            )
            return
        for threshold in self.degrading.plddt:
            name = f"{source}, pLDDT from {threshold}"
            arm = study.arm(name, study.alphabets(source))
            runs = study.train(name, self.inputs[source], [arm], min_plddt=threshold)[name]
            row = self._row(name, "plddt", "train", float(threshold), runs)
            train = runs[0].coverage["train"]
            row["coverage"] = max(train["unmasked"].values()) / train["residues"]
            self._against_controls(name, runs)

    def say_where_it_ends(self) -> None:
        """Say for each way of degrading up to where structure helps."""
        study, source = self.study, self.names[0]
        rows = study.report.rows
        if study.settings.seeds == 1:
            return  # no verdict, and the study says why
        if not next(row for row in rows if row["arm"] == source)["helps"]:
            study.find(f"Even as they are, tokens of {source} do not help for sure")
            return
        for kind, phase in self._series():
            series = [row for row in rows if (row["tokens"], row["when"]) == (kind, phase)]
            ends = [row["degree"] for row in series if not row["helps"]]
            setting = f"with {kind} on tokens of {source} at {phase} time"
            if ends:
                study.find(
                    f"Structure no longer helps for sure {setting} from {min(ends):g} on: the "
                    f"interval of the difference to masked tokens reaches zero"
                )
            else:
                last = max(row["degree"] for row in series)
                study.find(f"Structure helps {setting} up to the last degree, {last:g}")

    def _series(self) -> Iterator[tuple[str, str]]:
        kinds = {
            (row["tokens"], row["when"]): None
            for row in self.study.report.rows
            if row["tokens"] in ("noise", "coordinates")
        }
        yield from kinds

    def _degraded(self, kind: str, degree: float, tokens: TokenRows) -> None:
        source = self.names[0]
        for phase in self.degrading.when:
            name = f"{source}, {kind} {degree:g} at {phase}"
            if phase == "test":
                self._read(name, source, tokens, kind, degree)
                continue
            inputs_clean = self.inputs[source]
            inputs = replace(inputs_clean, tokens=tokens)
            arm = self.study.arm(name, self.study.alphabets(source))
            runs = self.study.train(name, inputs, [arm])[name]
            self._row(name, kind, phase, degree, runs)
            self._against_controls(name, runs)

    def _read(
        self, name: str, source: str, tokens: TokenRows, kind: str, degree: float | None
    ) -> None:
        """Score a source's runs on other tokens than they learned from."""
        study, runs = self.study, self.clean[source]
        task, split, monitor = study.task, study.report.split, study.task.monitor
        view = self.inputs[source].embeddings
        device = study.settings.fit.device
        letters = self.inputs[source].compositions
        evaluations = [
            evaluate(run, task, split, view, tokens, compositions=letters, device=device)
            for run in runs
        ]
        predicted = [f.predicted for f in evaluations]
        bounds = bootstrap(monitor, Problem(task.problem), predicted, draws=200)
        scores = [f.metrics[monitor] for f in evaluations]
        factors = {"tokens": kind, "when": "test", "degree": degree}
        study.add_row(name, factors, runs, scores, bounds)
        self._against_controls(name, predicted)

    def _row(
        self, name: str, kind: str, phase: str | None, degree: float | None, runs: Sequence[Run]
    ) -> dict[str, Any]:
        factors = {"tokens": kind, "when": phase, "degree": degree}
        return self.study.row(name, factors, runs, control=kind == "masked")

    def _against_controls(self, name: str, runs: Sequence[Run | Predicted]) -> None:
        self.study.compare((name, runs), ("no structure", self.plain))
        comparison = self.study.compare((name, runs), (MASKED, self.masked))
        worse = comparison.high if self.study.lower_is_better else -comparison.low
        self.study.report.rows[-1]["helps"] = worse < 0

    def _tokens(self, source: str) -> Tokens:
        return self.study.store.tokens(source)
