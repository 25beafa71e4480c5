"""Do to stores whatever may happen to them, and look after each fault.

A child does the work of `workload.run`. After each fault the store must open and verify, hold
everything it held before, and every value must be right. In the end the work is run once more, and
the content must be whole, with nothing twice. A store that fails is kept, with what was raised.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import damage, interruptions, neighbours, workload
from .children import UNCLEAR, Child

PER_STORE = 6


@dataclass
class Outcome:
    """What happened to the stores."""

    faults: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    stores: int = 0
    stores_lost: int = 0
    proteins_lost: int = 0
    proteins_duplicated: int = 0
    tracebacks: int = 0
    problems: list[str] = field(default_factory=list)

    def count(self, kind: str) -> None:
        """Count a fault that took effect."""
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        self.faults += 1

    def add(self, what: str, problems: list[str]) -> None:
        """Note what went wrong with a store."""
        self.stores_lost += bool(problems)
        self.tracebacks += sum("Traceback" in problem for problem in problems)
        self.problems += [f"{what}: {problem}" for problem in problems]


def torture(folder: Path, count: int, rng: random.Random, evidence: Path) -> Outcome:
    """Inject `count` faults of all kinds in turn; stores that fail go to `evidence`."""
    outcome = Outcome()
    folder.chmod(0o755)  # other people look in, too
    full = folder / "full"
    seconds = _uninterrupted(full)
    kinds = _in_turn(rng)
    while outcome.faults < count:
        path, before = folder / f"store{outcome.stores}", len(outcome.problems)
        outcome.stores += 1
        kind = next(kinds)
        if kind in interruptions.KINDS:
            _interrupted(path, kind, seconds, rng, outcome, count)
        elif kind in neighbours.SITUATIONS:
            outcome.count(kind)
            outcome.add(kind, neighbours.SITUATIONS[kind](path, full, seconds, rng))
            _finish(path, kind, workload.State(), outcome)
        else:
            outcome.count(kind)
            shutil.copytree(full, path)
            outcome.add(kind, damage.damage(kind, path, rng))
            outcome.add(f"{kind}, and on", damage.finish(path))
        _clear(path, evidence, outcome.problems[before:])
    shutil.rmtree(full)
    return outcome


def _in_turn(rng: random.Random) -> Iterator[str]:
    """All kinds, shuffled, again and again."""
    kinds = [*interruptions.KINDS, *neighbours.SITUATIONS, *damage.KINDS]
    if os.geteuid() != 0:
        others = {*neighbours.AS_ROOT, interruptions.KINDS[-1], damage.REFUSALS[-1]}
        kinds = [kind for kind in kinds if kind not in others]
    return itertools.chain.from_iterable(rng.sample(kinds, len(kinds)) for _ in itertools.count())


def _uninterrupted(path: Path) -> float:
    workload.run(path.with_name("warm"))  # what is imported here, children of any user have
    shutil.rmtree(path.with_name("warm"))
    started = time.perf_counter()
    child = Child.start(lambda: workload.run(path), path.with_suffix(".log"))
    if child.wait() or not workload.state_of(path).complete:
        raise RuntimeError(f"the work does not even succeed undisturbed: {child.text}")
    return time.perf_counter() - started


def _interrupted(
    path: Path, first: str, seconds: float, rng: random.Random, outcome: Outcome, count: int
) -> None:
    """Interrupt the work again and again; the first time by a given kind of fault."""
    before = workload.State()
    for number in range(min(PER_STORE, count - outcome.faults)):
        kind = first if number == 0 else rng.choice(interruptions.KINDS)
        if number and os.geteuid() != 0 and kind == interruptions.KINDS[-1]:
            continue
        status, child = interruptions.interrupt(kind, path, seconds, rng)
        if status:
            outcome.count(kind)
        if status == UNCLEAR:
            outcome.add(kind, [child.text])
        after = workload.state_of(path)
        _compare(before, after, outcome, f"{path.name} after {kind}")
        before = after
        if after.complete:
            break
    _finish(path, path.name, before, outcome)


def _compare(before: workload.State, after: workload.State, outcome: Outcome, what: str) -> None:
    outcome.proteins_lost += after.lost(before)
    problems = list(after.problems)
    if lost := after.lost(before):
        problems.append(f"{lost} things are gone")
    outcome.add(what, problems if after.opened else [*problems, "it does not open"])


def _finish(path: Path, what: str, before: workload.State, outcome: Outcome) -> None:
    child = Child.start(lambda: workload.run(path), path.with_suffix(".log"))
    status = child.wait()
    after = workload.state_of(path)
    _compare(before, after, outcome, f"{what}, re-run")
    if status:
        outcome.add(what, [f"the re-run ended with {status}: {child.text}"])
    everything = {p.digest for p in workload.PROTEINS}
    missing = workload.State(embeddings=everything, tokens=everything, proteins=everything)
    outcome.proteins_lost += after.lost(missing)
    outcome.proteins_duplicated += after.rows - len(after.embeddings)


def _clear(path: Path, evidence: Path, problems: list[str]) -> None:
    """Remove a store and what belongs to it, or keep it where somebody can look at it."""
    if problems:
        evidence.mkdir(parents=True, exist_ok=True)
        (evidence / f"{path.name}.problems").write_text("\n".join(problems))
    for place in sorted(path.parent.glob(f"{path.name}*")):
        if place.name.removeprefix(path.name)[:1] not in ("", "."):
            continue  # of store12, not of store1
        if problems:
            shutil.move(place, evidence / place.name)
        elif place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink()
