"""Labels as files write them to labels as tasks hold them.

Files write a class by its number or its name (``1``, ``"1.0"``, ``"membrane"``), several as a list
or as ``"18,117"``; labels of residues as a string of one letter each (``"HHEC"``), a list, or as
``"0.5;0.3"``. Residues a mask leaves out, None and NaN have no label.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..tasks import IGNORED, Problem
from .decimals import number_of
from .missing import is_missing

_SEPARATORS = re.compile(r"[;,]")
_INTEGER = re.compile(r"[+-]?\d{1,15}(?:\.0*)?")
_FLAGS = {"0": False, "1": True, "False": False, "True": True}


class LabelReader:
    """Reads the labels of one task.

    Parameters
    ----------
    problem : Problem
        What is predicted.
    classes : sequence of str
        Class names in the order of the label numbers. A label that is a name counts as that; else
        it is a number from 0 on.
    """

    def __init__(self, problem: Problem, classes: Sequence[str]) -> None:
        self.problem, self._number_of = problem, {name: i for i, name in enumerate(classes)}
        # Where classes are called 1 to 9, a number is a name: 0 is none of them.
        numbers = [str(number) for number in range(len(classes))]
        self._numbered = [*classes] == numbers or not all(map(str.isdecimal, classes))

    def read(self, raw: Any, length: int = 0, mask: Any = None) -> Any:
        """Read one protein's label.

        Parameters
        ----------
        raw : object
            As read from the file.
        length : int
            Residues of the protein; for residue problems.
        mask : object
            Which residues have a label, as in the file; for residue problems.

        Returns
        -------
        int, float, tuple of int, or ndarray, shape=(L,)
            For single label, regression, multi label; for residue problems int64 with -100 or
            float32 with NaN where there is no label.

        Raises
        ------
        InputError
            It is missing, of the wrong kind, of the wrong length or out of range.
        """
        if self.problem.per_residue:
            return self._residues(raw, length, parse_mask(mask, length))
        if isinstance(raw, list) and len(raw) == 1 and self.problem is not Problem.MULTI_LABEL:
            raw = raw[0]  # as TAPE writes numbers
        if self.problem is Problem.REGRESSION:
            return _number(raw)
        if self.problem is Problem.MULTI_LABEL:
            words = label_words(raw)
            _check_numbers_of_classes(words)
            return tuple(sorted({self._class(word) for word in words}))
        return self._class(raw)

    def _residues(self, raw: Any, length: int, mask: NDArray[np.bool_] | None) -> NDArray[Any]:
        words = residue_words(raw)
        if len(words) != length:
            raise InputError(f"{len(words)} labels for {length} residues. Each residue needs one")
        present = [not is_missing(word) for word in words] if mask is None else mask.tolist()
        if self.problem is Problem.RESIDUE_REGRESSION:
            values = [_number(w) if k else math.nan for w, k in zip(words, present, strict=True)]
            return np.asarray(values, np.float32)
        numbers = [self._class(w) if k else IGNORED for w, k in zip(words, present, strict=True)]
        return np.asarray(numbers, np.int64)

    def _class(self, raw: Any) -> int:
        if isinstance(raw, str) and raw in self._number_of:
            return self._number_of[raw]
        if is_missing(raw):
            raise InputError("no label. Give each record one, or remove it")
        name = class_name(raw)
        if name in self._number_of:
            return self._number_of[name]
        count, value = len(self._number_of), number_of(raw) if self._numbered else None
        if value is None:
            examples = ", ".join(list(self._number_of)[:8]) + (", ..." if count > 8 else "")
            kind = "no number, and no class name" if self._numbered else "no class"
            raise InputError(f"label {raw!r} is {kind} (classes: {examples})")
        if not math.isfinite(value):
            raise InputError(f"label {raw!r} is no finite number. Take the record out, or mend it")
        if value != int(value):
            raise InputError(
                f"label {raw!r} is no whole number, and classes are numbered. Write the class"
            )
        if not 0 <= value < count:
            raise InputError(
                f"label {int(value)} is out of range: this task has 0 to {count - 1}. Write one of "
                f"these"
            )
        return int(value)


def class_name(raw: Any) -> str:
    """Name of a class as a file writes it; whole numbers in any spelling have one name.

    Raises
    ------
    InputError
        It is blank.
    """
    text = str(raw).strip()
    if text == "":
        raise InputError("a label is blank. Write a letter or a word for it, such as L for a coil")
    return str(int(float(text))) if _INTEGER.fullmatch(text) else text


def label_words(raw: Any) -> list[Any]:
    """Take several labels apart: a list, or text with commas or semicolons between."""
    if is_missing(raw) and raw != "":
        raise InputError("no label. Give each record one, or remove it (an empty list is one)")
    words = _SEPARATORS.split(raw.strip("[] ")) if isinstance(raw, str) else raw
    words = words if isinstance(words, list | tuple) else [words]
    stripped = [word.strip(" '\"") if isinstance(word, str) else word for word in words]
    return [word for word in stripped if not is_missing(word)]


def _check_numbers_of_classes(words: Sequence[Any]) -> None:
    """Raise for 0 and 1 a class, which would be read as classes 0 and 1 of every protein."""
    if len(words) > 2 and {class_name(word) for word in words} <= {"0", "1"}:
        numbers = ", ".join(str(i) for i, word in enumerate(words) if class_name(word) == "1")
        raise InputError(
            f"a label of {len(words)} times 0 or 1 says which classes there are, one after the "
            f"other. Write the numbers of the classes instead: {numbers or 'an empty list'}"
        )


def residue_words(raw: Any) -> list[Any]:
    """Take the labels of residues apart: a list, ``"0.5;0.3"``, or one letter a residue."""
    if isinstance(raw, str):
        return _SEPARATORS.split(raw.strip("[] ")) if _SEPARATORS.search(raw) else list(raw)
    if isinstance(raw, list | tuple):
        return list(raw)
    raise InputError("no labels of residues. Give a list, or a string of one letter a residue")


def parse_mask(raw: Any, length: int) -> NDArray[np.bool_] | None:
    """Read which residues have a label, from ``"0110"`` or a list of 0 and 1; None for all.

    Raises
    ------
    InputError
        It has another length, or something else in it.
    """
    if raw is None:
        return None
    values = list(raw) if isinstance(raw, str | list) else [raw]
    if len(values) != length:
        raise InputError(f"the mask has {len(values)} places, the sequence {length} residues")
    flags = [_FLAGS.get(class_name(value)) for value in values]
    if None in flags:
        raise InputError("the mask holds something else than 0 and 1")
    return np.asarray(flags, bool)


def _number(raw: Any) -> float:
    if is_missing(raw):
        raise InputError("no label. Give each record one, or remove it")
    value = number_of(raw)
    if value is None:
        raise InputError(f"label {raw!r} is no number. Write a number, with a point for decimals")
    if not math.isfinite(value):
        raise InputError(f"label {raw!r} is no finite number. Take the record out, or mend it")
    return value
