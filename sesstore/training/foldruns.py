"""What a cross-validation leaves beside its runs: ``folds.json``.

It is written when the first fold begins, with the settings, so that it only goes on with the same;
and again when all is done. Reading it imports no torch.

::

    folds.json              settings, what the folds are, scores of each
    fold-1/, fold-2/, ...   their trainings: a run each, or seed-0/, seed-1/, ...
    run.json, ...           the training on all rows; of several seeds in seed-0/, seed-1/, ...
    out-of-fold.safetensors beside it: what the folds' trainings say of rows they had not seen
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingFileError
from ..provenance import differences, plain, without_nan
from ..store.atomic_files import replace_file

RECORD = "folds.json"


@dataclass(frozen=True)
class FoldsRecord:
    """A cross-validation.

    Parameters
    ----------
    settings : mapping
        Everything that decides its numbers.
    note : str
        What the folds are, in a sentence.
    of : list of int
        Fold of each row of train, valid and test, one after another; from 0 on.
    valid : list of list of int
        For each fold the rows that are its valid.
    metrics : mapping of str to list of float
        For each metric its value on each fold's test rows, mean over seeds; None where it is not
        defined. Empty until all is done.
    """

    settings: Mapping[str, Any]
    note: str
    of: list[int]
    valid: list[list[int]]
    metrics: Mapping[str, list[float | None]] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether all folds, and the training on all rows, are done."""
        return bool(self.metrics)

    def save(self, folder: Path) -> None:
        """Write the record, in one step."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(without_nan(asdict(self)))
        replace_file(folder / RECORD, text.encode() + b"\n")

    @classmethod
    def load(cls, folder: Path) -> FoldsRecord | None:
        """Read the record of a folder; None if it holds no cross-validation.

        Raises
        ------
        InputError
            It is broken.
        """
        try:
            return cls(**json.loads((folder / RECORD).read_text("utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError) as problem:
            raise InputError(
                f"'{folder / RECORD}' is no record of a cross-validation: {problem}. Name another "
                f"folder with --out"
            ) from None


def check_settings(folder: Path, record: FoldsRecord, settings: Mapping[str, Any]) -> None:
    """Raise `InputError` where a cross-validation was begun with other settings; names them."""
    if differing := differences(record.settings, plain(settings)):
        raise InputError(
            f"the cross-validation in '{folder}' was begun with other settings: "
            f"{'; '.join(differing)}. Go on with the same, or name another folder with --out"
        )


def check_finished(folder: Path) -> None:
    """Raise `MissingFileError` where a folder holds a cross-validation that is not finished."""
    record = FoldsRecord.load(folder)
    if record is not None and not record.is_finished:
        raise MissingFileError(
            f"the cross-validation in '{folder}' is not finished. Go on with it by the same "
            f"command with --out {folder} --resume"
        )
