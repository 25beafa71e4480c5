"""How a column of labels is written: lists and their delimiter, decimal commas, truth values.

What a comma or a blank means shows in the whole column, not in one value: ``40,5`` is a number
among numbers and two classes among lists. Where a column can be read in two ways that is an error,
which says what would settle it. Everything later sees lists, numbers and names only.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..tasks import Problem
from .decimals import EUROPEAN, GROUPS, NOTATION, NUMBER, ascending, pointed, ungrouped

_TERM = re.compile(r".*\[[A-Za-z]+:\w+\]\s*", re.S)
"""A term with its accession, as UniProt writes it: ``DNA binding [GO:0003677]``."""

_ACCESSION = re.compile(r"[A-Za-z]+[:_]?\d[\w.:-]*|\d+(?:\.[\d-]+)*")
_DSSP = frozenset("HBEGITSP ")
_TRUTH = {"true": "True", "false": "False"}


@dataclass(frozen=True)
class Notation:
    """How the labels of a column are written.

    Parameters
    ----------
    plain : callable
        Takes a label as the file has it to a list, a number, or a name.
    notes : tuple of str
        What was decided and might surprise, in sentences.
    """

    plain: Callable[[Any], Any]
    notes: tuple[str, ...] = ()


def notation_of(
    labels: Sequence[Any],
    problem: Problem | None,
    lengths: Sequence[int] = (),
    *,
    semicolons: bool = False,
) -> Notation:
    """Find out how the labels of a column are written.

    Parameters
    ----------
    labels : sequence of object
        As the file has them; missing ones left out.
    lengths : sequence of int
        Residues of each protein.
    problem : Problem or None
        What is predicted, where the user says it.
    semicolons : bool
        Whether columns are delimited by semicolons, as where the decimal sign is a comma.

    Raises
    ------
    InputError
        They can be read in two ways, or numpy cut them when it printed them.
    """
    texts = [label.strip() for label in labels if isinstance(label, str)]
    if len(texts) < len(labels) and any(isinstance(label, list | tuple) for label in labels):
        return Notation(_listed)
    if any(is_bracketed(text) for text in texts):
        return Notation(_listed)
    if _truth_values(labels):
        return _truth(labels)
    if _with_coils(labels, lengths) and problem in (None, Problem.RESIDUE_SINGLE_LABEL):
        return Notation(lambda raw: raw.replace(" ", "L"), ("blanks are DSSP's coil: class L",))
    return _text_notation(texts, problem, semicolons) if texts else Notation(lambda raw: raw)


def _listed(raw: Any) -> Any:
    if isinstance(raw, tuple):
        return list(raw)
    if isinstance(raw, str) and is_bracketed(raw.strip()):
        return parse_list(raw)
    return raw


def _truth_values(labels: Sequence[Any]) -> bool:
    words = {str(label).strip().lower() for label in labels}
    return bool(words & _TRUTH.keys()) and words <= {*_TRUTH, "0", "1", "0.0", "1.0"}


def _truth(labels: Sequence[Any]) -> Notation:
    words = {str(label).strip() for label in labels}
    numbered = bool({word.lower() for word in words} - _TRUTH.keys())
    names = {"true": "1", "false": "0"} if numbered else _TRUTH
    note = f"labels {', '.join(sorted(words))} are the classes {', '.join(sorted(names.values()))}"

    def plain(raw: Any) -> Any:
        return names.get(str(raw).strip().lower(), raw)

    return Notation(plain, (note,) if len(words) > 2 else ())


def _with_coils(labels: Sequence[Any], lengths: Sequence[int]) -> bool:
    """Whether labels are DSSP states with blanks for a coil, one a residue."""
    if not lengths or not all(isinstance(label, str) for label in labels):
        return False
    states = {state for label in labels for state in label}
    return (
        " " in states
        and states <= _DSSP
        and all(len(label) == n for label, n in zip(labels, lengths, strict=True))
    )


def _text_notation(texts: Sequence[str], problem: Problem | None, semicolons: bool) -> Notation:
    """The notation of a column of text without brackets."""
    single = problem in (Problem.SINGLE_LABEL, Problem.REGRESSION)
    if not single:
        for mark in (";", "|"):
            if any(mark in text for text in texts):
                return _split_at(mark, texts, semicolons)
    texts = [ungrouped(text) for text in texts]
    if all(NOTATION.fullmatch(text) for text in texts):
        return _numbers(texts, problem, semicolons)
    if single:
        return Notation(lambda raw: raw)
    if any("," in text for text in texts) and _are_lists(texts, problem):
        return _split_at(",", texts, semicolons)
    words = [text.split() for text in texts]
    accessions = all(_ACCESSION.fullmatch(word) for part in words for word in part)
    if accessions and any(len(part) > 1 for part in words):
        return Notation(
            lambda raw: raw.split() if isinstance(raw, str) else raw,
            ("labels are lists with blanks between",),
        )
    if problem is Problem.MULTI_LABEL and _combine(words):
        return Notation(lambda raw: raw.split(), ("labels are lists with blanks between",))
    return Notation(lambda raw: raw)


def _split_at(mark: str, texts: Sequence[str], semicolons: bool) -> Notation:
    """Lists with a delimiter; parts that are numbers with a decimal comma are read so."""
    names = {";": "semicolons", "|": "|", ",": "commas"}
    terms = mark == "," and all(_TERM.fullmatch(text) for text in texts)
    pattern = re.compile(r"(?<=\]),") if terms else re.compile(re.escape(mark))
    parts = [ungrouped(part.strip()) for text in texts for part in pattern.split(text)]
    parts = [part for part in parts if part]
    comma = mark != "," and any("," in part for part in parts)
    decimal = comma and all(EUROPEAN.fullmatch(p) or NUMBER.fullmatch(p) for p in parts)

    def plain(raw: Any) -> Any:
        if not isinstance(raw, str):
            return raw
        values = [ungrouped(part.strip()) for part in pattern.split(raw)]
        while values and values[-1] == "":
            values.pop()
        return [pointed(value) for value in values] if decimal else values

    note = f"labels are lists with {names[mark]} between"
    return Notation(plain, (f"{note}, and decimal commas",) if decimal else (note,))


def _numbers(texts: Sequence[str], problem: Problem | None, semicolons: bool) -> Notation:
    """The notation of a column of numbers, or of lists of class numbers with commas."""
    commas = [text for text in texts if "," in text]
    if not commas:
        return Notation(lambda raw: ungrouped(raw.strip()) if isinstance(raw, str) else raw)
    may_be_list = problem is None or problem is Problem.MULTI_LABEL or problem.per_residue
    if any("." in text for text in commas):
        if all(GROUPS.fullmatch(text) for text in commas):
            return _thousands()
        if all(EUROPEAN.fullmatch(text) for text in commas):
            return _decimal_comma()
        return _as_lists(may_be_list, commas)
    if any(text.count(",") > 1 for text in commas):
        grouped = all(GROUPS.fullmatch(text) for text in commas)
        return _thousands() if grouped and not may_be_list else _as_lists(may_be_list, commas)
    if problem is Problem.MULTI_LABEL or (problem is not None and problem.per_residue):
        return _as_lists(True, commas)
    if problem is None and not semicolons and all(ascending(text) for text in commas):
        raise InputError(
            f"labels such as '{commas[0]}' are numbers with a decimal comma, or lists of classes: "
            f"say which with --task-type regression, or --task-type multi_label"
        )
    if all(GROUPS.fullmatch(text) for text in commas):
        raise InputError(
            f"labels such as '{commas[0]}' have a decimal comma, or one for thousands. Write them "
            f"with a point, or without the comma"
        )
    return _decimal_comma()


def _as_lists(may_be_list: bool, commas: Sequence[str]) -> Notation:
    if not may_be_list:
        raise InputError(
            f"labels such as '{commas[0]}' are no numbers: commas and points are mixed. Write them "
            f"with a point for decimals and nothing for thousands"
        )
    return _split_at(",", commas, False)


def _decimal_comma() -> Notation:
    return Notation(
        lambda raw: pointed(ungrouped(raw.strip())) if isinstance(raw, str) else raw,
        ("labels have decimal commas",),
    )


def _thousands() -> Notation:
    return Notation(
        lambda raw: ungrouped(raw.strip()).replace(",", "") if isinstance(raw, str) else raw,
        ("labels have commas for thousands",),
    )


def _are_lists(texts: Sequence[str], problem: Problem | None) -> bool:
    """Whether commas stand between names rather than in them.

    Lists combine few names in many ways; a name with a comma is always written with it.
    """
    if problem is Problem.MULTI_LABEL:
        return True
    if all(_TERM.fullmatch(text) for text in texts):
        return any(text.count("[") > 1 for text in texts)
    return _combine([[part.strip() for part in text.split(",")] for text in texts])


def _combine(lists: Sequence[Sequence[str]]) -> bool:
    """Whether lists combine few words in many ways."""
    return len({word for words in lists for word in words}) < len(set(map(tuple, lists)))


_PRINTED = re.compile(r"(?:(?:np|numpy|torch)\.)?(?:array|tensor)\((.*)\)", re.S)
_FACTS = re.compile(r",\s*(?:dtype|device|requires_grad|shape)=.*", re.S)
"""What numpy and torch print around a list, and behind it."""


def parse_list(text: str) -> list[Any]:
    """Read a list as JSON, Python, numpy or torch print it.

    Raises
    ------
    InputError
        It was cut when it was printed, or holds lists.
    """
    inner = _unwrapped(text)
    if "..." in inner or "\u2026" in inner:
        raise InputError(
            f"label '{inner[:30]}' was cut when it was printed ('...'). Write all its values, such "
            f"as with json.dumps(list(label))"
        )
    values = parse_literal(inner)
    if values is None:
        body = inner[1:-1]
        values = re.split(r"[;,]", body) if re.search(r"[;,]", body) else body.split()
        values = [value.strip(" \t\r\n'\"") for value in values]
        values = [value for value in values if value != ""]
    if any(isinstance(v, list | tuple | dict | set) or "[" in str(v)[:1] for v in values):
        raise InputError(f"label '{inner[:30]}' is a list of lists. Give one list a row")
    return values


def parse_literal(text: str) -> list[Any] | None:
    """The list, tuple or set that text is in JSON or Python; None if it is none."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, set):
            return sorted(value, key=str)
        if isinstance(value, list | tuple):
            return list(value)
    return None


def _unwrapped(text: str) -> str:
    """The list within what numpy or torch print: ``tensor([0, 1], dtype=torch.int32)``."""
    match = _PRINTED.fullmatch(text.strip())
    return _FACTS.sub("", match[1]).strip() if match else text.strip()


def is_bracketed(text: str) -> bool:
    """Whether text is a list as something prints it, rather than a name with brackets."""
    inner = _unwrapped(text)
    if inner[:1] == "[":
        return inner[-1] == "]"
    # Parentheses and braces stand in names, too: (R)-lactate, {a}.
    return inner[:1] in ("(", "{") and "," in inner and parse_literal(inner) is not None
