"""Does structure help, and which? None, 3Di, DSSP, both; per source, with each pooling.

The paper's first experiment (Tan et al. 2024, doi:10.1021/acs.jcim.4c00689) with the ablation it
leaves out: every kind of token alone, by several seeds, with intervals and paired tests. All arms
of a source learn from one stream; the arm without structure is the same for all sources.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..store import Store
from ..training.runs import Run
from .arms import Arm, Runs
from .figures import interval_chart
from .record import StudyReport
from .settings import Place, StudySettings
from .study import Study

QUESTION = "Does structure help, and which kind of structure tokens?"


def run(
    store: Store,
    settings: StudySettings,
    place: Place = Place(),  # noqa: B008 - frozen
    *,
    poolings: Sequence[str] = (),
) -> StudyReport:
    """Run the study.

    Parameters
    ----------
    store : Store
    settings : StudySettings
    place : Place
        Where it writes.
    poolings : sequence of str
        Poolings to try each with; by default the one the task takes.

    Returns
    -------
    StudyReport
        A row for each source, pooling and kind of tokens; comparisons with no structure, of both
        tokens with each alone, and between sources.

    Raises
    ------
    InputError, StoppedError
        See `study.Study` and `arms.train_trial`.
    """
    study = Study("ablation", QUESTION, store, settings, place, {"poolings": list(poolings)})
    trained: dict[str, Runs] = {}
    pools: list[str | None] = list(poolings) or [None]
    for source in study.sources():
        arms = [
            _arm(study, kinds, source, pooling)
            for pooling in pools
            for kinds in _kinds(study.alphabets(source))
            if kinds or not trained
        ]
        trained[source] = study.train(source, study.inputs(source), arms)
        for arm in arms:
            row = study.row(arm.name, arm.factors, trained[source][arm.name])
            row["coverage"] = study.covered(source) if arm.adapter["alphabets"] else None
    for pooling in pools:
        _compare(study, trained, pooling)
    shown = {"source": "source", "pooling": "pooling", "structure": "structure"}
    return study.finish(shown, lambda report: interval_chart(report, colour="source"))


def _kinds(alphabets: Sequence[str]) -> list[tuple[str, ...]]:
    """No tokens, each alphabet alone, all together."""
    alone = [(name,) for name in alphabets]
    return [(), *alone, *([tuple(alphabets)] if len(alphabets) > 1 else [])]


def _name(kinds: Sequence[str], source: str, pooling: str | None) -> str:
    parts = ("+".join(kinds) or "none", source if kinds else None, pooling)
    return ", ".join(part for part in parts if part)


def _arm(study: Study, kinds: Sequence[str], source: str, pooling: str | None) -> Arm:
    settings = {} if pooling is None else {"pooling": pooling}
    made = study.arm(_name(kinds, source, pooling), kinds, **settings)
    return Arm(made.name, {"source": source if kinds else None, **made.factors}, made.adapter)


def _compare(study: Study, trained: dict[str, Runs], pooling: str | None) -> None:
    """Structure with none, both tokens with each alone, and sources with one another."""
    every = {name: runs for found in trained.values() for name, runs in found.items()}

    def runs(kinds: Sequence[str], source: str) -> tuple[str, Sequence[Run]]:
        name = _name(kinds, source, pooling)
        return name, every[name]

    full = {source: study.alphabets(source) for source in trained}
    for source, alphabets in full.items():
        for kinds in _kinds(alphabets)[1:]:
            found = study.compare(runs(kinds, source), runs((), source))
            if kinds == _kinds(alphabets)[-1]:
                study.find(study.verdict(found))
        if len(alphabets) > 1:
            for name in alphabets:
                study.compare(runs(alphabets, source), runs((name,), source))
    first, *others = full
    for other in others:
        if full[first] == full[other]:
            study.compare(runs(full[first], first), runs(full[other], other))
