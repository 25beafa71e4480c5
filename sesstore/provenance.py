"""What made something: fingerprints of encoders, and the record stored beside every result.

Canonical JSON (sorted keys, no white space, UTF-8) is what gets hashed, so equal settings have
equal hashes on every machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FingerprintMismatchError, StoreFormatError

MEAN = "mean"
"""The reduction of residues to one row a protein."""

Layer = int | str
"""Which layer's output: its number, or ``"mean:K"``, the mean of the last K."""

_MEAN_LAYER = re.compile(r"mean:[1-9]\d*")
_UNREADABLE = "Install the sesstore that wrote it, or look for damage with `sesstore verify`"


def canonical_json(value: Any) -> str:
    """JSON text that is equal for equal values."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def without_nan(value: Any) -> Any:
    """Return plain values with None for what JSON does not have: NaN and what is infinite."""
    if isinstance(value, Mapping):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they come back from JSON."""
    values: dict[str, Any] = json.loads(canonical_json(settings))
    return values


def differences(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Name the settings that differ, with both values."""
    lines: list[str] = []
    for key in dict.fromkeys([*first, *second]):
        a, b = first.get(key), second.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            lines.append(f"{prefix}{key} ({json.dumps(a)} then, {json.dumps(b)} now)")
    return lines


def sha256_json(value: Any) -> str:
    """SHA-256 (hexadecimal) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@dataclass(frozen=True)
class Fingerprint:
    """Identity of an encoder: whatever changes a stored number beyond rounding.

    Parameters
    ----------
    encoder : str
        Full name, such as ``"esm2_t33_650M_UR50D"``.
    weights_sha256 : str
        Hash of the weights (hexadecimal); of the definition for encoders that have none.
    layer : int or str
        Which layer's output is kept, see `Layer`.
    residue_mapping : str
        How letters become model inputs, such as ``"esm1b"`` or ``"UZOB->X"``.
    long_policy : str
        What happens to proteins longer than the window, such as ``"windows(1022,256)"``.
    precision : str
        Arithmetic of the forward pass: ``"fp32"``, ``"bf16"``, ``"fp16"``.
    imported_from : str
        For embeddings other tools computed: the format they came from; empty otherwise.
    reduction : str
        ``"mean"`` if one row a protein is kept, the mean of its residues' rows; empty where every
        residue has a row. An empty one is no part of the hash, nor of what is written.
    structure : str
        For encoders that read structure tokens beside the sequence: the source of these. An empty
        one is no part of the hash either.
    """

    encoder: str
    weights_sha256: str
    layer: Layer
    residue_mapping: str
    long_policy: str
    precision: str
    imported_from: str = ""
    reduction: str = ""
    structure: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of all settings, hexadecimal."""
        return sha256_json(self.to_json())

    @property
    def short(self) -> str:
        """First 12 hexadecimal digits of the digest: what folders and messages use."""
        return self.digest[:12]

    @property
    def title(self) -> str:
        """The encoder's name for people, with what was made of its output."""
        name = f"{self.encoder}+{self.structure}" if self.structure else self.encoder
        return f"{name} {self.reduction}s" if self.reduction else name

    @property
    def of_residues(self) -> Fingerprint:
        """The same encoder with one row a residue."""
        return replace(self, reduction="")

    @property
    def of_means(self) -> Fingerprint:
        """The same encoder with one row a protein, the mean of its residues' rows."""
        return replace(self, reduction=MEAN)

    def rows(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows that proteins of some lengths have; what is below zero stays (not known)."""
        return np.minimum(lengths, 1) if self.reduction else lengths

    def to_json(self) -> dict[str, Any]:
        """Settings as plain values."""
        settings = asdict(self)
        for optional in ("reduction", "structure"):
            if not settings[optional]:
                del settings[optional]
        return settings

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fingerprint:
        """Inverse of `to_json`.

        Raises
        ------
        StoreFormatError
            A setting is missing or of the wrong type.
        """
        try:
            settings = {f.name: value[f.name] for f in fields(cls) if f.name in value}
            fingerprint = cls(**settings)
        except (KeyError, TypeError) as problem:
            raise StoreFormatError(
                f"not an encoder fingerprint: {problem}. {_UNREADABLE}"
            ) from None
        texts = (fingerprint.encoder, fingerprint.structure)
        if not all(isinstance(text, str) for text in texts) or not _is_layer(fingerprint.layer):
            raise StoreFormatError(f"not an encoder fingerprint: wrong types. {_UNREADABLE}")
        if fingerprint.reduction not in ("", MEAN):
            raise StoreFormatError(
                f"not an encoder fingerprint: reduction {fingerprint.reduction!r}. {_UNREADABLE}"
            )
        return fingerprint

    def check_same(self, peer: Fingerprint) -> None:
        """Raise unless `peer` is this very encoder.

        Raises
        ------
        FingerprintMismatchError
            Names each setting that differs.
        """
        own_settings, peer_settings = asdict(self), asdict(peer)
        differing = [
            f"{key} ({own_settings[key]!r} against {peer_settings[key]!r})"
            for key in own_settings
            if own_settings[key] != peer_settings[key]
        ]
        if differing:
            raise FingerprintMismatchError(
                f"these are two different encoders and are never mixed: {'; '.join(differing)}. "
                f"Use one of them throughout, or keep both side by side in the store"
            )


def _is_layer(value: object) -> bool:
    if isinstance(value, str):
        return _MEAN_LAYER.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def split_layer(query: str) -> tuple[str, str]:
    """Part ``"esm2_t33@12"`` into an encoder's name and a layer, empty where none is named."""
    name, _, layer = query.partition("@")
    return name, layer


def named_encoders(fingerprints: Iterable[Fingerprint], query: str) -> list[Fingerprint]:
    """Those that a name may mean.

    Parameters
    ----------
    fingerprints : iterable of Fingerprint
        Which there are.
    query : str
        An encoder's name or the start of it, or of a fingerprint, and maybe a layer's number:
        ``"esm2_t33"``, ``"esm2_t33@12"``; with a layer alone (``"@12"``) any encoder is meant. A
        whole name goes before names that only start with it.
    """
    name, layer = split_layer(query.lower())
    candidates = [
        fingerprint
        for fingerprint in fingerprints
        if (name and fingerprint.digest.startswith(name))
        or ((name or layer) and fingerprint.encoder.lower().startswith(name))
    ]
    candidates = [print_ for print_ in candidates if print_.encoder.lower() == name] or candidates
    return [print_ for print_ in candidates if not layer or str(print_.layer) == layer]


def deepest(fingerprints: Sequence[Fingerprint]) -> Sequence[Fingerprint]:
    """The deepest layer where nothing else tells some fingerprints apart; else all of them."""
    numbered = [print_ for print_ in fingerprints if isinstance(print_.layer, int)]
    if not numbered or len({replace(print_, layer=0) for print_ in fingerprints}) > 1:
        return fingerprints
    return [max(numbered, key=lambda print_: int(print_.layer))]


@dataclass(frozen=True)
class Provenance:
    """What made a stored result, for people and for repeating it.

    Parameters
    ----------
    fingerprint : Fingerprint
        The encoder.
    dim : int
        Width of one residue's embedding.
    dtype : str
        Storage type: ``"float16"``, ``"float32"`` or ``"int8"``.
    licence : str
        Licence of the encoder's weights.
    citation : str
        What to cite for the encoder.
    """

    fingerprint: Fingerprint
    dim: int
    dtype: str = "float16"
    licence: str = ""
    citation: str = ""

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {**asdict(self), "fingerprint": self.fingerprint.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Provenance:
        """Inverse of `to_json`; unknown keys are ignored.

        Raises
        ------
        StoreFormatError
            A key is missing or of the wrong type.
        """
        try:
            settings = {f.name: value[f.name] for f in fields(cls) if f.name in value}
            settings["fingerprint"] = Fingerprint.from_json(value["fingerprint"])
            return cls(**settings)
        except (KeyError, TypeError) as problem:
            raise StoreFormatError(f"not a provenance record: {problem}. {_UNREADABLE}") from None


def versions(*packages: str) -> dict[str, str]:
    """Versions of sesstore, Python and the named packages (those that are installed)."""
    by_package = {"python": platform.python_version()}
    for name in ("sesstore", *packages):
        try:
            by_package[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return by_package


def command(*further: str) -> str:
    """Return the command line of this process as a shell takes it, with further words."""
    return shlex.join([sys.argv[0].rsplit("/", 1)[-1], *sys.argv[1:], *further])


def resuming(folder: Path) -> str:
    """Say how to go on with what was interrupted in a folder: by the whole command, or in words."""
    if sys.argv[1:2] == ["fit"]:  # goes on by itself
        return f"Go on with it: `{command()}`"
    if sys.argv[0].rsplit("/", 1)[-1] != "sesstore":
        return "Go on with it by resume=True and the same settings"
    has_out = any(word == "--out" or word.startswith("--out=") for word in sys.argv)
    further = [] if has_out else ["--out", str(folder)]
    if "--resume" not in sys.argv:
        further.append("--resume")
    return f"Go on with it: `{command(*further)}`"


def moment() -> str:
    """Now, to the millisecond, as part of a folder's name: jobs may begin in one second."""
    return datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]


def circumstances(*packages: str) -> dict[str, Any]:
    """When, with what and by which command something is being made: stored beside it."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(),
        "versions": versions(*packages),
    }
