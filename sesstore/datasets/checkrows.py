"""Rows that contradict or repeat each other: labels, sequences and names, compared exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ..tasks import Problem, Task, split_rank
from .findings import Finding, Row, first, rows_of, split_pairs

_Groups = Mapping[object, Sequence[Row]]

_CONTRADICTION = (
    "one of the labels is wrong: no model can learn both, and each test row of it counts",
    "look up which is right; --fix drops all rows of these sequences",
)
_CONFLICTS = {
    Problem.MULTI_LABEL: (
        "each may be right as far as it goes: a chain fused of two proteins stands under both, "
        "with the labels of one each; a model that predicts all of them counts as wrong in each",
        "look them up, and where that is so give one row the labels of all; --fix drops all rows "
        "of these sequences",
    ),
    Problem.REGRESSION: (
        "measurements that differ: no model can be right in every row, and each test row counts",
        "look up under which conditions they were measured, and keep one; --fix drops all rows of "
        "these sequences",
    ),
}
"""Why differing labels of a sequence bias a result, and what to do, if they may all be right."""


def check_rows(task: Task) -> list[Finding]:
    """Find splits that are missing, and rows that contradict or repeat each other."""
    rows = rows_of(task)
    by_sequence = _grouped(rows, lambda row: row.digest)
    by_name = _grouped(rows, lambda row: row.id)
    findings = [
        *_no_test(task),
        *_conflicting(task.problem, by_sequence),
        *_across(task, by_sequence),
        *_repeated(task, by_sequence),
        *_names(by_name),
    ]
    return [finding for finding in findings if finding.count]


def _no_test(task: Task) -> Iterator[Finding]:
    tests = [name for name in task.splits if split_rank(name) == split_rank("test")]
    if not any(len(task.splits[name]) for name in tests):
        yield Finding(
            "no_test_rows",
            "splits without rows, so that results are on valid, which chose the epoch",
            1,
            ("test",),
            "the best of many epochs on valid is better than the adapter is",
            "keep some proteins apart as test",
        )


def _conflicting(problem: Problem, by_sequence: _Groups) -> Iterator[Finding]:
    odd = [group for group in by_sequence.values() if _differ(group)]
    yield Finding(
        "conflicting_labels",
        "sequences with differing labels",
        len(odd),
        first([f"{_names_of(group)}: {_labels_of(group)}" for group in odd]),
        *_CONFLICTS.get(problem, _CONTRADICTION),
    )


def _across(task: Task, by_sequence: _Groups) -> Iterator[Finding]:
    for earlier_split, later_split in split_pairs(task):
        odd = [
            group
            for group in by_sequence.values()
            if {earlier_split, later_split} <= _splits_of(group)
        ]
        yield Finding(
            f"in_{earlier_split}_and_{later_split}",
            f"sequences in {earlier_split} and {later_split}",
            len(odd),
            first([_names_of(group) for group in odd]),
            "what was learned by heart looks like what was understood",
            f"--fix keeps them in {later_split} only",
        )


def _repeated(task: Task, by_sequence: _Groups) -> Iterator[Finding]:
    for split in task.splits:
        rows_of_split = [[r for r in group if r.split == split] for group in by_sequence.values()]
        odd = [group for group in rows_of_split if len(group) > 1]
        yield Finding(
            f"repeated_in_{split}",
            f"rows that repeat a sequence in {split}",
            sum(len(group) - 1 for group in odd),
            first([_names_of(group) for group in odd]),
            "these proteins count several times, and make intervals look narrower than they are",
            "--fix keeps the first row of each",
        )


def _names(by_name: _Groups) -> Iterator[Finding]:
    several = [g for g in by_name.values() if len({row.digest for row in g}) > 1]
    yield Finding(
        "names_of_several_sequences",
        "names that stand for several sequences",
        len(several),
        first([_places_of(group) for group in several]),
        "structures and predictions that are joined by name meet the wrong protein",
        "--fix numbers the later ones (name, name~2, ...)",
    )
    differing = [group for group in by_name.values() if _differ(group)]
    yield Finding(
        "names_with_differing_labels",
        "repeated names with differing labels",
        len(differing),
        first([f"{group[0].id}: {_labels_of(group)}" for group in differing]),
        "tools that know proteins by name keep one of the labels, by chance",
        "--fix drops the rows if the sequence is the same, else numbers the names",
    )


def _grouped(rows: Sequence[Row], key: Callable[[Row], object]) -> dict[object, list[Row]]:
    groups: dict[object, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _differ(group: Sequence[Row]) -> bool:
    return len({row.label for row in group}) > 1


def _splits_of(group: Sequence[Row]) -> set[str]:
    return {row.split for row in group}


def _names_of(group: Sequence[Row]) -> str:
    return ", ".join(dict.fromkeys(row.id for row in group))


def _places_of(group: Sequence[Row]) -> str:
    return f"{group[0].id} ({', '.join(f'{row.split} row {row.place + 1}' for row in group)})"


def _labels_of(group: Sequence[Row]) -> str:
    labels = list(dict.fromkeys(row.label for row in group))
    return " or ".join(label if len(label) < 40 else label[:37] + "..." for label in labels)
