"""Read checkpoints of the ESM family, in fair-esm's or Hugging Face's format, by one set of names.

No pickled code is ever run: ``.pt`` files are read with ``weights_only=True``.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import WeightsError
from .catalogue import EncoderSpec
from .folders import UNREADABLE, read_folder


@dataclass(frozen=True)
class Checkpoint:
    """Weights by the names fair-esm gives them, and what shapes the forward.

    Parameters
    ----------
    state : dict of str to Tensor
        Mapped from the file: nothing is read before it is used.
    token_dropout : bool
        Whether the input is scaled as in training.
    eps : float
        Of every layer norm.
    """

    state: dict[str, Tensor]
    token_dropout: bool = True
    eps: float = 1e-5


def read_checkpoint(path: Path, spec: EncoderSpec) -> Checkpoint:
    """Read the trunk's weights.

    Parameters
    ----------
    path : path
        A ``.pt`` file in either layout of fair-esm (``args`` or ``cfg`` beside ``model``), or a
        Hugging Face model folder.
    spec : EncoderSpec
        Which model it should hold.

    Raises
    ------
    WeightsError
        It is no such checkpoint, or of another size.
    """
    made = _from_folder(path) if path.is_dir() else _from_file(path, spec)
    layers = len({name.split(".")[1] for name in made.state if name.startswith("layers.")})
    embedding = made.state.get("embed_tokens.weight")
    dim = 0 if embedding is None else embedding.shape[1]
    if (layers, dim) != (spec.layers, spec.dim):
        raise WeightsError(
            f"'{path}' holds a model of {layers} layers and width {dim}; {spec.name} has "
            f"{spec.layers} and {spec.dim}. Name the right file with --weights"
        )
    return made


def _from_file(path: Path, spec: EncoderSpec) -> Checkpoint:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if "cfg" in content:
            settings = content["cfg"]["model"]
        else:
            settings = content.get("args", argparse.Namespace())
        prefix = re.compile(r"^(encoder\.)?(sentence_encoder\.)?")
        state = {prefix.sub("", name): value for name, value in content["model"].items()}
    except UNREADABLE as why:
        first = str(why).splitlines()[0] if str(why) else type(why).__name__
        raise WeightsError(
            f"'{path}' is no fair-esm checkpoint of {spec.full_name}: {first}"
        ) from None
    return Checkpoint(state, bool(getattr(settings, "token_dropout", False)))


def _from_folder(path: Path) -> Checkpoint:
    folder = read_folder(path)
    state = {_renamed(name): value for name, value in folder.state.items()}
    if folder.config.get("position_embedding_type") == "rotary":
        state.pop("embed_positions.weight", None)
    if not folder.config.get("emb_layer_norm_before"):
        state = {name: v for name, v in state.items() if "emb_layer_norm_before" not in name}
    return Checkpoint(
        state,
        token_dropout=bool(folder.config.get("token_dropout", False)),
        eps=float(folder.config.get("layer_norm_eps", 1e-5)),
    )


_HUGGING_FACE_NAMES = (
    (r"^esm\.", ""),
    (r"^embeddings\.word_embeddings\.", "embed_tokens."),
    (r"^embeddings\.position_embeddings\.", "embed_positions."),
    (r"^embeddings\.layer_norm\.", "emb_layer_norm_before."),
    (r"^encoder\.emb_layer_norm_after\.", "emb_layer_norm_after."),
    (r"^encoder\.layer\.", "layers."),
    (r"\.attention\.self\.(q|k|v)(uery|ey|alue)\.", r".self_attn.\1_proj."),
    (r"\.attention\.self\.rotary_embeddings\.", ".self_attn.rot_emb."),
    (r"\.attention\.output\.dense\.", ".self_attn.out_proj."),
    (r"\.attention\.LayerNorm\.", ".self_attn_layer_norm."),
    (r"\.intermediate\.dense\.", ".fc1."),
    (r"\.output\.dense\.", ".fc2."),
    (r"\.LayerNorm\.", ".final_layer_norm."),
    (r"^layers\.\*\.", "layers.0."),  # one set of frequencies for all layers
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
)


def _renamed(name: str) -> str:
    for theirs, ours in _HUGGING_FACE_NAMES:
        name = re.sub(theirs, ours, name)
    return name
