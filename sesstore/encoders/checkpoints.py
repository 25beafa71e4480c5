"""Read checkpoints of the ESM family by one set of names: fair-esm's, in whatever wrapping.

fair-esm's files (``cfg`` or ``args`` beside ``model``), Hugging Face folders and files, bare state
dicts, and those that trainers save (``state_dict``; prefixes such as ``module.``, ``model.esm.``)
are read alike. A checkpoint gives its own numbers or an error: weights that are absent, not known,
of another shape or kind, and settings that contradict the model are refused. What a checkpoint
leaves unsaid is the family's (ESM-2, ESM-1b and ESM-1v have token dropout), but what a
``config.json`` leaves out is transformers' default.

No pickled code is ever run: files are read with ``weights_only=True``.
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import WeightsError
from .catalogue import EncoderSpec
from .folders import UNREADABLE, check_plain, read_folder

_STATES = ("model", "state_dict", "model_state_dict", "module")
"""Where trainers keep a state dict."""
_WRAPPERS = re.compile(
    r"(?:(?<=^)|(?<=\.))(?:_fsdp_wrapped_module|_orig_mod|_checkpoint_wrapped_module)\."
)
_EMBEDDING = re.compile(r"(.*?)(embed_tokens|embeddings\.word_embeddings)\.weight")
_TRUNK = ("layers.", "embed_", "emb_layer_norm", "encoder.", "embeddings.")
_NO_WEIGHTS = re.compile(r".*(position_ids|_float_tensor|\.version)|version")
_DEFAULTS: dict[str, Any] = {
    "token_dropout": False,
    "layer_norm_eps": 1e-12,
    "num_attention_heads": 12,
    "position_embedding_type": "absolute",
    "emb_layer_norm_before": False,
}
"""What transformers takes for what is not in a ``config.json`` (it writes none of its defaults)."""
_HEADS = ("num_attention_heads", "encoder_attention_heads", "attention_heads")

State = Mapping[str, Tensor]


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
        A ``.pt`` or ``.safetensors`` file, or a Hugging Face model folder.
    spec : EncoderSpec
        Which model it should hold.

    Raises
    ------
    WeightsError
        It is no such checkpoint, of another size, or would give other numbers than its own; says
        what it holds.
    """
    if path.is_dir():
        folder = read_folder(path)
        content: State = folder.state
        settings = _DEFAULTS | folder.config
    elif path.suffix == ".safetensors":
        content, settings = _of_safetensors(path)
    else:
        content, settings = _of_pickle(path, spec)
    check_plain(content, path)
    state = _trunk(content, path)
    _check_settings(settings, spec, path)
    if settings.get("emb_layer_norm_before") is False:
        state = {name: v for name, v in state.items() if "emb_layer_norm_before" not in name}
    if settings.get("position_embedding_type") == "rotary":  # transformers once wrote both
        state.pop("embed_positions.weight", None)
    _check_size(state, spec, path)
    _check_names(state, spec, path)
    token_dropout = settings.get("token_dropout")
    return Checkpoint(
        state,
        token_dropout=True if token_dropout is None else bool(token_dropout),
        eps=float(settings.get("layer_norm_eps", 1e-5)),
    )


def _of_safetensors(path: Path) -> tuple[State, dict[str, Any]]:
    config = path.with_name("config.json")
    try:
        settings = json.loads(config.read_text("utf-8")) if config.is_file() else None
        return load_file(path), {} if settings is None else _DEFAULTS | settings
    except UNREADABLE as why:
        raise WeightsError(
            f"'{path}' cannot be read as weights: {_first_line(why)}. Get the file again"
        ) from None


def _of_pickle(path: Path, spec: EncoderSpec) -> tuple[State, dict[str, Any]]:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            mapped = zipfile.is_zipfile(path)  # torch 1.5 and before wrote another format
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except UNREADABLE as why:
        raise WeightsError(
            f"'{path}' is no fair-esm checkpoint of {spec.full_name}: {_first_line(why)}. Save its "
            f"weights alone: torch.save(model.state_dict(), FILE)"
        ) from None
    state = _state_dict(content)
    if state is None:
        kinds = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content)
        raise WeightsError(
            f"'{path}' holds no weights by name but {kinds}. Save a state dict, alone or under "
            f"{', '.join(_STATES)}"
        )
    return state, _settings(content)


def _state_dict(content: Any, depth: int = 2) -> State | None:
    """The mapping of names to tensors in a checkpoint: itself, or under one of the usual names."""
    if not isinstance(content, Mapping) or not content:
        return None
    if all(isinstance(name, str) for name in content) and any(
        map(torch.is_tensor, content.values())
    ):
        return {name: value for name, value in content.items() if torch.is_tensor(value)}
    inner = (_state_dict(content[name], depth - 1) for name in _STATES if depth and name in content)
    return next((state for state in inner if state is not None), None)


def _settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """What fair-esm notes beside the weights."""
    config = content.get("cfg")
    settings = config.get("model") if isinstance(config, Mapping) else content.get("args")
    if isinstance(settings, argparse.Namespace):
        settings = vars(settings)
    if not isinstance(settings, Mapping):
        return {}
    # Older files do not say emb_layer_norm_before where they have its weights: these decide.
    return {name: value for name, value in settings.items() if name != "emb_layer_norm_before"}


