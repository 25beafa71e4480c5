"""What a folder says of its model, for ``hf:FOLDER`` and ``onnx:FILE``; torch is not needed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import UnknownNameError, WeightsError
from .catalogue import EncoderSpec, Reading

PREFIX, ONNX_PREFIX = "hf:", "onnx:"
_TOKENISER_FILES = (
    "added_tokens.json",
    "config.json",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
"""Files that decide what letters become, and ``config.json``, which decides the forward."""
_OFFSET = 4
"""Positions that are no residue's: special tokens, and those before the first in RoBERTa's way."""
_WINDOW = 2000
"""Where a model states no limit: attention grows with the square of the length."""


def is_folder_name(name: str) -> bool:
    """Whether a name is that of a transformers folder or an ONNX file."""
    return name.startswith((PREFIX, ONNX_PREFIX))


def folder_spec(name: str, folder: Path | None = None) -> EncoderSpec:
    """Read what is known of a model before its weights are.

    Parameters
    ----------
    name : str
        ``hf:FOLDER`` or ``onnx:FILE``.
    folder : path, optional
        Where that folder or file is, if not there.

    Returns
    -------
    EncoderSpec
        Its full name is the prefix and the folder's own name; its tokenizer and settings are part
        of the mapping, and so of the fingerprint.

    Raises
    ------
    UnknownNameError
        There is no such folder.
    WeightsError
        Its ``config.json`` does not say how large the model is.
    """
    of_file = name.startswith(ONNX_PREFIX)
    path = folder or Path(name.removeprefix(ONNX_PREFIX if of_file else PREFIX))
    if of_file and not path.is_file():
        raise UnknownNameError("ONNX file", str(path), (), "Name one: --plm onnx:FILE.")
    path = path.parent if of_file else path
    try:
        config: Any = json.loads((path / "config.json").read_text("utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it holds no settings by name")
    except OSError:
        raise UnknownNameError(
            "model folder", str(path), (), "Name one with a config.json: --plm hf:FOLDER."
        ) from None
    except ValueError as why:
        raise WeightsError(f"'{path / 'config.json'}' is broken: {why}. Get it again") from None
    dim, layers, heads = (
        _number(config, path, *names)
        for names in (
            ("hidden_size", "d_model"),
            ("num_hidden_layers", "num_layers", "n_layer"),
            ("num_attention_heads", "num_heads", "n_head"),
        )
    )
    positions = config.get("max_position_embeddings")
    window = positions - _OFFSET if isinstance(positions, int) and positions > _OFFSET else _WINDOW
    return EncoderSpec(
        name,
        (ONNX_PREFIX if of_file else PREFIX) + path.resolve().name,
        "onnx_file" if of_file else "transformers_folder",
        dim,
        0 if of_file else layers,
        heads,
        12 * layers * dim * dim,
        window,
        "not stated",
        "",
        precisions=("fp32",) if of_file else EncoderSpec.precisions,
        extra="onnx" if of_file else "hf",
        reading=Reading(f"tokenizer {_identity(path)}", "", ("start",), ("end",)),
    )


def _number(config: dict[str, Any], path: Path, *names: str) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise WeightsError(
        f"'{path / 'config.json'}' states no {' or '.join(names)}. It is no transformer's; see "
        f"`sesstore plms` for encoders that need no such file"
    )


def _identity(path: Path) -> str:
    """Hash of the files beside the weights that decide numbers."""
    digest = hashlib.sha256()
    for name in _TOKENISER_FILES:
        if (path / name).is_file():
            digest.update(f"{name}\0".encode() + (path / name).read_bytes() + b"\0")
    return digest.hexdigest()[:12]
