"""Send each epoch's figures to an experiment tracker: TensorBoard, Weights & Biases, trackio.

What speaks to them is accelerate's tracker interface; nothing is sent unless a tracker is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingExtraError

TRACKERS = ("tensorboard", "wandb", "trackio")


class Tracker:
    """Takes figures; this one forgets them.

    Parameters
    ----------
    to : object, optional
        accelerate's tracker.
    """

    def __init__(self, to: Any = None) -> None:
        self._to = to

    def epoch(self, name: str, entry: Mapping[str, Any]) -> None:
        """Send an epoch's record, see `Run.history`.

        Parameters
        ----------
        name : str
            Of the adapter; empty if it is the only one.
        entry : mapping
            Loss, valid metrics and timings of the epoch.
        """
        if self._to is None:
            return
        before = f"{name}/" if name else ""
        values = {key: entry[key] for key in ("loss", "tokens_per_second", "wait_share")}
        values |= {f"valid/{metric}": value for metric, value in entry["valid"].items()}
        self._to.log({before + key: value for key, value in values.items()}, step=entry["epoch"])


NO_TRACKER = Tracker()


@contextmanager
def tracker(name: str | None, project: str, folder: Path) -> Iterator[Tracker]:
    """Open a tracker.

    Parameters
    ----------
    name : str, optional
        One of `TRACKERS`; nothing is tracked without.
    project : str
        What the tracker calls it: the task.
    folder : path
        Where TensorBoard's files go.

    Raises
    ------
    InputError
        There is no such tracker.
    MissingExtraError
        It is not installed.
    """
    if name is None:
        yield NO_TRACKER
        return
    if name not in TRACKERS:
        raise InputError(f"tracker '{name}' is none of {', '.join(TRACKERS)}")
    try:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        kind = LOGGER_TYPE_TO_CLASS[name]
        made = (
            kind(project, logging_dir=folder) if kind.requires_logging_directory else kind(project)
        )
        made.start()
    except ImportError:
        raise MissingExtraError(f"tracker '{name}'", "track") from None
    try:
        yield Tracker(made)
    finally:
        made.finish()
