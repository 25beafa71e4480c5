"""Packed tokens of a batch: made on the CPU, copied to the device at once.

Rows of all sequences lie back to back, each with the tokens its model reads around it. On a GPU
rows are filled up to a multiple of a *block* with sequences nobody reads, because the kernel that
cuBLAS picks, and with it the last bit of a product, may depend on the number of rows:
`kernels.Linear` multiplies a block at a time, so every product has one shape whatever the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..attention.cuda import to_device
from ..attention.lengths import Lengths
from ..errors import WeightsError
from .catalogue import Reading
from .folders import vocabulary

_FILLER = 256
"""Longest sequence that fills a block up; short, as attention grows with the square."""


@dataclass(frozen=True)
class Tokeniser:
    """One token a residue, between the model's own before and after.

    Parameters
    ----------
    ids : ndarray, shape=(n,), dtype=int32
        Token of each character by its number: of ASCII, or of what an encoder writes proteins in.
    prefix, suffix : tuple of int
        Tokens around every sequence.
    """

    ids: NDArray[np.int32]
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]

    def pack(self, sequences: Sequence[str], device: torch.device, block: int = 1) -> PackedTokens:
        """Tokenise normalised sequences and copy them to a device.

        Parameters
        ----------
        sequences : sequence of str
            At least one, none empty; of characters below 2**16, one a residue.
        device : torch.device
            Where the batch is to run.
        block : int
            Rows are filled up to a multiple of these.
        """
        extra = len(self.prefix) + len(self.suffix)
        lengths = [len(sequence) + extra for sequence in sequences]
        # What fills the block up are sequences of their own behind the others: attention keeps to
        # its sequence, so no protein sees them, and `residues` leaves their rows out.
        count, filling = len(lengths), -sum(lengths) % block
        lengths += [min(_FILLER, filling - row) for row in range(0, filling, _FILLER)]
        ends = np.zeros(len(lengths) + 1, np.int32)
        np.cumsum(lengths, out=ends[1:])
        starts, stops, total = ends[:count], ends[1 : count + 1], int(ends[count])
        positions = np.arange(ends[-1], dtype=np.int32) - np.repeat(ends[:-1], lengths)
        is_residue = np.ones(total, bool)
        for place in range(len(self.prefix)):
            is_residue[starts + place] = False
        for place in range(len(self.suffix)):
            is_residue[stops - 1 - place] = False
        residues = np.flatnonzero(is_residue).astype(np.int32)
        ids = np.full(ends[-1], self.ids[ord("X")], np.int32)
        text = np.frombuffer("".join(sequences).encode("utf-16-le"), "<u2")
        ids[residues] = self.ids[text]
        for place, token in enumerate(self.prefix):
            ids[starts + place] = token
        for place, token in enumerate(reversed(self.suffix)):
            ids[stops - 1 - place] = token
        # One array and one copy: each copy to a GPU costs as much as many kilobytes.
        parts = (ids, positions, residues, ends)
        packed = to_device(torch.from_numpy(np.concatenate(parts)), device)
        on_device = torch.split(packed, [len(part) for part in parts])
        return PackedTokens(
            on_device[0], Lengths(lengths, on_device[3], on_device[1]), on_device[2]
        )


@dataclass(frozen=True)
class PackedTokens:
    """A batch on its device.

    Parameters
    ----------
    ids : Tensor, shape=(T,), dtype=int32
        Tokens of all sequences back to back; those that fill a block up come last.
    lengths : Lengths
        Rows of each sequence; they sum to T.
    residues : Tensor, shape=(R,), dtype=int32
        The rows that are residues, in order.
    """

    ids: Tensor
    lengths: Lengths
    residues: Tensor


UNKNOWN = ("X", "[UNK]", "<unk>")
"""Tokens of letters that a vocabulary lacks; the first it has."""


def read_tokeniser(path: Path, reading: Reading) -> Tokeniser:
    """Return the tokeniser of a model folder, from its vocabulary.

    Parameters
    ----------
    path : path
        Model folder.
    reading : Reading
        Tokens around every sequence, and letters that become X.

    Raises
    ------
    WeightsError
        The vocabulary lacks a token this needs.
    """
    tokens, prefix, suffix = vocabulary(path), reading.before, reading.after
    unknown = next((token for token in UNKNOWN if token in tokens), UNKNOWN[0])
    required = [*prefix, *suffix, unknown, "A"]
    if missing := [token for token in required if token not in tokens]:
        raise WeightsError(
            f"the vocabulary in '{path}' lacks {', '.join(missing)}. Is it the right model's?"
        )
    ids = np.full(128, tokens[unknown], np.int32)
    for letter in map(chr, range(ord("A"), ord("Z") + 1)):
        if letter in tokens and letter not in reading.as_x:
            ids[ord(letter)] = tokens[letter]
    return Tokeniser(
        ids, tuple(tokens[token] for token in prefix), tuple(tokens[token] for token in suffix)
    )
