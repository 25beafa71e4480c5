"""Labels that are missing: what R, pandas, Excel and people write where there is none.

A missing label is never a class and never a number. Rows of one are refused with their count and
lines, or left out where the user says so.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..tasks import Problem
from .decimals import is_written_number
from .records import Record
from .splits import Rows

WORDS = frozenset(
    {"", "na", "n/a", "n.a.", "n.a", "<na>", "nan", "-nan", "nat", "none", "null", "nil"}
    | {"nd", "n.d.", "n.d", "n/d", "missing", "undefined", "undetermined", "not determined"}
    | {"not available", "not measured", "not applicable"}
    | {"#n/a", "#n/a n/a", "#na", "#value!", "#div/0!", "#ref!", "#name?", "#num!", "#null!"}
    | {"1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind"}
)
"""Compared in lower case."""

_SODIUM = "Na"
"""The one spelling that is a class, too: beside other ions."""

_DASHES = frozenset({"-", "--", "---", "\u2013", "\u2014", ".", "?"})
_SIGNS = frozenset({"+", "-", "+-", "+/-"})
_CENSORED = re.compile(r"\s*[<>\u2264\u2265~\u2248]\s*=?\s*(.+)")
_EXAMPLES = 8


def labelled_rows(rows: Rows, problem: Problem | None, *, drop: bool) -> tuple[Rows, list[str]]:
    """Leave out the rows whose label is missing, if the user wants that.

    Parameters
    ----------
    rows : dict of str to list of Record
        Rows by split.
    problem : Problem or None
        What is predicted, where the user says it.
    drop : bool
        Leave them out; else they are refused.

    Returns
    -------
    dict of str to list of Record, list of str
        The others, and what was left out, in a sentence.

    Raises
    ------
    InputError
        Labels are missing and `drop` is not set, or all are missing; says how many and where.
    """
    records = [record for split in rows.values() for record in split]
    words = missing_words(records, problem)
    absent = [(r, word) for r, word in zip(records, words, strict=True) if word is not None]
    if not absent:
        return rows, []
    kinds = Counter(word for _, word in absent).most_common()
    spellings = ", ".join(f"{word or 'empty'}: {count:,}" for word, count in kinds[:_EXAMPLES])
    verb = "has" if len(absent) == 1 else "have"
    count = f"{len(absent):,} of {len(records):,} rows {verb} no label ({spellings})"
    if len(absent) == len(records):
        raise InputError(
            f"{absent[0][0].path}: none of the {len(records):,} rows has a label ({spellings}). "
            f"Name the column of labels with --label, or put them in"
        )
    if not drop:
        raise InputError(
            f"{_places([record for record, _ in absent])}: {count}. Give each one, or leave "
            f"such rows out with --drop-unlabelled"
        )
    absent_rows = {id(record) for record, _ in absent}
    labelled = {s: [r for r in split if id(r) not in absent_rows] for s, split in rows.items()}
    return {s: split for s, split in labelled.items() if split}, [f"{count}: left out, as asked"]


def missing_words(records: Sequence[Record], problem: Problem | None) -> list[str | None]:
    """Return what stands for each missing label (``""`` for nothing); None where there is one."""
    words = [_word(record.label) for record in records]
    present = [r for r, word in zip(records, words, strict=True) if word is None]
    residues = problem.per_residue if problem else _by_residue(present)
    if residues:
        return [
            None if word is not None and _has_a_part_each(r) else word
            for r, word in zip(records, words, strict=True)
        ]
    texts = {str(record.label).strip() for record in present}
    if problem is None or problem.is_regression:
        open_ended = {text for text in texts if _is_censored(text)}
        numbers = texts - open_ended - _DASHES
        if open_ended and (problem or (numbers and all(map(is_written_number, numbers)))):
            words = [_with(w, r.label, open_ended) for w, r in zip(words, records, strict=True)]
    dashes = texts & _DASHES
    if dashes and not texts & (_SIGNS - {"-"}):
        words = [_with(w, r.label, dashes) for w, r in zip(words, records, strict=True)]
    return words


def is_missing(raw: Any) -> bool:
    """Whether a value by itself stands for a missing label."""
    return _word(raw) is not None


def _word(raw: Any) -> str | None:
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return "" if raw is None else "NaN"
    if isinstance(raw, list) and raw:
        words = [_word(part) for part in raw]
        return words[0] if all(word is not None for word in words) else None
    if not isinstance(raw, str):
        return None
    text = raw.strip()
    return text if text.lower() in WORDS and text != _SODIUM else None


def _with(word: str | None, raw: Any, missing: set[str] | frozenset[str]) -> str | None:
    text = str(raw).strip()
    return text if word is None and text in missing else word


def _is_censored(text: str) -> bool:
    match = _CENSORED.fullmatch(text)
    return match is not None and is_written_number(match[1].strip())


def _by_residue(records: Sequence[Record]) -> bool:
    """Whether all labels are text or lists with a part for each residue."""
    return bool(records) and all(map(_has_a_part_each, records))


def _has_a_part_each(record: Record) -> bool:
    return isinstance(record.label, str | list) and len(record.label) == len(record.protein)


def _places(records: Sequence[Record]) -> str:
    first, lines = records[0], [r for r in records if r.path == records[0].path]
    numbers = ", ".join(f"{line:,}" for line in sorted(record.line for record in lines)[:_EXAMPLES])
    ellipsis = ", ..." if len(records) > _EXAMPLES else ""
    column = f", column {first.column}" if first.column else ""
    plural = "s" if len(lines) > 1 else ""
    return f"{first.path}{column}, line{plural} {numbers}{ellipsis}"
