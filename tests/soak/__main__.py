"""Run the torture and print one JSON line at its end.

::

    python -m tests.soak                     # the long mode: 400 faults, 1,000 corruptions
    python -m tests.soak --faults 20 --corruptions 50
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .badinputs import try_all
from .corruptions import corrupt
from .faults import torture


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=400)
    parser.add_argument("--corruptions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", help="where the stores are made; in memory by default")
    parser.add_argument("--evidence", default="soak-evidence", help="where stores that fail go")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    folder = Path(tempfile.mkdtemp(prefix="sesstore-soak-", dir=given.folder or _scratch()))
    try:
        _say(f"seed {given.seed}; {given.faults} faults")
        evidence = Path(given.evidence) / str(given.seed)
        outcome = torture(folder, given.faults, rng, evidence)
        for problem in outcome.problems:
            _say(problem)
        kinds = "".join(f"\n  {n:4} {kind}" for kind, n in sorted(outcome.by_kind.items()))
        _say(f"{outcome.stores} stores:{kinds}\n{given.corruptions} corruptions")
        found, missed = corrupt(folder, given.corruptions, rng)
        _say("bad inputs")
        count, unclear = try_all(folder)
    finally:
        shutil.rmtree(folder)
    for line in [*missed, *unclear]:
        _say(line)
    result = {
        "faults": outcome.faults,
        "kinds": len(outcome.by_kind),
        "stores_lost": outcome.stores_lost,
        "proteins_lost": outcome.proteins_lost,
        "proteins_duplicated": outcome.proteins_duplicated,
        "tracebacks": outcome.tracebacks,
        "corruptions": given.corruptions,
        "corruptions_found": found,
        "bad_inputs": count,
        "bad_inputs_clear": count - len(unclear),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    lost = outcome.stores_lost + outcome.proteins_lost + outcome.proteins_duplicated
    return int(bool(lost or outcome.problems or missed or unclear))


def _scratch() -> str | None:
    """A file system in memory where there is one: kills need no disk, and fsync waits for one."""
    shared = Path("/dev/shm")
    return str(shared) if os.access(shared, os.W_OK) else None


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
