"""Places that cannot be written, and disks that are full: one line, and what was there stays.

Permission bits do not bind root; as root, commands run without the capability that is above them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import one_process

LIMIT = "-dac_override,-dac_read_search,-fowner"


def bound() -> list[str]:
    """What to put before a command so that permission bits bind it."""
    if os.geteuid() != 0:
        return []
    words = ["setpriv", f"--bounding-set={LIMIT}"]
    if shutil.which("setpriv") is None:
        pytest.skip("root is bound by no permission bits, and setpriv is not installed")
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root is bound by no permission bits, and may not give up its capabilities")
    return words


def content(*folders: str) -> dict[str, bytes]:
    found = [p for f in folders for p in sorted(Path(f).rglob("*")) if p.is_file()]
    return {str(p): p.read_bytes() for p in found if "lock" not in p.name}


@pytest.fixture
def locked(cli: Callable[..., object], trained: Path) -> Iterator[Path]:
    """A store and a run that may be read only, beside a folder that takes nothing."""
    Path("closed").mkdir()
    Path("new.fasta").write_text(">new\nMKVLAAGIVGL\n")
    every = [Path("closed"), *Path("store").rglob("*"), *Path("run").rglob("*")]
    every += [Path("store"), Path("run")]
    for path in every:
        path.chmod(path.stat().st_mode & ~0o222)
    yield trained
    for path in every:
        path.chmod(path.stat().st_mode | 0o200)


SHORT = "--epochs 1 --heads 2"
WRITING = [
    "add new.fasta", "add new.fasta --store closed/store", "embed --plm onehot",
    "embed new.fasta --plm onehot --store closed/store",
    "import npy none --sequences new.fasta --encoder x --store closed/store",
    f"train deeploc_binary {SHORT} --out closed/run",
    f"train deeploc_binary {SHORT} --out new.fasta/run",
    f"train deeploc_binary {SHORT} --plm onehot --out mine",
    f"sweep deeploc_binary {SHORT} --seeds 1 --out closed/sweep",
    f"study ablation deeploc_binary {SHORT} --seeds 1 --out closed/study",
    "predict run deeploc_binary --out closed/table.csv",
    "predict run deeploc_binary --out closed/table.parquet",
    "report run", "report run --out closed/report", "report run run --out closed/both",
    "export npy closed/out", "export uniprot closed/out.h5",
    "export ses-adapter closed/out --task deeploc_binary", "card",
    "push closed/pushed", "pull store --store closed/store", "merge store --store closed/store",
    "compact", "doctor deeploc_binary --fix closed/fixed", "demo --out closed/demo",
]  # fmt: skip


def test_what_cannot_be_written_is_one_error(locked: Path) -> None:
    before = bound()
    there = content("store", "run", "closed")
    for words, (said, _) in zip(WRITING, one_process(WRITING, before), strict=True):
        assert said.status in (1, 2), words
        assert said.err.splitlines()[-1].startswith("error: "), (words, said.err)
        assert said.err.count("error: ") == 1, words
        assert "epoch" not in said.err, f"{words}: found out after training"
    assert content("store", "run", "closed") == there
    assert not list(Path("closed").iterdir())


def test_a_store_that_may_be_read_only_is_read(locked: Path) -> None:
    before = bound()
    reading = ["predict run new.fasta", "ls", "info", "evaluate run", "verify", "gc", "status"]
    for words, (said, _) in zip(reading, one_process(reading, before), strict=True):
        assert said.status == 0, (words, said.err)
        if words.startswith("predict"):
            assert "what is computed is not kept" in said.err
            assert said.out.splitlines()[1].startswith("new,11,")
