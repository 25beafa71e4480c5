"""States of residues to codes and back: the only place of sesstore that knows letters and codes.

An alphabet numbers its states 0, 1, 2, ...: letters in their order, or plain numbers where there
are too many for letters. The number after the last state is the *mask*, the code of a residue that
is unresolved or has no structure. Codes are sesstore's own and never the ids of some PLM's
tokenizer. `ALPHABETS` has those sesstore knows and those a store or a run declared (`declare`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, UnknownNameError

MASK_LETTER = "#"
"""How a masked residue is written in text (as SaProt writes it)."""

Codes = NDArray[np.unsignedinteger[Any]]
"""Codes of an alphabet: uint8, or uint16 where it has so many."""

_UNKNOWN = 255
_CODE_LIMIT = 65535
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_RESERVED = ("plddt", "meta", "provenance", "state", "none", "both")
ASSIGNED = ("foldseek", "dssp")
"""The alphabets whose tokens sesstore makes from coordinates; others can follow from them."""

_PRINTABLE = re.compile(r"[!-~]")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class Reduction:
    """How the tokens of one alphabet follow from those of another.

    Parameters
    ----------
    alphabet : str
        Name of the other, one of `ASSIGNED`.
    groups : dict of str to str
        For each letter of ours the letters of the other that become it; what is named nowhere
        becomes the mask.
    """

    alphabet: str
    groups: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class Alphabet:
    """An ordered set of states.

    Parameters
    ----------
    name : str
        Name in stores and on the command line, such as ``"foldseek"``.
    letters : str
        The states; the code of a letter is its place. Empty if they are plain numbers.
    aliases : dict of str to str, optional
        Letters (or numbers) other tools write, with the one of ours, or the mask, each becomes.
    codes : int
        How many states, where they are plain numbers from 0.
    ends : tuple of int, optional
        Numbers other tools put before the first and after the last residue; `from_numbers` drops
        them.
    of : Reduction, optional
        How these tokens follow from others that are stored.

    Raises
    ------
    InputError
        That makes no alphabet; says why.
    """

    name: str
    letters: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    codes: int = 0
    ends: tuple[int, int] | None = None
    of: Reduction | None = None

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise InputError(f"alphabet '{self.name}': {problem}")

    @property
    def mask(self) -> int:
        """Code of a masked residue: one past the last state."""
        return len(self.letters) or self.codes

    @property
    def size(self) -> int:
        """Number of codes, the mask among them: rows of an embedding table."""
        return self.mask + 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of codes: a byte if they fit, else two, the lower first."""
        return np.dtype("u1" if self.mask < _UNKNOWN else "<u2")

    @cached_property
    def _to_code(self) -> NDArray[np.uint8]:
        table = np.full(256, _UNKNOWN, np.uint8)
        for code, letter in enumerate(self.letters + MASK_LETTER):
            table[ord(letter)] = code
        for alias, letter in self.aliases.items():
            table[ord(alias)] = table[ord(letter)]
        return table

    @cached_property
    def _to_letter(self) -> NDArray[np.uint8]:
        return np.frombuffer((self.letters + MASK_LETTER).encode("ascii"), np.uint8)

    def encode(self, text: str) -> NDArray[np.uint8]:
        """Codes of a string.

        Parameters
        ----------
        text : str
            One letter a residue; ``#`` is the mask.

        Returns
        -------
        ndarray, shape=(L,), dtype=uint8

        Raises
        ------
        InputError
            A letter is not of this alphabet; names the letter and its place, counted from 1. Or it
            has none.
        """
        self._check_letters()
        raw = np.frombuffer(text.encode("latin-1", "replace"), np.uint8)
        codes = self._to_code[raw]
        wrong = np.flatnonzero(codes == _UNKNOWN)
        if len(wrong):
            place = int(wrong[0])
            raise InputError(
                f"letter '{text[place]}' at position {place + 1} is not in alphabet {self.name} "
                f"({self.letters}, {MASK_LETTER} for masked). Write {MASK_LETTER} where the state "
                f"is not known"
            )
        return codes

    def decode(self, codes: NDArray[np.uint8]) -> str:
        """String of some codes, the inverse of `encode`.

        Parameters
        ----------
        codes : ndarray, shape=(L,), dtype=uint8

        Raises
        ------
        InputError
            A code is larger than the mask, or the alphabet has no letters.
        """
        self._check_letters()
        return self._to_letter[self.checked(codes)].tobytes().decode("ascii")

    def from_numbers(self, numbers: NDArray[np.integer[Any]]) -> Codes:
        """Codes of the numbers another tool wrote.

        Parameters
        ----------
        numbers : ndarray, shape=(..., L), dtype=int
            One a residue, as places among the states; `ends` may stand around each row.

        Returns
        -------
        ndarray, shape=(..., L), dtype=`dtype`

        Raises
        ------
        InputError
            A number is none of a state; names it and its place, counted from 1.
        """
        values = np.asarray(numbers)
        if self.ends is not None and values.shape[-1] > 1:
            has_ends = (values[..., [0, -1]] == self.ends).all()
            values = values[..., 1:-1] if has_ends else values
        if not self.letters:
            for alias, number in self.aliases.items():
                code = self.mask if number == MASK_LETTER else int(number)
                values = np.where(values == int(alias), code, values)
        return self.checked(values)

    def checked(self, codes: Any) -> Codes:
        """Codes in the type they are stored in, if all are codes of this alphabet.

        Raises
        ------
        InputError
            One is not; names it and its place, counted from 1.
        """
        values = np.asarray(codes)
        wrong = np.argwhere((values < 0) | (values > self.mask))
        if len(wrong):
            code, place = values[tuple(wrong[0])], int(wrong[0][-1]) + 1
            raise InputError(
                f"code {int(code)} at position {place} is not in the {self.name} alphabet "
                f"(0 to {self.mask - 1}, {self.mask} for masked). Write {self.mask} where the "
                f"state is not known"
            )
        typed: Codes = values.astype(self.dtype, copy=False)
        return typed

    def reduced(self, codes: Codes) -> Codes:
        """Codes of this alphabet from those of the one it follows from, of any shape."""
        if self.of is None:
            raise InputError(
                f"alphabet '{self.name}' does not follow from another. Store its own tokens"
            )
        parent = alphabet(self.of.alphabet)
        table = np.full(parent.size, self.mask, self.dtype)
        for letter, group in self.of.groups.items():
            table[parent.encode(group)] = self.letters.index(letter)
        reduced: Codes = table[codes]
        return reduced

    def same_codes(self, peer: Alphabet) -> bool:
        """Whether tokens of both mean the same; what other tools write may differ."""
        own_json, peer_json = self.to_json(), peer.to_json()
        return all(own_json[key] == peer_json[key] for key in ("name", "letters", "codes", "of"))

    def to_json(self) -> dict[str, Any]:
        """As plain values, the inverse of `from_json`."""
        of = self.of
        return {
            "name": self.name,
            "letters": self.letters,
            "codes": self.codes,
            "ends": list(self.ends) if self.ends else None,
            "aliases": dict(self.aliases),
            "of": {"alphabet": of.alphabet, "groups": dict(of.groups)} if of else None,
        }

    @classmethod
    def from_json(cls, value: Any) -> Alphabet:
        """Alphabet from plain values, as `to_json` or a TOML file has them.

        Raises
        ------
        InputError
            They make none.
        """
        try:
            settings = dict(value)
            of, ends = settings.pop("of", None), settings.pop("ends", None)
            if of is not None:
                of = Reduction(**of)
            return cls(**settings, of=of, ends=None if ends is None else tuple(ends))
        except (TypeError, ValueError, AttributeError) as problem:
            if isinstance(problem, InputError):
                raise
            raise InputError(
                f"that declares no alphabet ({problem}). It has a name, letters or a number of "
                f"codes, and if need be aliases, ends, of"
            ) from None

    def _check_letters(self) -> None:
        if not self.letters:
            raise InputError(
                f"alphabet {self.name} has numbers from 0 to {self.mask}, no letters. Give the "
                f"numbers to `from_numbers`"
            )


