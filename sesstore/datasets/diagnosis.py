"""Examine a data set before anything is trained on it: what would bias a result, and why.

Everything is compared by digest or by name in one pass, near equality by MinHash (`similarity`):
the work grows with the number of proteins, not with its square.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..alphabets import alphabet
from ..tasks import Task
from .checklabels import check_labels, label_summary
from .checkrows import check_rows
from .checksequences import check_sequences, lengths_of, unusual
from .checksources import Coverage, check_agreement, check_coverage
from .findings import Finding
from .load import LoadedTask


@dataclass(frozen=True, eq=False)
class DataSet:
    """What is examined.

    Parameters
    ----------
    name : str
        Where it comes from: a folder's or a source's name.
    task : Task
        Rows, labels, splits.
    sequences : mapping of bytes to str
        Sequence of each digest of the task.
    tokens : mapping of str to Coverage
        Structure tokens by source.
    """

    name: str
    task: Task
    sequences: Mapping[bytes, str]
    tokens: Mapping[str, Coverage] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Parameters
    ----------
    rows : int
        Rows of the first data set.
    splits : list of dict
        Of each data set and split: rows, sequences, lengths, letters, labels, tokens.
    findings : list of Finding
        What would bias a result first.
    """

    rows: int
    splits: list[dict[str, Any]]
    findings: list[Finding]

    @property
    def healthy(self) -> bool:
        """Whether nothing would bias a result."""
        return not any(finding.biases for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """All as plain values."""
        return {"healthy": self.healthy, **asdict(self)}


def data_set(name: str, loaded: LoadedTask) -> DataSet:
    """Return what was read from files as something to examine."""
    coverage: dict[str, dict[bytes, float]] = {}
    for tokens in loaded.tokens:
        masks = [codes == alphabet(name).mask for name, codes in tokens.codes.items()]
        share = 1 - float(np.mean(masks)) if masks else 0.0
        coverage.setdefault(tokens.source, {})[tokens.digest] = share
    sequences = {protein.digest: protein.sequence for protein in loaded.proteins}
    return DataSet(name, loaded.task, sequences, coverage)


def examine(data: Sequence[DataSet]) -> Diagnosis:
    """Examine a data set, or several that are one task from several sources.

    Parameters
    ----------
    data : sequence of DataSet
        The first is examined in full; of the others what differs, and their tokens.
    """
    reference = data[0]
    findings = [
        *check_rows(reference.task),
        *check_sequences(reference.task, reference.sequences),
        *check_agreement({data_set.name: data_set.task for data_set in data}),
        *check_labels(reference.task),
    ]
    for data_set in data:
        findings += check_coverage(data_set.task, data_set.tokens)
    findings.sort(key=lambda finding: not finding.biases)
    splits = [_facts(data_set, split) for data_set in data for split in data_set.task.splits]
    return Diagnosis(sum(map(len, reference.task.splits.values())), splits, findings)


def _facts(data: DataSet, split: str) -> dict[str, Any]:
    """Size, lengths, letters, labels and tokens of a split."""
    rows = data.task.splits[split]
    digests = [digest.tobytes() for digest in rows.digests]
    lengths = lengths_of(data.task, split, data.sequences)
    odd = sum(unusual(data.sequences[digest]) for digest in digests)
    return {
        "data": data.name,
        "split": split,
        "rows": len(rows),
        "sequences": len(set(digests)),
        "length": [int(x) for x in np.quantile(lengths, [0, 0.5, 1])] if len(rows) else [],
        "unusual_letters": odd,
        "labels": label_summary(data.task, rows),
        "tokens": {
            source: {
                "proteins": sum(digest in coverage for digest in digests) / max(1, len(digests)),
                "residues": float(
                    sum(coverage.get(d, 0.0) * n for d, n in zip(digests, lengths, strict=True))
                    / max(1, lengths.sum())
                ),
            }
            for source, coverage in data.tokens.items()
        },
    }
