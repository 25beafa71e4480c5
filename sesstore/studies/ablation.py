"""Does structure help, and which? None, 3Di, DSSP, both; per source, with each pooling.

The paper's first experiment (Tan et al. 2024, doi:10.1021/acs.jcim.4c00689) with the ablation it
leaves out: every kind of token alone, by several seeds, with intervals and paired tests. All arms
of a source learn from one stream; the arm without structure is the same for all sources.

An adapter that reads tokens has layers which one without structure lacks. What structure adds is
therefore the difference to the same adapter on controls: on tokens that are all masked, and on the
protein's own tokens in another order.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from ..jobs.inputs import Inputs
from ..store import Store
from ..training.runs import Run
from .arms import Arm, Runs
from .figures import interval_chart
from .study import Study
from .study_record import StudyReport
from .study_settings import Place, StudySettings
from .token_views import CONTROLS

QUESTION = "Does structure help, and which kind of structure tokens?"


def run(
    store: Store,
    settings: StudySettings,
    place: Place = Place(),  # noqa: B008 - frozen
    *,
    poolings: Sequence[str] = (),
    controls: Sequence[str] = ("masked", "shuffled"),
    alone: bool = True,
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
    controls : sequence of str
        Keys of `token_views.CONTROLS` to hold all of a source's tokens against.
    alone : bool
        Train with each alphabet alone, too; without, a study of two takes half the time.

    Returns
    -------
    StudyReport
        A row for each source, pooling and kind of tokens; comparisons with the controls, with no
        structure, of both tokens with each alone, and between sources.

    Raises
    ------
    InputError, StoppedError
        See `study.Study` and `arms.train_trial`; or there is no such control.
    """
    if unknown := sorted(set(controls) - CONTROLS.keys()):
        raise InputError(f"no control is called '{unknown[0]}'. There are {', '.join(CONTROLS)}")
    options = {"poolings": list(poolings), "controls": list(controls), "alone": alone}
    study = Study("ablation", QUESTION, store, settings, place, options)
    trained: dict[str, Runs] = {}
    pools: list[str | None] = list(poolings) or [None]
    for source in study.sources():
        inputs = study.inputs(source)
        arms = [
            _arm(study, kinds, source, pooling)
            for pooling in pools
            for kinds in _kinds(study.alphabets(source), alone)
            if kinds or not trained
        ]
        trained[source] = study.train(source, inputs, arms)
        for arm in arms:
            row = study.row(arm.name, arm.factors, trained[source][arm.name])
            row["coverage"] = study.covered(source) if arm.adapter["alphabets"] else None
        for control in controls:
            trained[source] |= _train_control(study, source, inputs, control, pools)
    for pooling in pools:
        _compare(study, trained, pooling, controls, alone)
    columns = {"source": "source", "pooling": "pooling", "structure": "structure"}
    return study.finish(columns, lambda report: interval_chart(report, colour="source"))


def _train_control(
    study: Study, source: str, inputs: Inputs, control: str, pools: Sequence[str | None]
) -> Runs:
    """Train on a source's tokens as a control changes them; a row each pooling."""
    alphabets = study.alphabets(source)
    arms = [_arm(study, alphabets, source, pooling, control) for pooling in pools]
    runs = study.train_control(f"{source}, {control}", inputs, source, control, arms)
    for arm in arms:
        row = study.row(arm.name, arm.factors, runs[arm.name], control=True)
        row["coverage"] = study.covered(source)
    return runs


def _kinds(alphabets: Sequence[str], alone: bool) -> list[tuple[str, ...]]:
    """No tokens, each alphabet alone if that is asked for, all together."""
    each = [(name,) for name in alphabets] if alone and len(alphabets) > 1 else []
    return [(), *each, tuple(alphabets)]


def _name(kinds: Sequence[str], source: str, pooling: str | None, control: str = "") -> str:
    parts = ("+".join(kinds) or "none", source if kinds else None, control, pooling)
    return ", ".join(part for part in parts if part)


def _arm(
    study: Study, kinds: Sequence[str], source: str, pooling: str | None, control: str = ""
) -> Arm:
    settings = {} if pooling is None else {"pooling": pooling}
    arm = study.arm(_name(kinds, source, pooling, control), kinds, **settings)
    factors = {"source": source if kinds else None, **arm.factors}
    if control:
        factors["structure"] = f"{factors['structure']}, {control}"
    return Arm(arm.name, factors, arm.adapter)


def _compare(
    study: Study,
    trained: dict[str, Runs],
    pooling: str | None,
    controls: Sequence[str],
    alone: bool,
) -> None:
    """Structure with controls and none, both tokens with each alone, sources with one another."""
    runs_by_arm = {name: runs for arms in trained.values() for name, runs in arms.items()}

    def runs(kinds: Sequence[str], source: str, control: str = "") -> tuple[str, Sequence[Run]]:
        name = _name(kinds, source, pooling, control)
        return name, runs_by_arm[name]

    full = {source: study.alphabets(source) for source in trained}
    for source, alphabets in full.items():
        tokens = runs(alphabets, source)
        for control in controls:
            comparison = study.compare(tokens, runs(alphabets, source, control))
            study.find(study.verdict(comparison))
        _, *parts, together = _kinds(alphabets, alone)
        for kinds in parts:
            study.compare(runs(kinds, source), runs((), source))
        study.find(study.verdict(study.compare(runs(together, source), runs((), source))))
        for kinds in parts:
            study.compare(tokens, runs(kinds, source))
    first, *further = full
    for rival in further:
        if full[first] == full[rival]:
            study.compare(runs(full[first], first), runs(full[rival], rival))
