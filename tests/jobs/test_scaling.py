"""The scaling benchmark at a small size: it runs, and its figures have the names others rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_runs_small():
    size = ["--proteins", "400", "--segments", "6", "--embed", "0"]
    command = [sys.executable, "-m", "benchmarks.scaling", *size, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["ratios"].keys() == {
        "driver_proteins_per_s",
        "open_6_segments_s",
        "open_6_segments_compacted_s",
    }
    assert [row["workers"] for row in found["table"]["store"]] == [1, 4, 16, 64]
    assert found["table"]["segments"]["segments"] == 6
    assert found["table"]["segments"]["segments_compacted"] == 1
