"""Adapters on disk: safetensors, with the adapter's shape in the run's record. No pickle."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..adapter.model import Adapter, AdapterConfig
from ..errors import InputError, MissingFileError
from .runs import WEIGHTS, Run, write_atomically


def save_weights(run: Run, state: Mapping[str, Tensor]) -> None:
    """Write an adapter's weights into its run's folder, in one step."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_atomically(run.path / WEIGHTS, save(plain))


def load_adapter(run: Run, device: torch.device | None = None) -> Adapter:
    """Build the adapter of a run, ready to predict.

    Raises
    ------
    MissingFileError
        Its weights are absent.
    InputError
        They are broken, or not of the shape the record says.
    """
    file = run.path / WEIGHTS
    if not file.is_file():
        raise MissingFileError(f"the run's weights are missing: there is no '{file}'")
    settings = dict(run.config["adapter"])
    settings["alphabets"] = tuple(settings["alphabets"])
    adapter = Adapter(AdapterConfig(**settings))
    try:
        adapter.load_state_dict(load(file.read_bytes()))
    except (SafetensorError, RuntimeError) as problem:
        first = str(problem).splitlines()[0]
        raise InputError(f"'{file}' does not hold this run's weights: {first}") from None
    return adapter.to(device or torch.device("cpu")).eval()
