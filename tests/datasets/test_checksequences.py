"""What sequences tell of a data set's health."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.datasets.checksequences import LONG, SHORT, check_sequences
from sesstore.datasets.diagnosis import data_set, examine
from sesstore.datasets.findings import Finding
from sesstore.datasets.load import load_task
from sesstore.datasets.recipes import recipe
from sesstore.proteins import Protein
from sesstore.tasks import Problem, Split, Task

from .conftest import by, counts, lines, sequence


def test_equal_sequences_across_splits_in_ec(shared_data: Path) -> None:
    folder = shared_data / "ec/alphafold2"
    found = counts(examine([data_set("af", load_task(recipe("ec"), folder, "alphafold2"))]))
    groups = by(lines(folder), "aa_seq").values()
    across = sum({"train", "valid"} <= {row["split"] for row in rows} for rows in groups)
    assert across == found["in_train_and_valid"] == 1
    assert found["repeated_in_train"] == 1
    # Counted once by all pairs of 4-mer sets, without MinHash.
    near = {what: count for what, count in found.items() if what.startswith("nearly")}
    assert near == {
        "nearly_in_train_and_valid": 1,
        "nearly_in_train_and_test": 3,
        "nearly_in_valid_and_test": 1,
    }


def odd(*sequences: str) -> dict[str, Finding]:
    proteins = [Protein(f"p{n}", sequence) for n, sequence in enumerate(sequences)]
    digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
    split = Split(tuple(p.id for p in proteins), digests, [0] * len(proteins))
    task = Task("t", Problem.SINGLE_LABEL, ("a",), {"train": split}, ("mcc",), "mcc")
    found = check_sequences(task, {p.digest: p.sequence for p in proteins})
    return {finding.what: finding for finding in found}


def test_lengths_are_odd_below_and_above_their_bounds() -> None:
    found = odd("A" * (SHORT - 1), "C" * SHORT, "D" * LONG, "E" * (LONG + 1))
    assert found["short"].examples == (f"p0 ({SHORT - 1})",)
    assert found["long"].examples == (f"p3 ({LONG + 1:,})",)
    assert (found["short"].count, found["long"].count) == (1, 1)
    assert not any(finding.biases for finding in found.values())


def test_letters_beyond_the_20_are_counted() -> None:
    found = odd("MKVUXXLAAG" * 3, "MKVLAAGGTT" * 3)
    assert found["unusual_letters"].examples == ("p0 (U X: 9 of 30)",)
    assert found["unusual_letters"].count == 1
    assert not found["unusual_letters"].biases


@pytest.mark.parametrize(
    ("split_by", "todo"),
    [
        ("position", "nothing: variants of one protein are all alike"),
        (None, "--fix drops the train rows; or split by clusters"),
        ("random", "add the data with --split-by cluster"),
    ],
)
def test_near_copies_across_splits_and_what_to_do(split_by: str | None, todo: str) -> None:
    """Where whole positions were held out they are as they should be."""
    first, second, third = (sequence(120) for _ in range(3))
    letter = "A" if first[60] != "A" else "C"
    proteins = [
        Protein("near", first), Protein("far", second), Protein("alone", third),
        Protein("copy", first[:60] + letter + first[61:]), Protein("again", first[:-1] + "WY"),
    ]  # fmt: skip
    digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
    splits = {
        name: Split(tuple(p.id for p in proteins[part]), digests[part], [0] * len(proteins[part]))
        for name, part in (("train", slice(0, 2)), ("test", slice(2, 5)))
    }
    task = Task("t", Problem.SINGLE_LABEL, ("a",), splits, ("mcc",), "mcc", split_by=split_by)
    (finding,) = check_sequences(task, {p.digest: p.sequence for p in proteins})
    assert (finding.what, finding.count) == ("nearly_in_train_and_test", 2)
    assert set(finding.examples) == {"copy ~ near", "again ~ near"}
    assert finding.biases is (split_by != "position")
    assert finding.todo.startswith(todo)
