"""Two processes that train together, over gloo on this machine, against one."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from torch import multiprocessing as mp

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.errors import InputError
from sesstore.store import Store
from sesstore.streaming.plan import plan_epoch
from sesstore.tasks import Problem, Task
from sesstore.training.fit import Member, fit_many
from sesstore.training.fit_config import FitConfig
from sesstore.training.ranks import ALONE, HOST_AND_GPU, Ranks, rank_device, ranks
from sesstore.training.runs import Run

CONFIG = FitConfig(epochs=3, patience=9, batch_tokens=150, lr=3e-3)


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(1, 600),
)
def test_every_row_is_one_ranks(lengths: list[int], world: int, budget: int) -> None:
    sizes = np.array(lengths)
    plan = plan_epoch(sizes, budget, seed=1, epoch=1)
    shares = [Ranks(rank, world).share(plan, sizes) for rank in range(world)]
    for number, batch in enumerate(plan.batches):
        parts = [share[number] for share in shares]
        np.testing.assert_array_equal(np.concatenate(parts), batch)
        most = max(int(sizes[part].sum()) for part in parts)
        assert most <= sizes[batch].sum() / world + sizes[batch].max()


def test_alone_nothing_is_asked_of_anybody() -> None:
    value = torch.arange(3.0)
    assert ALONE.sum([value])[0] is value
    assert (ALONE.total(2.0), ALONE.same("a"), ALONE.merged({1: 2})) == (2.0, "a", {1: 2})


def _train(
    rank: int, world: int, port: int, store: Path, task: Task, shape: AdapterConfig, out: Path
) -> None:
    import os

    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )  # fmt: skip
    from accelerate import PartialState

    PartialState._reset_state()  # made by a tracker, maybe, before this process was forked
    torch.set_num_threads(1)
    opened = Store.open(store)
    with ranks() as group:
        assert (group.rank, group.world, group.device) == (rank, world, torch.device("cpu"))
        members = [Member(shape, CONFIG, out)]
        tokens = opened.tokens("alphafold2")
        fit_many(task, opened.embeddings(), tokens, members, out, ranks=group)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _meet(rank: int, port: int) -> None:
    """What a training exchanges, in a group of the kind GPUs get; gloo stands in for nccl."""
    from torch import distributed

    backends = HOST_AND_GPU.replace("nccl", "gloo")
    address = f"tcp://127.0.0.1:{port}"
    distributed.init_process_group(backends, init_method=address, rank=rank, world_size=2)
    group = Ranks(rank, 2, torch.device("cuda", rank))
    total = group.total(1e9 + rank * 1e-6)  # float32 would lose what rank 1 adds
    assert total == 2e9 + 1e-6
    assert group.merged({rank: torch.ones(2) * rank})[1].tolist() == [1, 1]
    assert group.same(f"rank {rank}") == "rank 0"
    assert [t.tolist() for t in group.sum([torch.ones(2), torch.tensor(rank)])] == [[2, 2], 1]
    distributed.destroy_process_group()


@pytest.mark.skipif(sys.platform != "linux", reason="gloo over loopback is tried on Linux")
def test_numbers_and_values_of_gpu_ranks_meet_on_the_host() -> None:
    mp.start_processes(_meet, (_free_port(),), nprocs=2, start_method="fork")


@pytest.mark.parametrize(
    ("name", "place", "gpus", "device"),
    [
        (None, 1, 2, "cuda:1"),
        ("cuda", 0, 4, "cuda:0"),
        ("cpu", 1, 2, "cpu"),
        (None, 1, 0, "cpu"),
    ],
)
def test_each_rank_has_a_device_of_its_own(name, place, gpus, device) -> None:
    assert rank_device(name, place, 2, gpus) == torch.device(device)


@pytest.mark.parametrize(
    ("name", "place", "processes", "gpus", "advice"),
    [
        ("cuda:1", 0, 2, 2, "--device cuda"),
        (None, 0, 3, 2, "--nproc-per-node 2"),
        ("cuda", 2, 1, 2, "--nproc-per-node 2"),  # where nobody says how many there are
        ("cuda", 0, 2, 0, "--device cpu"),
    ],
)
def test_ranks_do_not_share_a_gpu(name, place, processes, gpus, advice) -> None:
    with pytest.raises(InputError, match=advice):
        rank_device(name, place, processes, gpus)


@pytest.mark.parametrize(("gpus", "backend"), [(2, HOST_AND_GPU), (0, None)])
def test_the_group_suits_the_device(monkeypatch, gpus, backend) -> None:
    accelerate = pytest.importorskip("accelerate")
    calls: list[object] = []

    class State:
        process_index, num_processes = 1, 2

        def __init__(self, cpu: bool = False, backend: str | None = None) -> None:
            calls.append((cpu, backend))

        def destroy_process_group(self) -> None:
            calls.append("end")

    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(accelerate, "PartialState", State)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", calls.append)
    with ranks() as group:
        device = torch.device("cuda:1" if gpus else "cpu")
        assert group == Ranks(1, 2, device)
    assert calls == [*([device] if gpus else []), (not gpus, backend), "end"]


@pytest.mark.skipif(sys.platform != "linux", reason="gloo over loopback is tried on Linux")
@pytest.mark.parametrize("problem", [Problem.SINGLE_LABEL, Problem.RESIDUE_SINGLE_LABEL])
def test_two_ranks_have_the_curve_of_one(taught, tmp_path: Path, problem: Problem) -> None:
    pytest.importorskip("accelerate")
    task = taught.task(problem)
    shape = AdapterConfig(
        16, 3, heads=2, dropout=0.0, pooling="residue" if problem.per_residue else "attention1d"
    )
    one = fit_many(
        task, taught.embeddings, taught.tokens, [Member(shape, CONFIG, tmp_path / "1")],
        tmp_path / "1",
    )[0]  # fmt: skip
    arguments = (2, _free_port(), taught.store.path, task, shape, tmp_path / "2")
    mp.start_processes(_train, arguments, nprocs=2, start_method="fork")
    two = Run.load(tmp_path / "2")
    for mine, theirs in zip(one.history, two.history, strict=True):
        assert theirs["loss"] == pytest.approx(mine["loss"], rel=1e-5)
        assert theirs["valid"] == pytest.approx(mine["valid"], abs=1e-6)
    weights = load_file(tmp_path / "1" / "best.safetensors")
    for name, values in load_file(tmp_path / "2" / "best.safetensors").items():
        np.testing.assert_allclose(values, weights[name], rtol=2e-3, atol=2e-5)
    assert {p.name for p in (tmp_path / "2").iterdir()} == {
        p.name for p in (tmp_path / "1").iterdir()
    }
