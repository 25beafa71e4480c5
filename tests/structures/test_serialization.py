"""The benchmark of tokenising at a small size: it runs, and its figures have their names."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("mkdssp") is None, reason="mkdssp is not installed")
def test_the_benchmark_runs_small() -> None:
    command = [sys.executable, "-m", "benchmarks.serialization", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found.keys() == {"machine", "table", "ratios"}
    assert found["ratios"].keys() == {
        "tokens_vs_mkdssp_biopython",
        "dssp_agreement_with_mkdssp",
        "tokens_two_processes_vs_one",
        "two_apart_vs_one",
    }
    assert found["ratios"]["dssp_agreement_with_mkdssp"] >= 0.985


def test_without_mkdssp_it_says_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.serialization", "--quick"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={"PATH": str(tmp_path)}
    )
    assert done.returncode == 1
    assert "apt install dssp" in done.stderr
