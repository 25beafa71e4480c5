"""The torture of ``make soak``, in short: twenty faults, some corruptions, all bad inputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_is_lost_whatever_happens(tmp_path):
    command = [sys.executable, "-m", "tests.soak", "--faults", "20", "--corruptions", "40"]
    command += ["--seed", "199", "--evidence", str(tmp_path / "evidence")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["faults"] == 20
    assert found["tracebacks"] == 0
    assert found["stores_lost"] == found["proteins_lost"] == found["proteins_duplicated"] == 0
    assert found["corruptions_found"] == found["corruptions"] == 40
    assert found["bad_inputs_clear"] == found["bad_inputs"] >= 200
