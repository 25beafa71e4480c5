"""The benchmark of memory at a size that takes no time."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sesstore.encoders import registry
from sesstore.jobs.embedding.missing_proteins import plan_embedding
from sesstore.store import Store

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.memory")


def test_a_training_case_says_what_it_held(benchmark, tmp_path: Path, capsys) -> None:
    benchmark.CASES["fill"](3, tmp_path)
    benchmark.CASES["train"](3, tmp_path)
    assert 10 < float(capsys.readouterr().out) < 100_000
    assert (tmp_path / "run" / "run.json").is_file()


def test_a_plan_keeps_digests_and_lengths_of_proteins(benchmark, tmp_path: Path, capsys) -> None:
    benchmark.CASES["write"](50, tmp_path)
    benchmark.CASES["plan"](50, tmp_path)
    assert 10 < float(capsys.readouterr().out) < 100_000
    store = Store.open(tmp_path / "store")
    todo = plan_embedding(store, registry.load("onehot")).todo
    assert (len(todo), todo.digests.nbytes, todo.lengths.nbytes) == (50, 50 * 32, 50 * 4)


def test_a_case_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.memory", "--case", "long", "40", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert 10 < float(json.loads(done.stdout)) < 100_000


def test_ratios_have_speaking_names(benchmark) -> None:
    held = {"embed": (1, 2), "plan": (200, 202), "long": (1, 3), "train": (500, 600)}
    table = [
        {"case": case, "anonymous_mb": mb, "size": size}
        for case, both in held.items()
        for mb, size in zip(both, (10_000, 50_000), strict=True)
    ]
    assert benchmark.ratios(table) == {
        "embed_memory_large_vs_small": 2.0,
        "plan_memory_large_vs_small": 1.01,
        "plan_bytes_a_protein": 50.0,
        "long_memory_large_vs_small": 3.0,
        "train_memory_large_vs_small": 1.2,
        "train_anonymous_gb": 0.6,
    }
