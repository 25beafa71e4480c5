"""What could not be used, and why: a result beside the others, so that nothing stops a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """A file, chain or entry that could not be used.

    Parameters
    ----------
    name : str
        File, or file and chain.
    reason : str
        What is wrong, and what to do.
    """

    name: str
    reason: str
