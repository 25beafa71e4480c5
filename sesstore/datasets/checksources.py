"""Data sets that should agree (two structure sources), and how far tokens reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from ..tasks import Problem, Task
from .findings import Finding, Row, first, rows_of

UNEVEN = 0.05
"""Difference of coverage between splits, or classes, that matters."""

Coverage = Mapping[bytes, float]
"""Share of a protein's residues that have a token; proteins without tokens are absent."""


def check_agreement(tasks: Mapping[str, Task]) -> list[Finding]:
    """Compare data sets that are one task from several sources, by name.

    Parameters
    ----------
    tasks : mapping of str to Task
        By source.
    """
    findings: list[Finding] = []
    for (name_a, task_a), (name_b, task_b) in combinations(tasks.items(), 2):
        findings += _disagree(f"{name_a} and {name_b}", _by_name(task_a), _by_name(task_b))
    return [finding for finding in findings if finding.count]


def differing_names(tasks: Sequence[Task]) -> set[str]:
    """Names whose sequences are not the same in all data sets that have them."""
    digests_by_name: dict[str, set[bytes]] = {}
    odd = set()
    for task in tasks:
        for name, rows in _by_name(task).items():
            digests = {row.digest for row in rows}
            if digests_by_name.setdefault(name, digests) != digests:
                odd.add(name)
    return odd


def check_coverage(task: Task, tokens: Mapping[str, Coverage]) -> list[Finding]:
    """Find where structure is missing, and whether that follows split or class.

    Parameters
    ----------
    task : Task
    tokens : mapping of str to Coverage
        By source.
    """
    rows = rows_of(task)
    findings = []
    for source, coverage in tokens.items():
        lacking = [row.id for row in rows if row.digest not in coverage]
        if lacking and len(lacking) < len(rows):
            findings += [_lacking(source, lacking), *_uneven(task, source, coverage, rows)]
    return findings


def _lacking(source: str, lacking: Sequence[str]) -> Finding:
    return Finding(
        "without_tokens",
        f"rows without tokens from {source}",
        len(lacking),
        first(lacking),
        "they are trained and measured with masked tokens",
        f"`sesstore tokens DIR --source {source}` for their structures",
        biases=False,
    )


def _uneven(task: Task, source: str, coverage: Coverage, rows: Sequence[Row]) -> Iterator[Finding]:
    groups = {"split": [row.split for row in rows]}
    if task.problem is Problem.SINGLE_LABEL:
        groups["class"] = [row.label for row in rows]
    has = np.asarray([row.digest in coverage for row in rows])
    for criterion, words in groups.items():
        labels = np.asarray(words)
        shares = {word: float(has[labels == word].mean()) for word in dict.fromkeys(words)}
        apart = max(shares.values()) - min(shares.values())
        if apart > UNEVEN:
            yield Finding(
                f"uneven_tokens_by_{criterion}",
                f"percent between {criterion}es in tokens from {source}".replace(
                    "splites", "splits"
                ),
                round(100 * apart),
                tuple(f"{word}: {share:.0%}" for word, share in shares.items()),
                "whether there is a structure tells the answer"
                if criterion == "class"
                else "training and testing meet different inputs",
                f"tokenise the missing structures (`sesstore tokens DIR --source {source}`), or "
                f"train with --structure none",
            )


def _disagree(
    pair: str, rows_a: Mapping[str, Sequence[Row]], rows_b: Mapping[str, Sequence[Row]]
) -> Iterator[Finding]:
    shared = [name for name in rows_a if name in rows_b]
    odd = [n for n in shared if {r.digest for r in rows_a[n]} != {r.digest for r in rows_b[n]}]
    yield Finding(
        "sequence_differs_between_sources",
        f"names whose sequence differs between {pair}",
        len(odd),
        first(odd),
        "tokens of one protein are laid on another, and sources compared on different proteins",
        "--fix drops these names from every source",
    )
    moved = [n for n in shared if _facts(rows_a[n]) != _facts(rows_b[n])]
    yield Finding(
        "label_differs_between_sources",
        f"names whose label or split differs between {pair}",
        len(moved),
        first(moved),
        "a difference of results is then not the structures'",
        "compare the sources on rows they share",
    )
    single = [n for n in rows_a if n not in rows_b] + [n for n in rows_b if n not in rows_a]
    yield Finding(
        "in_one_source_only",
        f"names that only one of {pair} has",
        len(single),
        first(single),
        "sources are compared on different proteins",
        "compare the sources on rows they share",
    )


def _facts(rows: Sequence[Row]) -> set[tuple[str, str]]:
    return {(row.split, row.label) for row in rows}


def _by_name(task: Task) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for row in rows_of(task):
        rows.setdefault(row.id, []).append(row)
    return rows