def _problems(candidate: Alphabet) -> Iterable[str]:
    """What is wrong with the parts of an alphabet."""
    texts = (candidate.name, candidate.letters, *candidate.aliases, *candidate.aliases.values())
    if not all(isinstance(text, str) for text in texts) or type(candidate.codes) is not int:
        yield "name, letters and aliases are text, codes is a number"
    elif not _NAME.fullmatch(candidate.name) or candidate.name.lower() in _RESERVED:
        yield f"its name has letters, digits, _ and - (32 at most), and is none of {_RESERVED}"
    elif bool(candidate.letters) == bool(candidate.codes):
        yield "it needs letters, or else a number of codes"
    elif candidate.codes and not 1 <= candidate.codes < _CODE_LIMIT:
        yield f"1 to {_CODE_LIMIT - 1:,} codes are possible"
    elif len(set(candidate.letters)) != len(candidate.letters) or MASK_LETTER in candidate.letters:
        yield f"letters must differ, and '{MASK_LETTER}' is the mask"
    elif not all(map(_PRINTABLE.fullmatch, candidate.letters)):
        yield "letters are printable ASCII"
    else:
        yield from _problems_beside(candidate)


def _problems_beside(candidate: Alphabet) -> Iterable[str]:
    """What is wrong with aliases, ends and what it follows from."""
    for alias, meant in candidate.aliases.items():
        if candidate.letters:
            fits = (
                len(alias) == 1
                and ord(alias) < 256
                and alias not in candidate.letters + MASK_LETTER
            )
            fits &= len(meant) == 1 and meant in candidate.letters + MASK_LETTER
        else:
            fits = all(_NUMBER.fullmatch(text) for text in (alias, meant.replace("#", "0")))
            fits = fits and (meant == MASK_LETTER or int(meant) <= candidate.mask)
        if not fits:
            yield f"'{alias}' cannot stand for '{meant}'"
    if candidate.ends is not None and (
        len(candidate.ends) != 2
        or not all(type(end) is int and end > candidate.mask for end in candidate.ends)
    ):
        yield f"ends are two numbers beyond the mask, {candidate.mask}"
    if candidate.of is not None:
        yield from _problems_of_reduction(candidate, candidate.of)


