"""Model folders as Hugging Face lays them out: weights in one file or several, vocabularies."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sesstore.encoders.catalogue import Reading
from sesstore.encoders.folders import (
    check_plain,
    read_config,
    read_folder,
    vocabulary,
    weight_files,
)
from sesstore.encoders.tokeniser import read_tokeniser
from sesstore.errors import WeightsError

ONE, TWO = {"a.weight": torch.ones(2)}, {"b.weight": torch.full((3,), 2.0)}


def write_index(folder: Path, name: str, weight_map: Any) -> None:
    (folder / f"{name}.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_weights_lie_in_one_file_or_in_those_that_an_index_names(
    tmp_path: Path, suffix: str
) -> None:
    name = {"safetensors": "model.safetensors", "bin": "pytorch_model.bin"}[suffix]
    parts = [f"{name.partition('.')[0]}-0000{n}-of-00002.{suffix}" for n in (1, 2)]
    save = save_file if suffix == "safetensors" else torch.save
    (tmp_path / "config.json").write_text('{"d": 3}')
    for part, state in zip(parts, (ONE, TWO), strict=True):
        save(state, tmp_path / part)
    save({"stray": torch.ones(1)}, tmp_path / f"other.{suffix}")
    write_index(tmp_path, name, {"b.weight": parts[1], "a.weight": parts[0], "c": parts[1]})
    assert weight_files(tmp_path) == [tmp_path / part for part in parts]
    folder = read_folder(tmp_path)
    assert folder.config == {"d": 3}
    assert {key: value.tolist() for key, value in folder.state.items()} == {
        "a.weight": [1, 1], "b.weight": [2, 2, 2],
    }  # fmt: skip
    save(TWO, tmp_path / name)  # one whole file goes before an index
    assert weight_files(tmp_path) == [tmp_path / name]
    assert read_folder(tmp_path).state.keys() == TWO.keys()


def test_safetensors_go_before_pickled_tensors_in_one_file_or_several(tmp_path: Path) -> None:
    torch.save(TWO, tmp_path / "pytorch_model.bin")
    save_file(ONE, tmp_path / "part.safetensors")
    write_index(tmp_path, "model.safetensors", {"a.weight": "part.safetensors"})
    assert weight_files(tmp_path) == [tmp_path / "part.safetensors"]
    (tmp_path / "model.safetensors.index.json").unlink()
    assert weight_files(tmp_path) == [tmp_path / "pytorch_model.bin"]
    (tmp_path / "pytorch_model.bin").unlink()
    assert weight_files(tmp_path) == []
    with pytest.raises(WeightsError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        read_folder(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"weight_map": 3}', "{}"])
def test_an_index_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(WeightsError, match=r"index\.json' is no index"):
        weight_files(tmp_path)


def test_the_file_that_is_absent_or_broken_is_named(tmp_path: Path) -> None:
    save_file(ONE, tmp_path / "one.safetensors")
    write_index(tmp_path, "model.safetensors", {"a": "one.safetensors", "b": "two.safetensors"})
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"two\.safetensors' cannot be read as weights"):
        read_folder(tmp_path)
    (tmp_path / "two.safetensors").write_bytes(b"broken")
    with pytest.raises(WeightsError, match=r"two\.safetensors' cannot be read as weights"):
        read_folder(tmp_path)
    save_file(TWO, tmp_path / "two.safetensors")
    assert read_folder(tmp_path).state.keys() == {"a.weight", "b.weight"}
    for content in ("{", "[]", "null"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(WeightsError, match=r"config\.json' cannot be read"):
            read_folder(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"config\.json' cannot be read"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("name", "dtype", "problem"),
    [
        ("a.weight", torch.int8, "quantised weights .'a.weight' is torch.int8"),
        ("a.bias", torch.uint8, "quantised"),
        ("q.lora_B.default.weight", torch.float32, "adapters beside"),
        ("q.base_layer.weight", torch.float32, "adapters beside"),
        ("position_ids", torch.int64, None),
        ("a.weight", torch.bfloat16, None),
    ],
)
def test_weights_are_the_numbers_that_a_forward_uses(
    tmp_path: Path, name: str, dtype: torch.dtype, problem: str | None
) -> None:
    state = {"first.weight": torch.ones(1), name: torch.ones(2, dtype=dtype)}
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    if problem is None:
        check_plain(state, tmp_path)
        assert read_folder(tmp_path).state.keys() == state.keys()
        return
    with pytest.raises(WeightsError, match=problem):
        read_folder(tmp_path)


def varint(number: int) -> bytes:
    low, high = number & 127, number >> 7
    return bytes([low | 128]) + varint(high) if high else bytes([low])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def sentencepiece(*pieces: str) -> bytes:
    """A model file: pieces with score and type, then settings, of which a reader skips all."""
    scored = b"".join(
        field(1, b"\x15" + struct.pack("<f", -1.5) + field(1, piece.encode()) + b"\x18\x01")
        for piece in pieces
    )
    numbers = b"\x20\xac\x02" + b"\x51" + bytes(8) + b"\x55" + bytes(4)  # of 1 or 2, 8 and 4 bytes
    return field(2, b"x" * 300) + numbers + scored + field(3, field(1, b"nmt"))


PIECES = ("<pad>", "</s>", "<unk>", "\u2581A", "\u2581L", "X", "\u2581", "long" * 50)
IDS = {"<pad>": 0, "</s>": 1, "<unk>": 2, "A": 3, "L": 4, "X": 5, "\u2581": 6, "long" * 50: 7}


def test_pieces_of_sentencepiece_and_tokens_added_to_them(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(sentencepiece(*PIECES))
    assert vocabulary(tmp_path) == IDS
    (tmp_path / "added_tokens.json").write_text('{"<AA2fold>": 149, "A": 7}')
    assert vocabulary(tmp_path) == IDS | {"<AA2fold>": 149, "A": 7}
    (tmp_path / "spiece.model").write_bytes(b"\x0b no model")
    with pytest.raises(WeightsError, match="cannot be read: not a sentencepiece model"):
        vocabulary(tmp_path)
    (tmp_path / "spiece.model").write_bytes(b"\xff")
    with pytest.raises(WeightsError, match="cannot be read"):
        vocabulary(tmp_path)


@pytest.mark.parametrize("vocab", [dict(zip(PIECES, range(8), strict=True)),
                                   [[piece, -1.0] for piece in PIECES]])  # fmt: skip
def test_tokens_of_a_tokenizer_file_with_those_added(tmp_path: Path, vocab: Any) -> None:
    content = {"model": {"vocab": vocab}, "added_tokens": [{"id": 149, "content": "<AA2fold>"}]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    (tmp_path / "spiece.model").write_bytes(sentencepiece("A"))  # the library's own goes first
    assert vocabulary(tmp_path) == IDS | {"<AA2fold>": 149}
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"vocabulary in .* cannot be read"):
        vocabulary(tmp_path)


def test_a_word_list_goes_first_and_one_above_counts_where_there_is_no_other(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(WeightsError, match="holds no vocabulary"):
        vocabulary(folder)
    (tmp_path / "vocab.txt").write_text("above\nB\n")
    assert vocabulary(folder) == {"above": 0, "B": 1}
    (folder / "spiece.model").write_bytes(sentencepiece("A"))
    assert vocabulary(folder) == {"A": 0}
    (folder / "vocab.txt").write_text("own\nA")
    assert vocabulary(folder) == {"own": 0, "A": 1}


def test_letters_become_what_the_vocabulary_and_the_authors_say(tmp_path: Path) -> None:
    def ids(tokens: str, *, as_x: str = "") -> dict[str, int]:
        (tmp_path / "vocab.txt").write_text("\n".join(["[C]", "[S]", *tokens.split()]))
        read = read_tokeniser(tmp_path, Reading("m", as_x, ("[C]", "[S]"), ("[S]",)))
        assert (read.prefix, read.suffix) == ((0, 1), (1,))
        return {letter: int(read.ids[ord(letter)]) for letter in "AXUZa"}

    assert ids("A X U [UNK]") == {"A": 2, "X": 3, "U": 4, "Z": 3, "a": 3}
    assert ids("A X U [UNK]", as_x="UA") == {"A": 3, "X": 3, "U": 3, "Z": 3, "a": 3}
    assert ids("A <unk> U [UNK]") == {"A": 2, "X": 5, "U": 4, "Z": 5, "a": 5}
    assert ids("A U <unk>") == {"A": 2, "X": 4, "U": 3, "Z": 4, "a": 4}
    with pytest.raises(WeightsError, match=r"lacks X, A\. Is it"):
        ids("B U")
