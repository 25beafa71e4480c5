"""Send each epoch's figures to an experiment tracker: TensorBoard, Weights & Biases, trackio.

What speaks to them is accelerate's tracker interface; nothing is sent unless a tracker is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingExtraError
from .runs import Run

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
        values = {key: entry[key] for key in ("loss", "tokens_per_second", "wait_share")}
        values |= {f"valid/{metric}": value for metric, value in entry["valid"].items()}
        self._log(name, values, entry["epoch"])

    def settings(self, name: str, values: Mapping[str, Any]) -> None:
        """Send an adapter's settings; what is no number or word is sent as text."""
        if self._to is not None:
            defined = {key: value for key, value in values.items() if value is not None}
            plain = {
                k: v if isinstance(v, bool | int | float) else str(v) for k, v in defined.items()
            }
            self._to.store_init_configuration(_with_prefix(name, plain))

    def scores(self, name: str, run: Run) -> None:
        """Send what the best epoch of an adapter reached, at the last epoch's place."""
        values = {
            f"best/{split}/{metric}": value
            for split, metrics in run.metrics.items()
            for metric, value in metrics.items()
        }
        self._log(name, values, run.history[-1]["epoch"])

    def _log(self, name: str, values: Mapping[str, Any], epoch: int) -> None:
        if self._to is not None:
            self._to.log(_with_prefix(name, values), step=epoch)


NO_TRACKER = Tracker()


def _with_prefix(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name}/{key}" if name else key: value for key, value in values.items()}


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
        accelerator = (
            kind(project, logging_dir=folder) if kind.requires_logging_directory else kind(project)
        )
        accelerator.start()
    except ImportError as problem:
        if problem.name in ("wandb", "trackio"):  # one's own choice, so in no extra
            raise InputError(
                f"tracker '{name}' is not installed. Install it with: pip install {name}"
            ) from None
        raise MissingExtraError(f"tracker '{name}'", "track") from None
    try:
        yield Tracker(accelerator)
    finally:
        accelerator.finish()
