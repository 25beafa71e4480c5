"""The data of a training: order, blocks, residency."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import InputError, StoppedError
from sesstore.streaming.composition import StoredCompositions
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig
from sesstore.training.linearterm import fit_term
from sesstore.training.ranks import ALONE
from sesstore.training.stream import Stream, choose_residency, free_by_residency

from .conftest import stopping_after
from .test_fit import QUICK, SHAPE, same


@pytest.mark.parametrize("then", ["ram", "auto", "disk"])
def test_the_order_of_an_interrupted_epoch_stays(taught, tmp_path, monkeypatch, then) -> None:
    """It began where memory was short, by blocks, and goes on where there is enough."""
    from sesstore.training import stream

    def short(device: torch.device) -> dict[str, int]:
        return {"ram": 10}

    config = replace(QUICK, residency="auto" if then == "auto" else "disk", epochs=2)
    args = (taught.task(), taught.embeddings, taught.tokens, SHAPE, config)
    with monkeypatch.context() as patch:
        patch.setattr(stream, "free_by_residency", short)
        whole = fit(*args, tmp_path / "whole")
        with pytest.raises(StoppedError):
            fit(*args, tmp_path / "cut", stop=stopping_after(2))
    if then == "ram":  # as a machine with more memory holds it, whatever was asked for
        monkeypatch.setattr(stream, "choose_residency", lambda *_: "ram")
    resumed = fit(*args, tmp_path / "cut", resume=True)
    assert same(whole, resumed)
    plain = fit(*args, tmp_path / "plain")
    assert not same(whole, plain)


def test_data_beyond_memory_are_shuffled_by_blocks(taught, out, monkeypatch) -> None:
    from sesstore.training import stream as module

    monkeypatch.setattr(module, "free_by_residency", lambda device: {"ram": 10})
    stream = module.Stream(
        taught.task(), taught.embeddings, taught.tokens, FitConfig(), (), torch.device("cpu")
    )
    assert (stream.residency, stream.blockwise) == ("disk", True)
    for share, blockwise in ((1.5, True), (3.0, False)):  # half of the memory is for them
        free = {"ram": int(share * stream.bytes)}
        monkeypatch.setattr(module, "free_by_residency", lambda device, free=free: free)
        other = module.Stream(
            taught.task(), taught.embeddings, None, FitConfig(residency="disk"), (),
            torch.device("cpu"),
        )  # fmt: skip
        assert other.blockwise is blockwise
    monkeypatch.setattr(module, "free_by_residency", lambda device: {"ram": 10})
    segments, starts, _ = taught.embeddings.locate(stream.data["train"].rows)
    by_place = np.argsort(stream.data["train"].places)
    pairs = list(zip(segments[by_place].tolist(), starts[by_place].tolist(), strict=True))
    assert pairs == sorted(pairs)
    run = fit(
        taught.task(), taught.embeddings, taught.tokens, AdapterConfig(16, 3, heads=2),
        FitConfig(epochs=2), out,
    )  # fmt: skip
    assert len(run.history) == 2


def test_train_rows_learn_from_fits_that_have_not_seen_them(taught) -> None:
    task, letters = taught.task(), StoredCompositions(taught.store)
    stream = Stream(task, taught.embeddings, taught.tokens, FitConfig(), (), torch.device("cpu"))
    stream.add_term(letters, ALONE)
    term, held_out = fit_term(task, stream.data["train"], letters)
    torch.testing.assert_close(stream.data["train"].offset, held_out)
    assert not torch.allclose(held_out, term(stream.data["train"], letters), atol=1e-3)
    for name in ("valid", "test"):
        data = stream.data[name]
        torch.testing.assert_close(data.offset, term(data, letters))


GIGA = 10**9


@pytest.mark.parametrize(
    ("needed", "free", "chosen"),
    [
        (GIGA, {"ram": 8 * GIGA, "device": 8 * GIGA}, "device"),
        (GIGA, {"ram": 8 * GIGA, "device": GIGA}, "ram"),
        (GIGA, {"ram": 8 * GIGA}, "ram"),
        (6 * GIGA, {"ram": 8 * GIGA}, "disk"),
        (4 * GIGA, {"ram": 8 * GIGA}, "ram"),  # half of it, and no more
        (4 * GIGA + 1, {"ram": 8 * GIGA}, "disk"),
        (4 * GIGA, {"ram": 2 * GIGA, "device": 8 * GIGA}, "device"),
    ],
)
def test_auto_takes_the_nearest_place_that_fits(needed, free, chosen) -> None:
    assert choose_residency("auto", needed, free) == chosen


def test_what_is_asked_for_is_taken_if_it_fits() -> None:
    assert choose_residency("disk", 1, {"ram": GIGA}) == "disk"
    assert choose_residency("ram", 8 * GIGA, {"ram": 8 * GIGA}) == "ram"  # all of it
    with pytest.raises(InputError, match="--residency disk"):
        choose_residency("ram", 2 * GIGA, {"ram": GIGA})
    with pytest.raises(InputError, match="--residency disk"):
        choose_residency("device", 1, {"ram": GIGA})
    with pytest.raises(InputError, match="none of"):
        choose_residency("tape", 1, {"ram": GIGA})


def test_memory_is_measured() -> None:
    assert 0 < free_by_residency(torch.device("cpu"))["ram"] < 2**50


def test_an_epoch_begun_in_memory_goes_on_in_its_order(taught, tmp_path, monkeypatch) -> None:
    """Where memory has become short meanwhile, and another training would go by blocks."""
    from sesstore.training import stream

    config = replace(QUICK, residency="auto", epochs=1)
    args = (taught.task(), taught.embeddings, taught.tokens, SHAPE, config)
    whole = fit(*args, tmp_path / "whole")
    with pytest.raises(StoppedError):
        fit(*args, tmp_path / "cut", stop=stopping_after(2))
    monkeypatch.setattr(stream, "free_by_residency", lambda device: {"ram": 10})
    assert same(whole, fit(*args, tmp_path / "cut", resume=True))
