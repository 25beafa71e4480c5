"""Pulls and pushes that are killed: sound after each, and the last one completes them."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

from sesstore.store import Store
from sesstore.store.diff import compare_stores
from sesstore.store.integrity import verify

CHILD = """
import sys
from pathlib import Path
from sesstore.sharing.pull import pull
from sesstore.sharing.push import push
from sesstore.store import Store
print("ready", flush=True)
what, one, other = sys.argv[1:]
pull(Path(one), other) if what == "pull" else push(Store.open(one), other)
"""


def killed(what: str, one: Path, other: str, seconds: float) -> bool:
    """Run one, kill it after a while; whether it was still running."""
    command = [sys.executable, "-c", CHILD, what, str(one), other]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return True
    finally:
        child.wait()
        child.stdout.close()
    assert child.returncode == 0
    return False


def test_pulls_that_are_killed(shared, tmp_path):
    mine, rng = tmp_path / "mine", random.Random(0)
    kills = 0
    for _ in range(12):
        if killed("pull", mine, str(shared.path), rng.uniform(0.01, 0.3)):
            kills += 1
            assert not (mine / "zarr.json").exists() or verify(mine).ok
        else:
            shutil.rmtree(mine)
    assert kills >= 2
    assert not killed("pull", mine, str(shared.path), 120)
    assert verify(mine).ok
    assert compare_stores(shared, Store.open(mine)).same


def test_pushes_that_are_killed(shared, tmp_path, bucket):
    rng, kills = random.Random(1), 0
    for _ in range(6):
        kills += killed("push", shared.path, bucket, rng.uniform(0.05, 0.5))
    assert kills >= 1
    assert not killed("push", shared.path, bucket, 120)
    assert not killed("pull", tmp_path / "mine", bucket, 120)
    assert compare_stores(shared, Store.open(tmp_path / "mine")).same
