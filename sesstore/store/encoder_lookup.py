"""Which encoders a store holds, and finding one by what people call it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..errors import FingerprintMismatchError, NotStoredError
from ..provenance import Fingerprint, Provenance
from . import layout


def stored_encoders(root: Path) -> list[tuple[Path, Provenance]]:
    """Folder and provenance of every encoder of a store.

    Raises
    ------
    CorruptStoreError
        Metadata are not what was written.
    """
    encoders = []
    for folder in layout.encoder_folders(root):
        with suppress(FileNotFoundError):
            attributes = layout.read_group(folder / layout.METADATA)
            encoders.append((folder, Provenance.from_json(attributes["provenance"])))
    return encoders


def find_encoder(root: Path, query: Fingerprint | str | None) -> tuple[Path, Provenance]:
    """Return the one encoder that fits.

    Parameters
    ----------
    root : path
        The store.
    query : Fingerprint or str, optional
        A fingerprint; or an encoder's name or the start of it, or of a fingerprint; None if the
        store has only one. Names stand for embeddings of residues, never for their means, which
        have fingerprints of their own.

    Raises
    ------
    NotStoredError
        None fits.
    FingerprintMismatchError
        Several fit; says in what they differ.
    """
    encoders = stored_encoders(root)
    fitting = [pair for pair in encoders if _fits(pair[1].fingerprint, query)]
    exact = [
        pair
        for pair in fitting
        if isinstance(query, str) and pair[1].fingerprint.encoder.lower() == query.lower()
    ]
    fitting = exact or fitting
    if not isinstance(query, Fingerprint):
        residues = [pair for pair in fitting if not pair[1].fingerprint.reduction]
        if residues or not _starts_fingerprint(query, fitting):
            if fitting and not residues:
                raise _means_only(fitting[0][1].fingerprint)
            fitting = residues
    if not encoders:
        raise NotStoredError("the store has no embeddings yet. Make them with `sesstore embed`")
    if not fitting:
        names = ", ".join(f"{p.fingerprint.encoder} ({p.fingerprint.short})" for _, p in encoders)
        name = query.encoder if isinstance(query, Fingerprint) else query
        raise NotStoredError(
            f"the store has no embeddings by {name}, only by: {names}. Make them with "
            f"`sesstore embed`"
        )
    if len(fitting) > 1:
        raise _ambiguous([provenance.fingerprint for _, provenance in fitting])
    return fitting[0]


def _fits(fingerprint: Fingerprint, query: Fingerprint | str | None) -> bool:
    if isinstance(query, str):
        prefix = query.lower()
        names = (fingerprint.encoder.lower(), fingerprint.digest)
        return bool(prefix) and any(name.startswith(prefix) for name in names)
    return query is None or fingerprint == query


def _starts_fingerprint(query: str | None, fitting: list[tuple[Path, Provenance]]) -> bool:
    """Whether a query names some encoder by its fingerprint."""
    prefix = (query or "-").lower()
    return any(pair[1].fingerprint.digest.startswith(prefix) for pair in fitting)


def _means_only(fingerprint: Fingerprint) -> NotStoredError:
    return NotStoredError(
        f"the store has means of proteins by {fingerprint.encoder}, but no embeddings of residues. "
        f"Make them with `sesstore embed`, without --reduce"
    )


def _ambiguous(fitting: list[Fingerprint]) -> FingerprintMismatchError:
    first, second = fitting[0].to_json(), fitting[1].to_json()
    differing = [
        f"{k} ({first[k]!r} against {second[k]!r})" for k in first if first[k] != second[k]
    ]
    choices = ", ".join(f"{f.encoder}: {f.short}" for f in fitting)
    return FingerprintMismatchError(
        f"several encoders fit, and they are never mixed. They differ in {'; '.join(differing)}. "
        f"Name one by its fingerprint: {choices}"
    )
