"""What a run tells of structures beside its results: failures, which stop nothing, and remarks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """A file, chain or entry that could not be used: yielded beside what could.

    Parameters
    ----------
    name : str
        File, or file and chain.
    reason : str
        What is wrong, and what to do.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Remark:
    """A decision about a file or chain that its owner should hear of.

    Parameters
    ----------
    kind : str
        What was decided, in words that are the same for all files; remarks are counted by it.
    detail : str
        File, chain and numbers of this case.
    """

    kind: str
    detail: str

    def of(self, location: str) -> Remark:
        """The same remark about a named file or chain."""
        return Remark(self.kind, f"{location}: {self.detail}" if self.detail else location)
