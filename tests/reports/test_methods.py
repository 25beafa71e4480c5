"""The methods paragraph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sesstore.reports.methods import commands, methods, provenance
from sesstore.training.runs import Run


def test_the_methods_paragraph_says_what_was_done(findings) -> None:
    said = methods(findings())
    assert "90 train, 40 valid, 40 test proteins" in said
    assert "98.9% of training proteins" in said
    assert "learning rate 0.0005" in said
    assert "mean over 2 seeds" in said
    assert "No structure was used." in methods(findings(alphabets=()))


def test_every_figure_of_the_paragraph_is_in_its_place(findings) -> None:
    found = findings()
    low, high = found.intervals["accuracy"]
    assert methods(found) == (
        "We trained structure-aware adapters (Tan et al. 2024) on toy (single-label "
        "classification with 3 classes; "
        "90 train, 40 valid, 40 test proteins) with sesstore 0.1. Residue embeddings of "
        "width 16 came from the frozen encoder enc (layer 6, fp32). Structure tokens (FoldSeek 3Di "
        "and DSSP secondary structure) came from alphafold2 structures, available for 98.9% of "
        "training proteins; the others were masked, not left out. The adapter used 4 attention "
        "heads, attention pooling and dropout 0.1 in its head. We optimised with AdamW (learning "
        "rate 0.0005, weight decay 0.01, cosine schedule, warm-up over 10%), batches of at most "
        "8,192 residues, for at most 3 epochs (patience 5), and kept the epoch with the best "
        "accuracy on the validation split. The test split was scored once, by that epoch. On test, "
        f"accuracy was {found.mean('accuracy'):.3f} (mean over 2 seeds; 95 % interval {low:.3f} to "
        f"{high:.3f}, over proteins and 2 seeds)."
    )


def changed(run: Run, **settings: object) -> Run:
    """A run with other settings of its adapter or training."""
    config = {
        part: {k: settings.get(k, v) for k, v in values.items()}
        for part, values in run.config.items()
    }
    return replace(run, config=config)


def test_what_is_said_only_where_it_was_done(findings) -> None:
    found = findings(seeds=1)
    plain = methods(found)
    for words in ("linear model", "projected", "pLDDT below", "cross-validation"):
        assert words not in plain
    assert "(one seed; 95 % interval" in plain
    masked = replace(found, runs=(changed(found.run, min_plddt=70, width=8),))
    assert "pLDDT below 70 were masked" in methods(masked)
    assert "4 attention heads, projected to width 8, attention pooling" in methods(masked)
    added = replace(found, runs=(replace(found.run, linear={"penalty": 1.0}),))
    assert "added to those of a linear model" in methods(added)
    start = [{"epoch": e, "loss": 1.0, "valid": {"accuracy": 0.5}, "best": e == 0} for e in (0, 1)]
    two = findings(seeds=2)
    alone = replace(two, runs=(replace(two.runs[0], history=start), two.runs[1]))
    assert "In 1 of 2 runs the adapter was not better" in methods(alone)
    crossed = replace(two, split="out-of-fold", learning=two.runs * 5)
    crossed = replace(crossed, values={"out-of-fold": two.values["test"]})
    assert "by the one of 5 trainings of a cross-validation" in methods(crossed)
    assert "On out-of-fold predictions, accuracy" in methods(crossed)
    assert "scored once" not in methods(crossed)


def test_commands_and_provenance_are_those_of_the_run(findings) -> None:
    found = findings()
    assert commands(found) == ["sesstore train toy --seeds 2"]
    assert dict(provenance(found)) == {
        "encoder": "enc",
        "encoder's fingerprint": found.run.fingerprint.digest,
        "weights (SHA-256)": "cd" * 32,
        "data (SHA-256 of rows and labels)": "ab" * 32,
        "structures": "alphafold2",
        "date": "2026-01-01",
        "versions": "sesstore 0.1, python 3.12",
    }


def test_a_training_by_several_commands_is_repeated_by_each(findings) -> None:
    found = findings(seeds=3)
    words = ("train b", "train a", "train b")
    runs = tuple(
        replace(run, circumstances={**run.circumstances, "command": text})
        for run, text in zip(found.runs, words, strict=True)
    )
    assert commands(replace(found, runs=runs)) == ["train b", "train a"]
    silent = replace(found.run, circumstances={}, source=None)
    assert commands(replace(found, runs=(silent,))) == []
    assert dict(provenance(replace(found, runs=(silent,)))).keys() == {
        "encoder", "encoder's fingerprint", "weights (SHA-256)",
        "data (SHA-256 of rows and labels)", "structures",
    }  # fmt: skip


def test_rows_that_are_counted_are_those_of_the_reported_split(findings) -> None:
    found = findings()
    assert found.proteins == 40
    assert replace(found, split="out-of-fold").proteins == 90  # all rows, which train has
    for split in ("valid", "test"):
        values = found.values[split]["mcc"]
        assert found.mean("mcc", split) == pytest.approx(np.mean(values))
        assert found.deviation("mcc", split) == pytest.approx(np.std(values, ddof=1))
    assert findings(seeds=1).deviation("mcc") is None


def test_a_training_that_was_told_when_to_stop_chose_no_epoch(findings) -> None:
    found = findings(seeds=1)
    stopped = methods(replace(found, runs=(changed(found.run, patience=None),)))
    assert "for at most 3 epochs, and kept the epoch with the best accuracy" in stopped
    config = {**found.run.config, "fit": {**found.run.config["fit"], "stop_after": 2}}
    stopped = methods(replace(found, runs=(replace(found.run, config=config),)))
    assert "8,192 residues, for 2 of 3 epochs, as was told beforehand." in stopped
    assert "kept the epoch" not in stopped
