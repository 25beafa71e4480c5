"""What was decided about a structure that its owner should hear of: told with the results."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """One decision about one file or chain.

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
