"""The user's own data: what they say about it, and what a task of it is measured by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import InputError, UnknownNameError
from ..file_names import unpacked_name
from ..tasks import Problem
from .columns import Columns
from .groups import SPLIT_METHODS
from .label_kinds import Guess, class_names, guess_problem
from .recipes import Recipe, is_published
from .records import Record

_CLASSES = ("accuracy", "balanced_accuracy", "mcc", "f1", "auroc")
_VALUES = ("spearman", "pearson", "rmse", "mae", "r2")
METRICS: dict[Problem, tuple[str, ...]] = {
    Problem.SINGLE_LABEL: _CLASSES,
    Problem.RESIDUE_SINGLE_LABEL: _CLASSES,
    Problem.MULTI_LABEL: ("f1max", "auprc", "f1_micro"),
    Problem.REGRESSION: _VALUES,
    Problem.RESIDUE_REGRESSION: _VALUES,
}
"""What is reported; the published tasks report the same."""

MONITOR = {
    Problem.SINGLE_LABEL: "mcc",
    Problem.RESIDUE_SINGLE_LABEL: "mcc",
    Problem.MULTI_LABEL: "f1max",
    Problem.REGRESSION: "spearman",
    Problem.RESIDUE_REGRESSION: "spearman",
}
"""What chooses the best epoch; MCC is not fooled when nearly all rows are of one class."""


@dataclass(frozen=True)
class UserData:
    """What the user says about their data; what they leave out is found out, and said.

    Parameters
    ----------
    name : str, optional
        Of the task; the file's name by default.
    task_type : str, optional
        One of `Problem`; guessed from the labels by default.
    columns : Columns
        Columns that have other names than the known ones.
    targets, mask : Path, optional
        FASTA files of the labels of residues, and of which of them count (FLIP).
    seed : int
        Of splits that have to be made.
    drop_unlabelled : bool
        Leave rows out whose label is missing; they are refused by default.
    split_by : str, optional
        What keeps rows on one side of the splits that have to be made: one of
        `groups.SPLIT_METHODS`, or a column; whole clusters of similar sequences by default.
    """

    name: str | None = None
    task_type: str | None = None
    columns: Columns = field(default_factory=Columns)
    targets: Path | None = None
    mask: Path | None = None
    seed: int = 0
    drop_unlabelled: bool = False
    split_by: str | None = None

    @property
    def all_columns(self) -> Columns:
        """Columns the user named, that of groups among them."""
        if self.split_by is None or self.split_by in SPLIT_METHODS:
            return self.columns
        return replace(self.columns, group=self.split_by)

    @property
    def problem(self) -> Problem | None:
        """Kind of the task as the user says it; raises `UnknownNameError`."""
        if self.task_type is None:
            return None
        if self.task_type not in list(Problem):
            raise UnknownNameError("task type", self.task_type, list(Problem))
        return Problem(self.task_type)


def task_name(path: Path, choice: str | None) -> str:
    """Return what to call the task of a file or folder.

    Raises
    ------
    InputError
        A published task is called so.
    """
    stem = unpacked_name(path.resolve().name)
    stem = stem if path.is_dir() else stem.partition(".")[0]
    name = choice or re.sub(r"[^A-Za-z0-9._+-]+", "_", stem).strip("_.-") or "mydata"
    if is_published(name):
        raise InputError(
            f"'{name}' is a published task. Name your own otherwise with --name, or add the "
            f"published one with `sesstore add {name} --data {path}`"
        )
    return name


def own_recipe(
    name: str, records: Sequence[Record], user_data: UserData, label: str
) -> tuple[Recipe, str]:
    """Return the recipe of the user's own data, and how its kind was found.

    Parameters
    ----------
    name : str
        Of the task.
    records : sequence of Record
        All rows.
    user_data : UserData
        What the user says.
    label : str
        What is predicted, such as the column's name.

    Raises
    ------
    UnknownNameError
        There is no task type of that name.
    InputError
        The labels are of no kind, or of one class only.
    """
    guess = _problem(records, user_data)
    problem = guess.problem
    classes = (label,) if problem.is_regression else class_names(records, problem)
    if not problem.is_regression and len(classes) < 2:
        only = f"'{classes[0]}'" if classes else "nothing"
        raise InputError(
            f"all labels are {only}: there is nothing to tell apart. Is '{label}' the column of "
            f"labels? Name another with --label, or say --task-type regression"
        )
    count = "" if problem.is_regression else f", {len(classes):,} classes ({_first(classes)})"
    note = f"task type {problem} ({guess.why}){count}"
    recipe = Recipe(
        name=name,
        title=label,
        problem=problem,
        classes=classes,
        metrics=METRICS[problem],
        monitor=MONITOR[problem],
        citation="",
        hub={},
    )
    return recipe, note


def _problem(records: Sequence[Record], user_data: UserData) -> Guess:
    if user_data.problem is not None:
        return Guess(user_data.problem, "as given")
    guess = guess_problem(records)
    return Guess(guess.problem, f"guessed: {guess.why}; --task-type says otherwise")


def _first(names: Sequence[str], count: int = 6) -> str:
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
