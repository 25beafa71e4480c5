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
    found = []
    for folder in layout.encoder_folders(root):
        with suppress(FileNotFoundError):
            attributes = layout.read_group(folder / layout.METADATA)
            found.append((folder, Provenance.from_json(attributes["provenance"])))
    return found


def one_encoder(root: Path, which: Fingerprint | str | None) -> tuple[Path, Provenance]:
    """Return the one encoder that fits.

    Parameters
    ----------
    root : path
        The store.
    which : Fingerprint or str, optional
        A fingerprint; or an encoder's name or the start of it, or of a fingerprint; None if the
        store has only one.

    Raises
    ------
    NotStoredError
        None fits.
    FingerprintMismatchError
        Several fit; says in what they differ.
    """
    known = stored_encoders(root)
    fitting = [pair for pair in known if _fits(pair[1].fingerprint, which)]
    exact = [
        pair
        for pair in fitting
        if isinstance(which, str) and pair[1].fingerprint.encoder.lower() == which.lower()
    ]
    fitting = exact or fitting
    if not known:
        raise NotStoredError("the store has no embeddings yet. Make them with `sesstore embed`")
    if not fitting:
        names = ", ".join(f"{p.fingerprint.encoder} ({p.fingerprint.short})" for _, p in known)
        asked = which.encoder if isinstance(which, Fingerprint) else which
        raise NotStoredError(
            f"the store has no embeddings by {asked}, only by: {names}. Make them with "
            f"`sesstore embed`"
        )
    if len(fitting) > 1:
        raise _ambiguous([provenance.fingerprint for _, provenance in fitting])
    return fitting[0]


def _fits(fingerprint: Fingerprint, which: Fingerprint | str | None) -> bool:
    if isinstance(which, str):
        asked = which.lower()
        known = (fingerprint.encoder.lower(), fingerprint.digest)
        return bool(asked) and any(name.startswith(asked) for name in known)
    return which is None or fingerprint == which


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
