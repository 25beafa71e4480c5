"""A signal is noted, and what it ends says how to go on."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from sesstore.errors import StoppedError, StorageFullError
from sesstore.jobs.signals import saying_how_to_resume, stop_requests
from sesstore.training.runs import STATE


@pytest.fixture(autouse=True)
def _default() -> object:
    """Of a job in the background a shell has Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupts(number: signal.Signals) -> bool:
    """Send this process a signal; whether that interrupts it, and not the whole suite."""
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_first_signal_is_noted_and_a_second_ctrl_c_interrupts(name: str) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    with stop_requests() as stop:
        assert (bool(stop), stop.signal) == (False, None)
        assert not interrupts(signal.Signals[name])
        assert (bool(stop), stop.signal) == (True, name)
        assert not interrupts(signal.SIGTERM)  # sent twice by a batch system: it is under way
        assert stop.signal == "SIGTERM"
        assert interrupts(signal.SIGINT)
    assert [signal.getsignal(number) for number in numbers] == before


def test_outside_the_main_thread_nothing_is_caught() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with stop_requests() as stop:
            seen.append((bool(stop), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]


def test_what_ends_a_training_says_how_to_go_on(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["sesstore", "train", "t", "--seeds", "2"])
    whole = f"Go on with it: `sesstore train t --seeds 2 --out {tmp_path} --resume`"
    with pytest.raises(StoppedError) as stopped, saying_how_to_resume(tmp_path):
        raise StoppedError("stopped in epoch 2")
    assert str(stopped.value) == f"stopped in epoch 2. {whole}"
    with pytest.raises(StorageFullError) as full, saying_how_to_resume(tmp_path):
        raise StorageFullError("nothing was saved")
    assert str(full.value) == "nothing was saved"
    (tmp_path / "fold-1").mkdir()
    (tmp_path / "fold-1" / STATE).touch()
    with pytest.raises(StorageFullError) as full, saying_how_to_resume(tmp_path):
        raise StorageFullError("no space")
    assert "what was trained before is saved there" in str(full.value)
    assert str(full.value).endswith(whole)
