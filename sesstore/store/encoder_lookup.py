"""Which encoders a store holds, and finding one by what people call it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..errors import FingerprintMismatchError, NotStoredError
from ..provenance import Fingerprint, Provenance, deepest, named_encoders, split_layer
from . import layout
from .partial_reads import Damaged, leaving_out


def stored_encoders(root: Path, damaged: Damaged | None = None) -> list[tuple[Path, Provenance]]:
    """Folder and provenance of every encoder of a store.

    Parameters
    ----------
    root : path
        The store.
    damaged : callable, optional
        Told about encoders whose metadata are not what was written, and left out; an error without
        it.

    Raises
    ------
    CorruptStoreError
        Metadata are not what was written.
    """
    encoders = []
    for folder in layout.encoder_folders(root):
        with leaving_out(damaged), suppress(FileNotFoundError):
            attributes = layout.read_group(folder / layout.METADATA)
            encoders.append((folder, Provenance.from_json(attributes["provenance"])))
    return encoders


def find_encoder(root: Path, query: Fingerprint | str | None) -> tuple[Path, Provenance]:
    """Return the one encoder that fits; of several layers of it the deepest, if none is named.

    Parameters
    ----------
    root : path
        The store.
    query : Fingerprint or str, optional
        A fingerprint; or a name as in `named_encoders`; None if the store has only one. Names stand
        for embeddings of residues, never for their means, which have fingerprints of their own.

    Raises
    ------
    NotStoredError
        None fits.
    FingerprintMismatchError
        Several fit; says in what they differ.
    """
    encoders = {provenance.fingerprint: (f, provenance) for f, provenance in stored_encoders(root)}
    if not encoders:
        raise NotStoredError("the store has no embeddings yet. Make them with `sesstore embed`")
    if isinstance(query, Fingerprint):
        fitting = [query] if query in encoders else []
    else:
        fitting = _named(list(encoders), query)
    if not fitting:
        raise _absent(list(encoders), query)
    candidates = deepest(fitting)
    if len(candidates) > 1:
        raise _ambiguous(fitting)
    return encoders[candidates[0]]


def _absent(stored: list[Fingerprint], query: Fingerprint | str | None) -> NotStoredError:
    if isinstance(query, Fingerprint):
        name, layer = query.encoder, str(query.layer)
        namesakes = [print_ for print_ in stored if print_.encoder == name]
    else:
        name, layer = split_layer(str(query))
        namesakes = named_encoders(stored, name) if name else stored
    if namesakes and layer and layer not in {str(print_.layer) for print_ in namesakes}:
        layers = ", ".join(sorted({str(print_.layer) for print_ in namesakes}))
        return NotStoredError(
            f"the store has no embeddings of layer {layer} by {name or 'any encoder'}, only of: "
            f"{layers}. Make them with `sesstore embed --layer {layer}`"
        )
    if isinstance(query, Fingerprint) and namesakes:
        nearest = min((_differences([query, print_]) for print_ in namesakes), key=len)
        return NotStoredError(
            f"the store has embeddings by {name} of other settings only; they differ in "
            f"{'; '.join(nearest)}. Make those with `sesstore embed`"
        )
    names = ", ".join(f"{print_.encoder} ({print_.short})" for print_ in stored)
    return NotStoredError(
        f"the store has no embeddings by {name}, only by: {names}. Make them with `sesstore embed`"
    )


def _named(stored: list[Fingerprint], query: str | None) -> list[Fingerprint]:
    """Those a name may mean: embeddings of residues, but where a fingerprint is named."""
    candidates = stored if query is None else named_encoders(stored, query)
    residues = [print_ for print_ in candidates if not print_.reduction]
    start = split_layer(query or "-")[0].lower()
    if residues or not any(start and print_.digest.startswith(start) for print_ in candidates):
        if candidates and not residues:
            raise _means_only(candidates[0])
        return residues
    return candidates


def _means_only(fingerprint: Fingerprint) -> NotStoredError:
    return NotStoredError(
        f"the store has means of proteins by {fingerprint.encoder}, but no embeddings of residues. "
        f"Make them with `sesstore embed`, without --reduce"
    )


def _ambiguous(fitting: list[Fingerprint]) -> FingerprintMismatchError:
    choices = ", ".join(f"{f.encoder}: {f.short}" for f in fitting)
    return FingerprintMismatchError(
        f"several encoders fit, and they are never mixed. They differ in "
        f"{'; '.join(_differences(fitting))}. Name one by its fingerprint: {choices}"
    )


def _differences(fingerprints: list[Fingerprint]) -> list[str]:
    """Settings in which some fingerprints differ, with the values of each."""
    by_setting = {
        name: list(dict.fromkeys(repr(fingerprint.to_json()[name]) for fingerprint in fingerprints))
        for name in fingerprints[0].to_json()
    }
    return [f"{k} ({' against '.join(v)})" for k, v in by_setting.items() if v[1:]]
