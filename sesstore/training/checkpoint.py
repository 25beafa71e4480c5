"""Adapters and interrupted trainings on disk: safetensors and JSON, written atomically. No pickle.

A run's weights lie beside its record, which tells the adapter's shape. The state of an interrupted
training is one file: tensors, with all other facts as JSON in the header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from ..adapter.adapter_config import AdapterConfig
from ..adapter.model import Adapter
from ..errors import InputError, MissingFileError
from ..store.atomic_files import replace_file
from .runs import LAST, STATE, WEIGHTS, Run

__all__ = ["LAST", "STATE", "WEIGHTS", "load_adapter", "load_state", "save_state", "save_weights"]


def save_weights(run: Run, state: Mapping[str, Tensor], name: str = WEIGHTS) -> None:
    """Write an adapter's weights into its run's folder, in one step."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    replace_file(run.path / name, save(plain))


def load_adapter(run: Run, device: torch.device | None = None, name: str = WEIGHTS) -> Adapter:
    """Build the adapter of a run, ready to predict.

    Parameters
    ----------
    run : Run
        A trained run.
    device : torch.device, optional
        Where; the CPU by default.
    name : str
        `WEIGHTS`, of the best epoch, or `LAST`, of the last one.

    Raises
    ------
    MissingFileError
        Its weights are absent.
    InputError
        They are broken, or not of the shape the record says.
    """
    file = run.path / name
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


def save_state(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write an interrupted training into one file, in one step."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    replace_file(path, save(plain, {"facts": json.dumps(facts)}))


def load_state(path: Path, settings: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read an interrupted training.

    Parameters
    ----------
    path : path
        The file.
    settings : mapping
        What must be equal to those it was begun with.

    Returns
    -------
    tuple of dict
        Tensors by name, and facts.

    Raises
    ------
    InputError
        It is broken, or was begun with other settings; names those that differ.
    """
    try:
        with safe_open(path, "pt") as file:
            facts: dict[str, Any] = json.loads(file.metadata()["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as problem:
        raise InputError(f"'{path}' is no interrupted training: {problem}") from None
    saved = facts["settings"]
    differing = [k for k, v in json.loads(json.dumps(settings)).items() if saved.get(k) != v]
    if differing:
        raise InputError(
            f"the training in '{path.parent}' was begun with other settings "
            f"({', '.join(differing)}). Resume with the same, or name another folder with --out"
        )
    return tensors, facts
