"""Failures by name, each record for itself: several may have one name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .proteins import Protein


def list_failure(failed: dict[str, str], name: str, reason: str) -> None:
    """Add a failure to a list, under its name; a second of that name gets a number.

    Parameters
    ----------
    failed : dict of str to str
        Name to reason; what is in it stays.
    name, reason : str
    """
    entry, number = name, 2
    while entry in failed:
        entry, number = f"{name} ({number})", number + 1
    failed[entry] = reason


def list_failures(
    failed: dict[str, str], proteins: Iterable[Protein], reasons: Mapping[bytes, str]
) -> None:
    """Add proteins to a list of failures, under their ids.

    Parameters
    ----------
    failed : dict of str to str
        As of `list_failure`.
    proteins : iterable of Protein
        Those among them that failed are added.
    reasons : mapping of bytes to str
        By digest.
    """
    for protein in proteins:
        if protein.digest in reasons:
            list_failure(failed, protein.id, reasons[protein.digest])