def _problems_of_reduction(candidate: Alphabet, of: Reduction) -> Iterable[str]:
    if of.alphabet not in ASSIGNED:
        yield f"it can follow from {' or '.join(ASSIGNED)} only"
        return
    parent = ALPHABETS[of.alphabet]
    letters = "".join(of.groups.values())
    if len(set(letters)) != len(letters) or not set(letters) <= set(parent.letters):
        yield f"its groups name other letters than those of {parent.name}, or one twice"
    if not candidate.letters or set(of.groups) != set(candidate.letters):
        yield "there must be one group for each of its letters"


ALPHABETS: dict[str, Alphabet] = {}
"""The structure alphabets that are known, by name."""

FOLDSEEK = Alphabet("foldseek", "ACDEFGHIKLMNPQRSTVWY", {"X": MASK_LETTER})
"""The 20 3Di states of FoldSeek (van Kempen et al. 2024, doi:10.1038/s41587-023-01773-0)."""

DSSP = Alphabet("dssp", "HBEGITSL", {"P": "L", " ": "L", "-": "L", "C": "L", "X": MASK_LETTER})
"""The 8 states of DSSP (Kabsch & Sander 1983); DSSP 4's P (kappa helix) and blanks become L."""

ALPHABETS |= {built_in.name: built_in for built_in in (FOLDSEEK, DSSP)}

SS3 = Alphabet(
    "ss3",
    "HEC",
    {"L": "C", "-": "C", " ": "C", "X": MASK_LETTER},
    of=Reduction("dssp", {"H": "HGI", "E": "EB", "C": "TSL"}),
)
"""Secondary structure in 3 states: helix, strand, coil. Imported, or from DSSP's 8 as is usual
(Rost & Eyrich 2001, doi:10.1002/prot.10051): H, G, I are helix, E and B strand."""

ESM3 = Alphabet("esm3", codes=4096, ends=(4098, 4097))
"""Structure tokens of ESM-3 (Hayes et al. 2025, doi:10.1126/science.ads0018): 4,096 codes. Its own
number of a masked residue is ours, too; BOS and EOS stand around a protein."""

ALPHABETS |= {built_in.name: built_in for built_in in (SS3, ESM3)}
BUILT_IN = tuple(ALPHABETS)
"""Names of those that need not be declared, in the order adapters attend to them."""

AMINO_ACIDS = Alphabet("amino_acids", "ACDEFGHIKLMNPQRSTVWYXUZOBJ")
"""The 20 amino acids and the letters X U Z O B J of sequence databases."""


def alphabet(name: str) -> Alphabet:
    """Return the structure alphabet of that name.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    try:
        return ALPHABETS[name]
    except KeyError:
        raise UnknownNameError(
            "structure alphabet", name, ALPHABETS, "Declare one with `sesstore alphabets FILE`."
        ) from None


def declare(definition: Alphabet, source: str) -> None:
    """Make an alphabet known to this process under its name.

    Parameters
    ----------
    definition : Alphabet
    source : str
        What declares it, for the error.

    Raises
    ------
    InputError
        Another one is known under that name: its tokens would be read as something else.
    """
    current = ALPHABETS.get(definition.name)
    if current is not None and not current.same_codes(definition):
        raise InputError(
            f"{source} declares an alphabet '{definition.name}' with other states than the one "
            f"known by that name ({_states(definition)}; known: {_states(current)}). Give it "
            f"another name"
        )
    if definition.name not in BUILT_IN:
        ALPHABETS[definition.name] = definition


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names in the order adapters attend to them: the built-in ones first, then by name."""
    distinct_names = set(names)
    built_in = tuple(name for name in BUILT_IN if name in distinct_names)
    return built_in + tuple(sorted(distinct_names - set(BUILT_IN)))


def _states(definition: Alphabet) -> str:
    of = f" from {definition.of.alphabet}" if definition.of else ""
    return (definition.letters or f"{definition.codes:,} codes") + of
