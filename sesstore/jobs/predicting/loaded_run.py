"""A run in memory, to predict with as often as wanted: its adapters and encoder are read once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from ...encoders import registry
from ...encoders.base import Encoder
from ...training.predictor import Predictor
from ...training.runs import Run
from ...training.seeds import runs_at


class LoadedRun:
    """A run, or those of several seeds; weights are read when they are first needed.

    Parameters
    ----------
    path : path
        Folder of a run, or of a training by several seeds.
    weights : path, optional
        The encoder's weights, see `registry.load`.
    device : str, optional
        Where the encoder and the adapters run; the best there is by default.

    Raises
    ------
    MissingFileError, InputError
        There is no run, or its record is broken.
    """

    def __init__(
        self, path: Path | str, weights: Path | None = None, device: str | None = None
    ) -> None:
        self.path, self.runs = Path(path), runs_at(path)
        self._weights, self._device = weights, device

    @property
    def run(self) -> Run:
        """The first seed's."""
        return self.runs[0]

    @cached_property
    def predictor(self) -> Predictor:
        """The adapters; raises as `Predictor`."""
        return Predictor(self.runs, self._device)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder whose embeddings the run takes.

        Raises
        ------
        WeightsError
            Its weights are absent, or not what they say they are.
        """
        return registry.load_same(self.run.fingerprint, weights=self._weights, device=self._device)
