"""SaProt (Su et al. 2024): ESM-2's architecture on pairs of an amino acid and a 3Di state.

A token is a letter with the state beside it, such as ``Md``: 21 letters (``#`` for what is none of
the twenty) by 21 states (``#`` where the structure is masked). States come by digest from the
structure tokens of one source, of several conformers the first. What has none is not encoded, and
says so: all-masked states are what the model was hardly trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..alphabets import FOLDSEEK, MASK_LETTER, Codes
from ..errors import InputError, WeightsError
from ..proteins import Protein
from ..residues import Embedding, StructureTokens
from . import weights as files
from .base import make_encoder
from .catalogue import EncoderSpec, Options, StructureSource
from .esm import Esm
from .folders import vocabulary
from .tokeniser import Tokeniser

_LETTERS = "ACDEFGHIKLMNPQRSTVWY"
_STATES = FOLDSEEK.size
_LETTER_OF = np.full(128, len(_LETTERS), np.uint16)  # the mask: X U Z O B J, too
_LETTER_OF[[ord(letter) for letter in _LETTERS]] = np.arange(len(_LETTERS))


@dataclass(frozen=True)
class StructuredSequence:
    """A protein as SaProt reads it.

    Parameters
    ----------
    digest : bytes
        The protein's.
    sequence : str
        A character a residue: 21 times the letter's number, plus the state's.
    """

    digest: bytes
    sequence: str

    def __len__(self) -> int:
        return len(self.sequence)


def join(protein: Protein, states: Codes) -> StructuredSequence:
    """Write the letters and the 3Di codes [L] of a protein in one string."""
    letters = _LETTER_OF[np.frombuffer(protein.sequence.encode("ascii"), np.uint8)]
    pairs = letters * _STATES + states
    return StructuredSequence(protein.digest, pairs.astype("<u2").tobytes().decode("utf-16-le"))


def load(spec: EncoderSpec, options: Options) -> Saprot:
    """Make a SaProt ready; see `registry.load`.

    Raises
    ------
    InputError
        It was given no structure tokens.
    """
    structure = options.structure
    if structure is None:
        raise InputError(
            f"{spec.name} reads 3Di tokens beside the sequence, and only `sesstore embed --plm "
            f"{spec.name} --source NAME` takes them from the store. Tokenise the structures with "
            f"`sesstore tokens`, embed, and go on from there"
        )
    mapping = spec.reading.mapping
    if structure.min_plddt:
        mapping += f", pLDDT<{structure.min_plddt}->#"
    spec = replace(spec, reading=replace(spec.reading, mapping=mapping))
    encoder = make_encoder(Saprot, spec, options, files.find(spec, options.weights))
    encoder.structure = structure
    return encoder


class Saprot(Esm):
    """An encoder of the SaProt family; see `PackedEncoder`."""

    structure: StructureSource
    """Where states come from."""

    def tokeniser(self) -> Tokeniser:
        """Read the vocabulary of pairs."""
        folder = self.path if self.path.is_dir() else self.path.parent
        tokens = vocabulary(folder)
        states = [letter.lower() for letter in FOLDSEEK.letters] + [MASK_LETTER]
        pairs = [letter + state for letter in _LETTERS + MASK_LETTER for state in states]
        reading = self.spec.reading
        around = (*reading.before, *reading.after)
        if missing := [token for token in (*pairs, *around) if token not in tokens]:
            raise WeightsError(
                f"the vocabulary in '{folder}' lacks {', '.join(missing[:3])}: it is none of "
                f"SaProt. Get its vocab.txt again"
            )
        return Tokeniser(
            np.array([tokens[pair] for pair in pairs], np.int32),
            tuple(tokens[token] for token in reading.before),
            tuple(tokens[token] for token in reading.after),
        )

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        """Yield the embedding of each protein that has 3Di tokens; see `PackedEncoder.encode`."""
        inputs, lacking = list[StructuredSequence](), dict[bytes, str]()
        tokens = self.structure.read([protein.digest for protein in proteins])
        for protein, item in zip(proteins, tokens, strict=True):
            states = self._states(item)
            if isinstance(states, str):
                lacking[protein.digest] = states
            else:
                inputs.append(join(protein, states))
        yield from self._encode_inputs(inputs)
        self.failures |= lacking

    def _states(self, item: StructureTokens | None) -> Codes | str:
        """3Di codes [L] of the first conformer, or why there are none."""
        source, threshold = self.structure.name, self.structure.min_plddt
        codes = None if item is None else item.confident(FOLDSEEK.name, threshold)
        if item is None or codes is None:
            return f"it has no 3Di tokens from {source}"
        if threshold and item.plddt is None:
            return f"its tokens from {source} have no pLDDT: leave --min-plddt out"
        first: Codes = codes[0]
        return first
