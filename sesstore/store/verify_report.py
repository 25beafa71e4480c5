"""What a verification found: faults, what could not be read, and notes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Parameters
    ----------
    where : str
        Path inside the store: a segment, a database, a metadata file, a task.
    what : str
        What is wrong with it.
    """

    where: str
    what: str


@dataclass
class VerifyReport:
    """What `verify` looked at and found.

    Parameters
    ----------
    checked : dict of str to int
        Numbers of ``segments``, ``embeddings``, ``residues``, ``proteins``, ``tokens``, ``tasks``,
        and of ``alphabets`` where any are declared.
    bad : list of Fault
        What is wrong.
    unreadable : list of Fault
        What the system did not let be read (no permission, no memory, an error of the disk). It
        may be sound.
    notes : list of str
        What is no fault but worth knowing, such as leftovers for `gc`.
    """

    checked: dict[str, int] = field(default_factory=dict)
    bad: list[Fault] = field(default_factory=list)
    unreadable: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all was read and nothing is wrong."""
        return not self.bad and not self.unreadable

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)
