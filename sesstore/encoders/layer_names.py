"""Which layers of an encoder are kept. Importable without torch.

Layer N is what the N-th block leaves, counted as the encoder's origin does: 0 is the input of the
first block, and the last layer stands after the final norm where the model has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import InputError
from ..provenance import Layer, split_layer
from .catalogue import EncoderSpec

LAST, ALL = "last", "all"
_MEAN = re.compile(r"mean:(\d+)")
_RANGE = re.compile(r"(\d+)-(\d+)")


def parse_layers(text: str, spec: EncoderSpec) -> tuple[Layer, ...]:
    """Read what a user asks for, such as ``"last"``, ``"6"``, ``"-2"``, ``"1,6,12"``, ``"all"``.

    Parameters
    ----------
    text : str
        Numbers (negative ones count from the end, -1 being the last), ranges ``"3-6"``,
        ``"mean:K"`` for the mean of the last K, ``"last"``, ``"all"`` for 1 to the last; several
        separated by commas.
    spec : EncoderSpec
        Whose layers.

    Returns
    -------
    tuple of int or str
        As fingerprints write them, in the order of first mention, each once.

    Raises
    ------
    InputError
        The encoder has no such layer, or it is none of these.
    """
    words = [word.strip() for word in text.split(",")]
    return tuple(dict.fromkeys(layer for word in words for layer in _read(word, spec)))


def layers_of(name: str, layers: str | None) -> str | None:
    """What is said of an encoder's layers: in its name (``"esm2_t33@12"``), or beside it.

    Parameters
    ----------
    name : str
        The encoder's.
    layers : str, optional
        What stands beside it, as with ``--layer``.

    Returns
    -------
    str or None
        As `parse_layers` takes it; None where nothing is said.

    Raises
    ------
    InputError
        Both say something.
    """
    _, own = split_layer(name)
    if layers is not None and own:
        raise InputError(f"'{name}' names a layer already. Leave --layer out")
    return layers if layers is not None else own or None


def parse_layer(text: str, spec: EncoderSpec) -> Layer:
    """Read one layer; raises as `parse_layers`, and where there are several."""
    layers = parse_layers(text, spec)
    if len(layers) != 1:
        raise InputError(
            f"one layer is needed here, and '{text}' names {len(layers)}. Name one, such as last"
        )
    return layers[0]


def depth_of(layers: tuple[Layer, ...], spec: EncoderSpec) -> int:
    """How many blocks must run for some layers."""
    return max(spec.layers if isinstance(layer, str) else layer for layer in layers)


def _read(word: str, spec: EncoderSpec) -> Iterator[Layer]:
    last = spec.layers
    if word == LAST:
        yield last
    elif word == ALL:
        yield from range(1, last + 1) if last else (0,)
    elif match := _MEAN.fullmatch(word):
        count = int(match[1])
        if not 1 <= count <= last:
            raise InputError(
                f"'{word}' is no mean of {spec.name}'s layers, of which there are {last}. Give "
                f"mean:K with K from 1 to {last}"
                if last
                else f"{spec.name} has no layers to take a mean of. Leave --layer out"
            )
        yield last if count == 1 else word
    elif match := _RANGE.fullmatch(word):
        first, final = (_checked(int(number), word, spec) for number in match.groups())
        yield from range(first, final + 1)
        if first > final:
            raise InputError(f"layers '{word}' run backwards. Give the smaller number first")
    else:
        try:
            number = int(word)
        except ValueError:
            raise InputError(
                f"'{word}' is no layer. Give a number, -1, 3-6, mean:4, last or all, or several "
                f"of these with commas between"
            ) from None
        yield _checked(number + last + 1 if number < 0 else number, word, spec)


def _checked(number: int, word: str, spec: EncoderSpec) -> int:
    if not 0 <= number <= spec.layers:
        raise InputError(
            f"{spec.name} has no layer {word}: they go from 0, the input of the first, to "
            f"{spec.layers}. `sesstore plms {spec.name}` says more"
        )
    return number
