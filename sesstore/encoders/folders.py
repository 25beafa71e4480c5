"""Read Hugging Face model folders: configuration, weights, vocabulary.

Weights are ``model.safetensors`` or ``pytorch_model.bin`` (read with ``weights_only=True``), in one
file or several with an index. Vocabularies are read from the tokenizer's own files, without its
library: a PLM's tokenizer splits letters at most, and `tokeniser` does that itself.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import WeightsError

UNREADABLE = (
    pickle.UnpicklingError,
    SafetensorError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)
"""What reading a broken or foreign weights file raises."""

_NAMES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Folder:
    """A model folder.

    Parameters
    ----------
    config : dict
        ``config.json``.
    state : dict of str to Tensor
        Weights by the names of the origin.
    """

    config: dict[str, Any]
    state: dict[str, Tensor]


def weight_files(path: Path) -> list[Path]:
    """Weight files of a model folder, in order; empty if it holds none."""
    for name in _NAMES:
        if (path / name).is_file():
            return [path / name]
        index = path / f"{name}.index.json"
        if index.is_file():
            try:
                shards = json.loads(index.read_text("utf-8"))["weight_map"].values()
            except (ValueError, KeyError, TypeError, AttributeError) as problem:
                raise WeightsError(
                    f"'{index}' is no index of weights: {problem}. Get it again"
                ) from None
            names = sorted(set(map(str, shards)))
            if elsewhere := [shard for shard in names if Path(shard).name != shard]:
                raise WeightsError(
                    f"'{index}' names '{elsewhere[0]}', which is not beside it. Get the "
                    f"folder's files again"
                )
            return [path / shard for shard in names]
    return []


def read_folder(path: Path) -> Folder:
    """Read configuration and weights.

    Raises
    ------
    WeightsError
        A file is absent or broken; says which.
    """
    shards = weight_files(path)
    if not shards:
        raise WeightsError(
            f"the folder '{path}' holds neither {' nor '.join(_NAMES)}. Name the model's "
            f"folder with --weights"
        )
    state: dict[str, Tensor] = {}
    for shard in shards:
        try:
            state |= _read(shard)
        except UNREADABLE as why:
            raise WeightsError(
                f"'{shard}' cannot be read as weights: {why}. Get it again"
            ) from None
    config = read_config(path)
    check_plain(state, path)
    return Folder(config, state)


def read_config(path: Path) -> dict[str, Any]:
    """Read ``config.json`` of a model folder; raises as `read_folder`."""
    try:
        config: Any = json.loads((path / "config.json").read_text("utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it holds no settings by name")
    except (OSError, ValueError) as why:
        raise WeightsError(
            f"'{path / 'config.json'}' cannot be read: {why}. Get it again"
        ) from None
    return config


def check_plain(state: Mapping[str, Tensor], path: Path) -> None:
    """Raise `WeightsError` if weights are not the numbers a forward uses.

    Those of quantised models are whole numbers with scales beside them, and those of models with
    LoRA adapters lack what the adapters add.
    """
    for name, weight in state.items():
        if "lora_" in name or ".base_layer." in name:
            raise WeightsError(
                f"'{path}' holds adapters beside its weights ('{name}'). Merge them first: "
                f"model.merge_and_unload() of PEFT, then save it"
            )
        if name.endswith(("weight", "bias")) and not weight.is_floating_point():
            raise WeightsError(
                f"'{path}' holds quantised weights ('{name}' is {weight.dtype}). Get them as "
                f"float32, bfloat16 or float16"
            )


def _read(shard: Path) -> dict[str, Tensor]:
    if shard.suffix == ".safetensors":
        return load_file(shard)
    return dict(torch.load(shard, map_location="cpu", weights_only=True, mmap=True))


def vocabulary(path: Path) -> dict[str, int]:
    """Ids by token, from ``vocab.txt``, ``tokenizer.json`` or ``spiece.model``.

    Sentencepiece's mark of a word's start is taken off, so that a letter is itself.

    Raises
    ------
    WeightsError
        None of these files is there, or it cannot be read.
    """
    try:
        if word_list := _word_list(path):
            lines = word_list.read_text("utf-8").splitlines()
            return {token: i for i, token in enumerate(lines)}
        if (path / "tokenizer.json").is_file():
            tokens = _of_json(json.loads((path / "tokenizer.json").read_text("utf-8")))
        elif (path / "spiece.model").is_file():
            tokens = dict(_of_sentencepiece((path / "spiece.model").read_bytes()))
        else:
            raise WeightsError(
                f"the folder '{path}' holds no vocabulary. Put the model's tokenizer.json, "
                f"spiece.model or vocab.txt beside its weights"
            )
        if (path / "added_tokens.json").is_file():
            tokens |= json.loads((path / "added_tokens.json").read_text("utf-8"))
    except (ValueError, KeyError, TypeError, IndexError) as why:
        raise WeightsError(
            f"the vocabulary in '{path}' cannot be read: {why}. Get it again"
        ) from None
    return {token.removeprefix("▁") or token: i for token, i in tokens.items()}


def _word_list(path: Path) -> Path | None:
    """``vocab.txt`` of a model folder; above it, as AntiBERTy's package has it, if it has none."""
    if (path / "vocab.txt").is_file():
        return path / "vocab.txt"
    others = ("tokenizer.json", "spiece.model")
    above = path.parent / "vocab.txt"
    return above if above.is_file() and not any((path / n).is_file() for n in others) else None


def _of_json(content: dict[str, Any]) -> dict[str, int]:
    vocabulary = content["model"]["vocab"]
    if isinstance(vocabulary, list):  # a unigram model: pieces with scores
        vocabulary = {piece: i for i, (piece, _) in enumerate(vocabulary)}
    added = {token["content"]: token["id"] for token in content.get("added_tokens", ())}
    return {**vocabulary, **added}


def _of_sentencepiece(raw: bytes) -> Iterator[tuple[str, int]]:
    """Pieces of a sentencepiece model: field 1 of the message, and field 1 of each of these."""
    count = 0
    for field, value in _fields(raw):
        if field == 1 and isinstance(value, bytes):
            piece = next(v for f, v in _fields(value) if f == 1 and isinstance(v, bytes))
            yield piece.decode("utf-8"), count
            count += 1


def _fields(raw: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Fields of a protocol buffer message (https://protobuf.dev/programming-guides/encoding)."""
    place = 0
    while place < len(raw):
        key, place = _varint(raw, place)
        kind = key & 7
        if kind == 0:
            number, place = _varint(raw, place)
            yield key >> 3, number
            continue
        size = {1: 8, 5: 4}.get(kind)
        if size is None:
            if kind != 2:
                raise ValueError("not a sentencepiece model")
            size, place = _varint(raw, place)
        yield key >> 3, raw[place : place + size]
        place += size


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
