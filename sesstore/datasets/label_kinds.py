"""What kind of labels a file has, where the user does not say; and what its classes are called.

A guess is one of `Problem`, with the reason in a sentence: it is said, and ``--task-type`` settles
it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..tasks import Problem
from .decimals import number_of
from .labels import class_name, label_words, parse_mask, residue_words
from .missing import is_missing
from .records import Record

MOST_CLASSES = 20
"""Whole numbers of at most so many kinds are taken for classes, of more for a quantity."""


@dataclass(frozen=True)
class Guess:
    """A kind of task, and why.

    Parameters
    ----------
    problem : Problem
    why : str
        What of the labels speaks for it.
    """

    problem: Problem
    why: str


def guess_problem(records: Sequence[Record]) -> Guess:
    """Guess what is predicted from the labels of all records.

    Raises
    ------
    InputError
        The labels fit nothing: text that differs in nearly every row; says where the first is.
    """
    labels = [record.label for record in records if record.label not in (None, "")]
    if _one_a_residue(records):
        words = [word for record in records[:100] for word in residue_words(record.label)]
        words = [word for word in words if not is_missing(word)]
        if words and all(map(_is_number, words)) and not _all_integers(words):
            return Guess(Problem.RESIDUE_REGRESSION, "there is a number for each residue")
        return Guess(Problem.RESIDUE_SINGLE_LABEL, "there is a letter or class for each residue")
    if any(isinstance(label, list) for label in labels):
        return Guess(Problem.MULTI_LABEL, "labels are lists")
    kinds = {class_name(label) for label in labels}
    if all(_is_number(label) for label in labels):
        if not _all_integers(labels):
            return Guess(Problem.REGRESSION, "labels are numbers with fractions")
        if len(kinds) > MOST_CLASSES:
            return Guess(Problem.REGRESSION, f"labels are {len(kinds):,} different whole numbers")
        return Guess(Problem.SINGLE_LABEL, f"labels are {len(kinds)} different whole numbers")
    if len(kinds) > max(MOST_CLASSES, len(labels) // 2):
        odd = next(record for record in records if not _is_number(record.label))
        column = f"column {odd.column}: " if odd.column else ""
        raise odd.error(
            f"{column}'{str(odd.label)[:40]}' is text, and labels differ in {len(kinds):,} of "
            f"{len(labels):,} rows. Is this the column of labels? Name another with --label, take "
            f"units out of numbers, or say --task-type"
        )
    return Guess(Problem.SINGLE_LABEL, f"labels are {len(kinds)} different words")


def class_names(records: Iterable[Record], problem: Problem) -> tuple[str, ...]:
    """Names of the classes that occur, numbers in their order, then words in theirs.

    Raises
    ------
    RecordError
        A label cannot be taken apart.
    """
    names: set[str] = set()
    for record in records:
        try:
            names.update(map(class_name, _classes_of(record, problem)))
        except InputError as wrong:
            raise record.error(wrong) from None
    return tuple(sorted(names, key=lambda name: (not _is_number(name), _value(name), name)))


def _classes_of(record: Record, problem: Problem) -> list[Any]:
    if problem is Problem.MULTI_LABEL:
        return label_words(record.label)
    if problem is Problem.RESIDUE_SINGLE_LABEL:
        words = residue_words(record.label)
        mask = parse_mask(record.mask, len(record.protein))
        present = [not is_missing(word) for word in words] if mask is None else mask.tolist()
        return [word for word, keep in zip(words, present, strict=False) if keep]
    return [record.label] if record.label not in (None, "") else []


def _one_a_residue(records: Sequence[Record]) -> bool:
    """Whether each label has one part a residue, and some protein is longer than one."""
    for record in records:
        if not isinstance(record.label, str | list):
            return False
        if len(residue_words(record.label)) != len(record.protein):
            return False
    # "0.5" is a number, whatever peptide of three residues it is of.
    numbers = all(isinstance(r.label, str) and _is_number(r.label) for r in records)
    if numbers and any("." in record.label for record in records):
        return False
    return any(len(record.protein) > 1 for record in records)


def _is_number(label: Any) -> bool:
    value = number_of(label)
    return value is not None and math.isfinite(value)


def _all_integers(labels: Sequence[Any]) -> bool:
    values = [number_of(label) for label in labels]
    return all(value is not None and value == int(value) for value in values)


def _value(name: str) -> float:
    return float(name) if _is_number(name) else 0.0
