"""Which encoders there are. Importable without torch; `load` imports what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnknownNameError
from ..provenance import Fingerprint, split_layer
from .catalogue import EncoderSpec, Options, StructureSource
from .folder_spec import folder_spec, is_folder_name
from .layer_names import LAST, parse_layer
from .published import SPECS

if TYPE_CHECKING:
    from .base import Encoder

__all__ = ["EncoderSpec", "Options", "load", "spec", "specs", "stored_name"]


def specs() -> list[EncoderSpec]:
    """Return all encoders, small ones first within a family."""
    return list(SPECS.values())


def spec(name: str) -> EncoderSpec:
    """Return the encoder of a short or full name, in upper or lower case, with a layer or without.

    ``hf:FOLDER`` is any transformers folder, ``onnx:FILE`` any model in that format; see
    `transformers_folder` and `onnx_file`.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    name, _ = split_layer(name)
    if is_folder_name(name):
        return folder_spec(name)
    for candidate in SPECS.values():
        if name.casefold() in (candidate.name.casefold(), candidate.full_name.casefold()):
            return candidate
    raise UnknownNameError("encoder", name, SPECS, "`sesstore plms` lists them.")


def matches(known: EncoderSpec, text: str) -> bool:
    """Whether a word is in what is said of an encoder; "commercial": that such use is allowed."""
    if text.casefold() == "commercial":
        return known.commercial_use
    words = (known.name, known.full_name, known.family, known.purpose, known.licence)
    return any(text.casefold() in word.casefold() for word in words)


def short_name(name: str) -> str:
    """An encoder's short name, with the layer's number where one is named; raises as `load`."""
    known, (_, layer) = spec(name), split_layer(name)
    return f"{known.name}@{parse_layer(layer, known)}" if layer else known.name


def stored_name(name: str) -> str:
    """What a store calls an encoder: its full name, with the layer's number where one is named.

    Parameters
    ----------
    name : str
        Such as ``"esm2_t12"`` or ``"esm2_t12@-2"``; what is none of ours comes back as it is.

    Raises
    ------
    InputError
        The encoder has no such layer.
    """
    _, layer = split_layer(name)
    try:
        known = spec(name)
    except UnknownNameError:
        return name
    return f"{known.full_name}@{parse_layer(layer, known)}" if layer else known.full_name


def title(fingerprint: Fingerprint) -> str:
    """What to call an encoder: its full name, the layer if it is not the last, and if of means."""
    layers = {known.full_name: known.layers for known in SPECS.values()}
    # How many layers the model of a folder has, its fingerprint does not tell.
    last = layers.get(fingerprint.encoder, fingerprint.layer)
    named = fingerprint.layer != last or is_folder_name(fingerprint.encoder)
    named = named and not fingerprint.imported_from
    name = f"{fingerprint.encoder}@{fingerprint.layer}" if named else fingerprint.encoder
    return replace(fingerprint, encoder=name).title


def titles(fingerprints: Sequence[Fingerprint]) -> list[str]:
    """What to call several encoders: their titles, with more where two have the same."""
    names = [title(fingerprint) for fingerprint in fingerprints]
    return [
        name if names.count(name) == 1 else f"{name} ({fingerprint.precision}, {fingerprint.short})"
        for name, fingerprint in zip(names, fingerprints, strict=True)
    ]


def load_same(
    fingerprint: Fingerprint,
    *,
    weights: Path | None = None,
    device: str | None = None,
    layers: str | None = None,
    precision: str | None = None,
) -> Encoder:
    """Make ready the encoder that a fingerprint is of, by the settings it tells; see `load`.

    With `layers` others than its own are kept, and with `precision` it computes in another.

    Its own fingerprint is another where the weights are.
    """
    stored_precision = fingerprint.precision if fingerprint.precision != "not known" else None
    return load(
        fingerprint.encoder,
        weights=weights,
        device=device,
        long="nterm" if fingerprint.long_policy.startswith("nterm") else "windows",
        precision=precision or stored_precision,
        layers=layers or str(fingerprint.layer),
    )


def load(
    name: str,
    *,
    weights: Path | None = None,
    device: str | None = None,
    threads: int | None = None,
    long: str = "windows",
    precision: str | None = None,
    layers: str | None = None,
    structure: StructureSource | None = None,
) -> Encoder:
    """Make an encoder ready; its weights are found and hashed, and read when it first encodes.

    Parameters
    ----------
    name : str
        Short or full name, with a layer or without (``"esm2_t12@6"``).
    weights : path, optional
        File or folder with its weights; found by `weights.find` otherwise.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ...; the best there is by default.
    threads : int, optional
        CPU threads (of the whole process); all cores by default.
    long : str
        ``"windows"`` or ``"nterm"``: what happens to proteins beyond the window.
    precision : str, optional
        ``"fp32"``, ``"bf16"`` or ``"fp16"``; by default the first on a CPU, and on a GPU the half
        precision that suits encoder and card, see `devices.choose_precision`.
    layers : str, optional
        Which are kept, see `layers.parse_layers`; by default the named one, else the last.
    structure : StructureSource, optional
        Structure tokens, for encoders that read them.

    Raises
    ------
    UnknownNameError
        There is no such encoder.
    WeightsError
        Its weights are absent, or not what they say; says which file to put where.
    MissingExtraError
        It needs an optional part of sesstore.
    InputError
        The device, the precision, the policy or a layer does not exist.
    """
    bare_name, named_layer = split_layer(name)
    of_folder = is_folder_name(bare_name)
    encoder_spec = folder_spec(bare_name, weights) if of_folder else spec(bare_name)
    if threads is not None:
        from .devices import use_threads

        use_threads(threads)
    family: Any = import_module(f".{encoder_spec.family}", __package__)
    chosen = Options(weights, device, long, precision, layers or named_layer or LAST, structure)
    encoder: Encoder = family.load(encoder_spec, chosen)
    return encoder
