"""Read checkpoints without ever running pickled code."""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import torch
from torch import Tensor

from ..errors import WeightsError
from .registry import EncoderSpec


def read_checkpoint(path: Path, spec: EncoderSpec) -> dict[str, Tensor]:
    """Read the trunk's weights of a fair-esm checkpoint, by the names ESM-2 gives them.

    Parameters
    ----------
    path : path
        ``.pt`` file in either layout of fair-esm (``args`` or ``cfg`` beside ``model``).
    spec : EncoderSpec
        Which model it should hold.

    Returns
    -------
    dict of str to Tensor
        Mapped from the file: nothing is read before it is used.

    Raises
    ------
    WeightsError
        It is no such checkpoint, or of another size.
    """
    state = {_plain(name): value for name, value in _model_of(path, spec).items()}
    layers = len({name.split(".")[1] for name in state if name.startswith("layers.")})
    embedding = state.get("embed_tokens.weight")
    dim = 0 if embedding is None else embedding.shape[1]
    if (layers, dim) != (spec.layers, spec.dim):
        raise WeightsError(
            f"'{path}' holds a model of {layers} layers and width {dim}; {spec.name} has "
            f"{spec.layers} and {spec.dim}. Name the right file with --weights"
        )
    return state


def _model_of(path: Path, spec: EncoderSpec) -> dict[str, Tensor]:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return dict(content["model"].items())
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as why:
        first = str(why).splitlines()[0] if str(why) else type(why).__name__
        raise WeightsError(
            f"'{path}' is no fair-esm checkpoint of {spec.full_name}: {first}"
        ) from None


def _plain(name: str) -> str:
    for prefix in ("encoder.", "sentence_encoder.", "sentence_encoder_"):
        name = name.removeprefix(prefix)
    return name
