"""The record of one training run: a folder with ``run.json`` and the adapter's weights.

Reading a record imports no torch, so reports and listings stay light.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingFileError
from ..provenance import Fingerprint
from ..store.atomic_files import replace_file
from ..tasks import Split, Task, pooled

RECORD = "run.json"
FOLDS = "out-of-fold"
"""Split of a cross-validation's run: all rows, each as the fold's training says that had not seen
it."""
WEIGHTS, LAST = "best.safetensors", "last.safetensors"
LINEAR = "linear.safetensors"
STATE = "unfinished.safetensors"
"""What an interrupted training leaves in its folder."""
FORMAT = 1


def capitalize(text: str) -> str:
    """Return a text that begins with a capital; the rest stays, unlike by `str.capitalize`."""
    return f"{text[0].upper()}{text[1:]}"


@dataclass(frozen=True)
class Caution:
    """Something of a result that is off.

    Parameters
    ----------
    what : str
        Its kind, for machines: ``"constant_predictions"``, ...
    text : str
        What is off, for people.
    todo : str
        What to do about it.
    """

    what: str
    text: str
    todo: str

    @property
    def line(self) -> str:
        """All of it, in a line."""
        return f"{self.text}. {capitalize(self.todo)}"

    @property
    def paragraph(self) -> str:
        """The line, to stand by itself."""
        return f"{capitalize(self.line)}."


@dataclass(frozen=True, eq=False)
class Run:
    """A trained adapter and all that is known about it.

    Parameters
    ----------
    path : path
        Its folder.
    task : dict
        Name, problem, classes, metrics, monitor and data digest of the task.
    config : dict
        ``adapter`` and ``fit``: every setting.
    fingerprint : Fingerprint
        The encoder of the embeddings it was trained on, and takes.
    source : str or None
        Source of the structure tokens; None without.
    coverage : dict of str to dict
        For each split rows, rows with tokens, residues and unmasked residues by alphabet.
    metrics : dict of str to dict
        For each split metric to number, by the best epoch.
    history : list of dict
        For each check on valid the ``epoch`` after which it was, the valid metrics, and loss and
        timings since the check before.
    timings : dict of str to float
        Seconds: ``total``, ``seconds_per_epoch``, ...; ``wait_share`` is a share.
    scale : dict of str to float
        Mean and standard deviation regression labels were standardised with.
    circumstances : dict
        Date, command, versions.
    cautions : tuple of Caution
        What is off, see `cautions.run_cautions`.
    linear : dict
        Penalties of the linear term the adapter adds to, see `linearterm`; empty without. Its
        weights are a file beside the adapter's.
    """

    path: Path
    task: Mapping[str, Any]
    config: Mapping[str, Any]
    fingerprint: Fingerprint
    source: str | None
    coverage: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]]
    history: list[dict[str, Any]]
    timings: Mapping[str, float]
    scale: Mapping[str, float] = field(default_factory=dict)
    circumstances: Mapping[str, Any] = field(default_factory=dict)
    cautions: tuple[Caution, ...] = ()
    linear: Mapping[str, Any] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """The epoch, from 1, whose weights were kept."""
        # An epoch is marked when it was the best so far, so the last one marked was kept.
        return int(max(e["epoch"] for e in self.history if e.get("best")))

    @property
    def is_linear(self) -> bool:
        """Whether the adapter adds nothing: the linear model it began at predicts alone."""
        return self.best_epoch == 0

    def save(self) -> None:
        """Write ``run.json`` in one step."""
        value = {k: v for k, v in asdict(self).items() if k != "path"}
        replace_file(
            self.path / RECORD, json.dumps({"format": FORMAT, **value}, indent=1).encode() + b"\n"
        )

    @classmethod
    def load(cls, path: Path | str) -> Run:
        """Read a run's record.

        Raises
        ------
        MissingFileError
            There is no run in that folder.
        InputError
            Its record is broken, or of another format.
        """
        path = Path(path)
        file = path / RECORD
        if not file.is_file():
            raise MissingFileError(
                f"there is no run at '{path}' (no {RECORD}). Name the folder that `sesstore train` "
                f"printed"
            )
        try:
            value = json.loads(file.read_text("utf-8"))
            if value.get("format") != FORMAT:
                raise InputError(
                    f"{file} is of format {value.get('format')}, this version reads {FORMAT}"
                )
            values = {f.name: value[f.name] for f in fields(cls) if f.name in value}
            values["fingerprint"] = Fingerprint.from_json(values["fingerprint"])
            values["cautions"] = tuple(Caution(**caution) for caution in value.get("cautions", ()))
            return cls(path=path, **values)
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError, KeyError) as e:
            raise InputError(f"{file} is no record of a run: {e}") from None


def reported_split(run: Run) -> str:
    """The split a run's result is of: all folds, else test, else valid.

    Raises
    ------
    InputError
        It was measured on none.
    """
    for name in (FOLDS, "test", "valid"):
        if name in run.metrics:
            return name
    raise InputError(f"the run in '{run.path}' was not measured on any rows. Train again")


def default_split(run: Run, task: str) -> str:
    """Rows a run is measured on where nobody says."""
    return FOLDS if FOLDS in run.metrics and task == run.task["name"] else "test"


def rows_of(task: Task, split: str) -> Split:
    """Rows of a split that a run was measured on; of a cross-validation all of them."""
    return pooled(task) if split == FOLDS else task.split(split)


def task_record(task: Task) -> dict[str, Any]:
    """What a run's record says of its task."""
    return {
        "name": task.name,
        "problem": str(task.problem),
        "classes": list(task.classes),
        "metrics": list(task.metrics),
        "monitor": task.monitor,
        "data_digest": task.data_digest,
        "citation": task.citation,
    }
