"""What is chosen for a GPU, seen without one: the settings are torch's own and need no device."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
import torch

from sesstore.encoders.devices import WORKSPACE, choose_device
from sesstore.training.arithmetic import _SETTINGS, mixed_precision, reproducible

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Notes:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def settings() -> list[object]:
    return [
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        *(getattr(where, name) for where, name, _ in _SETTINGS),
        torch.backends.cuda.matmul.fp32_precision,
    ]


@pytest.fixture
def workspace(monkeypatch):
    """No workspace is named by the environment, and none is afterwards."""
    monkeypatch.setenv(WORKSPACE, "")
    monkeypatch.delenv(WORKSPACE)
    return monkeypatch


def test_a_gpu_is_strict_while_it_trains_and_as_before_afterwards(workspace) -> None:
    before = settings()
    with suppress(KeyError), reproducible(GPU):
        assert settings() == [True, False, *(value for *_, value in _SETTINGS), "ieee"]
        raise KeyError("an error in training")
    assert settings() == before
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with reproducible(GPU):
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_cpu_needs_nothing(workspace) -> None:
    before = settings()
    with reproducible(CPU):
        assert settings() == before
    assert WORKSPACE not in os.environ


@pytest.mark.parametrize(
    ("named", "used", "then", "notes"),
    [
        (None, False, ":4096:8", 0),
        (None, True, ":4096:8", 1),
        (":16:8", True, ":16:8", 0),
        (":4096:2", True, ":4096:8", 1),
    ],
)
def test_a_workspace_that_came_too_late_is_said(workspace, named, used, then, notes) -> None:
    if named:
        workspace.setenv(WORKSPACE, named)
    workspace.setattr(torch.cuda, "is_initialized", lambda: used)
    progress = Notes()
    with reproducible(GPU, progress):
        assert os.environ[WORKSPACE] == then
    assert len(progress.lines) == notes
    assert all(f"{WORKSPACE}=:4096:8" in line for line in progress.lines)


def test_choosing_a_gpu_sets_the_workspace_before_cuda_is_used(workspace) -> None:
    workspace.setattr(torch.cuda, "is_available", lambda: True)
    workspace.setattr(torch.cuda, "is_initialized", lambda: True)
    assert choose_device(None) == GPU
    assert WORKSPACE not in os.environ  # too late
    workspace.setattr(torch.cuda, "is_initialized", lambda: False)
    choose_device(None)
    assert os.environ[WORKSPACE] == ":4096:8"
    workspace.setenv(WORKSPACE, ":16:8")
    choose_device(None)
    assert os.environ[WORKSPACE] == ":16:8"


@pytest.mark.parametrize("capability", [(7, 5), (9, 0)])
def test_bfloat16_is_for_gpus_that_have_it(monkeypatch, capability) -> None:
    monkeypatch.setattr("sesstore.training.arithmetic.at_least_ampere", lambda _: capability[0] > 7)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    with mixed_precision(GPU):
        assert torch.is_autocast_enabled("cuda") == (capability == (9, 0))
    with mixed_precision(CPU):
        assert not torch.is_autocast_enabled("cpu")
