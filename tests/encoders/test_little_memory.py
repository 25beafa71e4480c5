"""Little memory, by the system's own limit: batches get smaller, and the run goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sesstore.encoders import base, batching, esm
from sesstore.encoders.batching import MemoryGate
from sesstore.encoders.catalogue import Options

SCRIPT = """
import json, resource, sys
from pathlib import Path
import numpy as np, psutil, torch
from sesstore.encoders import esm
from sesstore.encoders.catalogue import Options
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.proteins import Protein

torch.set_num_threads(2)
path, lengths, room = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
encoder = esm.load(write_random_esm2(path, layers=1, dim=320), Options(path, "cpu"))
rng = np.random.default_rng(0)
letters = list("ACDEFGHIKL")
proteins = [Protein(str(i), "".join(rng.choice(letters, n))) for i, n in enumerate(lengths)]
memory = psutil.Process().memory_info
before = {e.digest: e.values for e in encoder.encode(proteins)}
if room:
    limit = memory().vms + room
    encoder._fitting = lambda: 30_000  # as if there were much more memory than there is
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = {e.digest: e.values for e in encoder.encode(proteins)}
same = all(np.allclose(values, before[d], atol=1e-4) for d, values in found.items())
print(json.dumps([len(found), same, encoder.budget, len(encoder.failures)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
def test_batches_are_halved_when_memory_runs_out(tmp_path: Path) -> None:
    lengths = json.dumps([900] * 24 + [30] * 6)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "w.pt"), lengths, str(250 << 20)],
        capture_output=True,
        text=True,
        check=True,
    )
    found, same, budget, failures = json.loads(done.stdout)
    assert (found, same, failures) == (30, True, 0)
    assert budget < 30_000


def test_the_budget_fits_the_memory_that_is_free(small_esm2, monkeypatch) -> None:
    encoder = esm.load(small_esm2.spec, Options(small_esm2.path, "cpu"))
    threads, own = torch.get_num_threads(), 16 * 48 * 4
    for free, budget in ((10**12, 1024), (2 * 100 * own * threads, 100), (0, 1)):
        monkeypatch.setattr(base, "free_memory", lambda device, free=free: free)
        assert encoder._fitting() == budget


def test_the_words_of_full_memory() -> None:
    for text in (
        "DefaultCPUAllocator: can't allocate memory: you",
        "could not create a primitive",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "Caught an error in cudaHostAlloc",
        "failed to pin memory of 128 bytes",
    ):
        assert base.out_of_memory(RuntimeError(text))
    assert base.out_of_memory(MemoryError())
    assert base.out_of_memory(torch.AcceleratorError("CUDA error: out of memory"))
    assert not base.out_of_memory(torch.AcceleratorError("CUDA error: an illegal memory access"))
    assert not base.out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"))
    assert not base.out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_alone_means_that_nobody_else_is_inside() -> None:
    gate, seen = MemoryGate(), SimpleNamespace(inside=0, most=0, alone=[])

    def many() -> None:
        for _ in range(20):
            with gate.shared():
                seen.inside += 1
                seen.most = max(seen.most, seen.inside)
                time.sleep(0.0005)
                seen.inside -= 1

    threads = [threading.Thread(target=many) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        with gate.exclusive(), gate.shared():  # who is alone may enter again
            seen.alone.append(seen.inside)
    for thread in threads:
        thread.join()
    assert set(seen.alone) == {0}
    assert seen.most > 1


def test_without_pinned_memory_values_come_through_pageable_memory(monkeypatch) -> None:
    empty = torch.empty

    def refused(*shape, pin_memory=False, **options):
        if pin_memory:
            raise torch.AcceleratorError("CUDA error: out of memory")
        return empty(*shape, **options)

    monkeypatch.setattr(torch, "empty", refused)
    host = batching._host_memory(torch.Size((3, 2)), torch.float16)
    assert (host.shape, host.dtype) == ((3, 2), torch.float16)
