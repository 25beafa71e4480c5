"""The scale benchmark at a small size: it runs, and its figures have the names others rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_runs_small():
    command = [sys.executable, "-m", "benchmarks.store_scale", "--proteins", "2000", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found.keys() == {"machine", "table", "ratios"}
    assert found["ratios"].keys() == {
        "open_2k_s",
        "verify_quick_2k_s",
        "lookup_10k_ms",
        "gather_vs_memcpy",
    }
    assert found["table"]["open_s"] < 1