def _trunk(content: State, path: Path) -> dict[str, Tensor]:
    """The trunk's weights by fair-esm's names, whatever stands before them."""
    names = {name: _WRAPPERS.sub("", name) for name in content}
    trunks = [match for name in names.values() if (match := _EMBEDDING.fullmatch(name))]
    if len(trunks) != 1:
        names_in_it = ", ".join(match[0] for match in trunks) or ", ".join([*names.values()][:4])
        problem = "several models" if trunks else "no ESM"
        raise WeightsError(
            f"'{path}' holds {problem} ({names_in_it}). Save one model's state dict alone, with "
            f"fair-esm's names or transformers'"
        )
    prefix, hugging_face = trunks[0][1], trunks[0][2] != "embed_tokens"
    state: dict[str, Tensor] = {}
    for name, bare in names.items():
        if bare.startswith(prefix):
            own_name = bare[len(prefix) :]
            state[fair_esm_name(own_name) if hugging_face else own_name] = content[name]
    return state


def _check_settings(settings: Mapping[str, Any], spec: EncoderSpec, path: Path) -> None:
    heads = next((settings[name] for name in _HEADS if name in settings), spec.heads)
    if heads != spec.heads:
        raise WeightsError(
            f"'{path}' says {heads} attention heads, {spec.name} has {spec.heads}. Name the right "
            f"weights with --weights"
        )
    positions = settings.get("position_embedding_type")
    if positions is not None and (positions == "rotary") != is_rotary(spec):
        raise WeightsError(
            f"'{path}' says {positions} positions, which {spec.name} has not. Name the right "
            f"weights with --weights"
        )


def _check_size(state: State, spec: EncoderSpec, path: Path) -> None:
    layers = len({name.split(".")[1] for name in state if name.startswith("layers.")})
    tokens, dim = state["embed_tokens.weight"].shape
    if (layers, dim) != (spec.layers, spec.dim):
        raise WeightsError(
            f"'{path}' holds a model of {layers} layers and width {dim}; {spec.name} has "
            f"{spec.layers} and {spec.dim}. Name the right file with --weights"
        )
    if tokens != vocabulary_size(spec):
        raise WeightsError(
            f"'{path}' reads {tokens} tokens, {spec.name} {vocabulary_size(spec)}: it is of "
            f"another alphabet (SaProt has {_PAIRS}). Name the right file with --weights"
        )


def _check_names(state: State, spec: EncoderSpec, path: Path) -> None:
    """Raise unless the trunk has all weights, in their shapes, and no others."""
    required, optional = trunk_shapes(state, spec)
    present = {
        name for name in state if name.startswith(_TRUNK) and not _NO_WEIGHTS.fullmatch(name)
    }
    absent = sorted(required.keys() - present)
    unknown = sorted(present - required.keys() - optional.keys())
    wrong = [
        name
        for name, shape in (required | optional).items()
        if name in present and tuple(state[name].shape) != shape
    ]
    for names, problem in (
        (absent, "lacks weights"),
        (unknown, "has weights that are none of this model's, and would be left out"),
        (wrong, "has weights of another shape"),
    ):
        if names:
            remainder = f" and {len(names) - 3:,} more" if names[3:] else ""
            raise WeightsError(
                f"'{path}' is no checkpoint of {spec.full_name}: it {problem} "
                f"({', '.join(names[:3])}{remainder}). Merge adapters, or name the right file with "
                f"--weights"
            )


def _first_line(why: Exception) -> str:
    return str(why).splitlines()[0] if str(why) else type(why).__name__


_VOCABULARY = 33
"""Tokens of ESM's alphabet."""
_PAIRS = 446
"""Of SaProt's: 21 letters with 21 states each, and five more."""


def vocabulary_size(spec: EncoderSpec) -> int:
    """How many tokens a model reads."""
    return _PAIRS if spec.reading.structure else _VOCABULARY


def is_rotary(spec: EncoderSpec) -> bool:
    """Whether positions are turned into queries and keys (ESM-2), not learned (ESM-1)."""
    return not spec.name.startswith("esm1")


def trunk_shapes(
    state: Mapping[str, Tensor], spec: EncoderSpec
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Shapes of the weights the trunk must have, and of those it may have."""
    d, hidden = spec.dim, state.get("layers.0.fc1.bias", torch.empty(4 * spec.dim)).shape[0]
    required: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (vocabulary_size(spec), d)}
    optional: dict[str, tuple[int, ...]] = {}
    for layer in range(spec.layers):
        required |= dict(_layer_shapes(f"layers.{layer}.", d, hidden))
        if is_rotary(spec):
            optional[f"layers.{layer}.self_attn.rot_emb.inv_freq"] = (d // spec.heads // 2,)
    required |= dict(_norm_shapes("emb_layer_norm_after", d))
    if not is_rotary(spec):
        places = state.get("embed_positions.weight", torch.empty(1026, d)).shape[0]
        required["embed_positions.weight"] = (places, d)
        optional |= dict(_norm_shapes("emb_layer_norm_before", d))
    return required, optional


def _layer_shapes(prefix: str, d: int, hidden: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    maps = {f"self_attn.{part}_proj": (d, d) for part in ("q", "k", "v", "out")}
    for name, (rows, columns) in {**maps, "fc1": (hidden, d), "fc2": (d, hidden)}.items():
        yield f"{prefix}{name}.weight", (rows, columns)
        yield f"{prefix}{name}.bias", (rows,)
    yield from _norm_shapes(f"{prefix}self_attn_layer_norm", d)
    yield from _norm_shapes(f"{prefix}final_layer_norm", d)


def _norm_shapes(name: str, d: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (d,)
    yield f"{name}.bias", (d,)


_HUGGING_FACE_NAMES = (
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


def fair_esm_name(name: str) -> str:
    """Name fair-esm gives a weight that transformers call so."""
    for pattern, replacement in _HUGGING_FACE_NAMES:
        name = re.sub(pattern, replacement, name)
    return name
