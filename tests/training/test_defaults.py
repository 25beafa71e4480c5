"""How a training follows from its data: updates, not epochs; what is given stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.errors import InputError
from sesstore.training.defaults import (
    CHECKS,
    EPOCHS,
    EPOCHS_WITH_STRUCTURE,
    LARGE_SET,
    LOW_RATE,
    RATE,
    UPDATES,
    batches,
    in_words,
    pace_for,
)
from sesstore.training.fit import Member, fit
from sesstore.training.fit_config import FitConfig

from .test_fit import SHAPE

LENGTHS = st.lists(st.integers(1, 3000), min_size=1, max_size=300).map(np.array)


@given(LENGTHS)
def test_a_training_has_the_updates_it_needs(lengths) -> None:
    pace = FitConfig().completed(lengths).pace
    count = batches(lengths, pace.batch_tokens)
    assert pace.epochs >= EPOCHS
    wanted = UPDATES[0] if len(lengths) <= 250 else UPDATES[0] + 2.4 * (len(lengths) - 250)
    assert abs(pace.epochs * count - wanted) <= count / 2 + 1e-6 or pace.epochs == EPOCHS
    assert pace.patience == CHECKS  # the rate falls to the end, and what it is for comes there


@given(LENGTHS, st.sampled_from(["lr", "epochs", "patience", "batch_tokens"]), st.integers(1, 99))
def test_what_is_given_stays(lengths, name, value) -> None:
    assert getattr(FitConfig(**{name: value}).completed(lengths).pace, name) == value


def test_epochs_follow_from_the_batches_that_are_asked_for() -> None:
    lengths = np.full(300, 300)
    small, large = (FitConfig(batch_tokens=size).completed(lengths).pace for size in (2048, 8192))
    assert (small.lr, large.lr) == (RATE, LOW_RATE)
    updates = [pace.epochs * batches(lengths, pace.batch_tokens) for pace in (small, large)]
    assert updates == pytest.approx([UPDATES[0] + 2.4 * 50] * 2, rel=0.05)
    assert large.epochs > 3 * small.epochs


def test_large_sets_have_large_batches() -> None:
    few, many = (FitConfig().completed(np.full(n, 400)).pace for n in (100, 5000))
    assert few.batch_tokens < many.batch_tokens
    assert few.lr > many.lr
    assert few.epochs > many.epochs == EPOCHS


@pytest.mark.parametrize(("residues", "batch", "rate"), [(-1, 2048, 1e-3), (0, 8192, 5e-4)])
def test_a_large_set_begins_at_its_bound(residues: int, batch: int, rate: float) -> None:
    pace = pace_for(np.array([LARGE_SET + residues]))
    assert (pace.batch_tokens, pace.lr) == (batch, rate)


@pytest.mark.parametrize(("size", "rate"), [(8191, 1e-3), (8192, 5e-4)])
def test_the_rate_follows_the_batches_that_are_given(size: int, rate: float) -> None:
    assert pace_for(np.full(9, 50), size).lr == rate


def test_what_is_open_is_no_pace() -> None:
    with pytest.raises(InputError, match="epochs, patience, batch_tokens"):
        FitConfig(lr=1e-3).pace  # noqa: B018


def test_what_was_chosen_is_recorded(taught, tmp_path) -> None:
    config = FitConfig(epochs=1)
    run = fit(taught.task(), taught.embeddings, taught.tokens, SHAPE, config, tmp_path / "run")
    lengths = np.array([len(p) for p in taught.proteins[:36]])
    complete = config.completed(lengths, structure=True)
    assert run.config["fit"] == vars(complete)
    assert in_words(complete.pace, lengths) == (
        "1 updates: 1 epochs of 1 batches of at most 2,048 residues, at a learning rate of 0.0005"
    )


def test_structure_is_taught_more_gently_and_not_as_long() -> None:
    lengths = np.full(1728, 450)
    plain, structured = (FitConfig().completed(lengths, structure=s).pace for s in (False, True))
    assert (plain.lr, plain.epochs) == (1e-3, EPOCHS)
    assert (structured.lr, structured.epochs) == (5e-4, EPOCHS_WITH_STRUCTURE)
    assert structured.batch_tokens == plain.batch_tokens
    # Few proteins take their updates all the same.
    few = FitConfig().completed(np.full(100, 450), structure=True).pace
    assert few.epochs > EPOCHS
    assert FitConfig(lr=1e-2, epochs=3).completed(lengths, structure=True).pace.lr == 1e-2


def test_each_adapter_of_a_stream_has_the_pace_of_its_kind(taught, tmp_path) -> None:
    shapes = {"both": SHAPE, "none": replace(SHAPE, alphabets=())}
    members = [Member(shape, FitConfig(), tmp_path / name) for name, shape in shapes.items()]
    lengths = np.array([len(p) for p in taught.proteins[:36]])
    paces = [member.completed(lengths).config.pace for member in members]
    assert SHAPE.alphabets
    assert [pace.lr for pace in paces] == [5e-4, 1e-3]
