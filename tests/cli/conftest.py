"""The command line in this process, on a small labelled data set."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sesstore_cli.main import main
from sesstore_cli.output import Output

from sesstore.store import Store

ENCODER = ("--encoder", "mine", "--layer", "0", "--dtype", "float16")


@dataclass(frozen=True)
class Said:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """Run a command in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SESSTORE_STORE", raising=False)

    def run(*words: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """What is said of a report: lines of both streams, blanks made one."""

    def show(say: Callable[..., None], *report: object) -> list[str]:
        capsys.readouterr()
        say(*report, Output())
        captured = capsys.readouterr()
        lines = [*captured.out.splitlines(), *captured.err.splitlines()]
        return [" ".join(line.split()) for line in lines if line.strip(" \u2500-")]

    return show


_SESSION = """
import contextlib, io, json, sys
from sesstore_cli.main import main

HEAVY = {"torch", "transformers", "scipy.signal", "mdtraj"}
for line in sys.stdin:
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(line.split())
        except SystemExit as end:
            status = int(end.code or 0)
    heavy = sorted(HEAVY & set(sys.modules))
    print(json.dumps([status, out.getvalue(), err.getvalue(), heavy]))
"""


def one_process(
    commands: Sequence[str], before: Sequence[str] = ()
) -> list[tuple[Said, list[str]]]:
    """Run commands one after another in a process of their own.

    Parameters
    ----------
    commands : sequence of str
        Without ``sesstore``.
    before : sequence of str
        What to start the process by.

    Returns
    -------
    list of (Said, list of str)
        What each did, and which heavy modules were imported by then.
    """
    program = [*before, sys.executable, "-c", _SESSION]
    lines = "".join(f"{words}\n" for words in commands)
    done = subprocess.run(program, input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [(Said(status, out, err), heavy) for status, out, err, heavy in found]


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Proteins whose class shows in their letters and their DSSP."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        length, label = int(rng.integers(8, 30)), i % 2
        letters = "ACDEFGHIKL" if label else "KLMNPQRSTV"
        made.append(
            {
                "name": f"p{seed}_{i}",
                "aa_seq": "".join(rng.choice(list(letters), length)),
                "foldseek_seq": "".join(rng.choice(list("DVPLA"), length)),
                "ss8_seq": ("H" if label else "E") * length,
                "label": label,
            }
        )
    return made


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    """Write records, a line each."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with train, valid and test files for ``deeploc_binary``."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (split, count) in enumerate({"train": 24, "valid": 8, "test": 8}.items()):
        write_jsonl(folder / f"{split}.jsonl", rows(count, seed))
    return folder


@pytest.fixture(scope="session")
def template(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a store and a run, to be copied."""
    folder = tmp_path_factory.mktemp("template")
    at = ("--store", str(folder / "store"), "--quiet")
    for words in (
        ("add", "deeploc_binary", "--data", str(data), "--source", "alphafold2"),
        ("embed", "--plm", "blosum62"),
        (
            "train",
            "deeploc_binary",
            "--lr",
            "0.01",
            "--epochs",
            "5",
            "--heads",
            "2",
            "--out",
            str(folder / "run"),
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words, *at])
        assert not ended.value.code
    return folder


@pytest.fixture
def trained(cli: Callable[..., Said], template: Path, tmp_path: Path) -> Path:
    """A run in ``run`` of the test's folder, beside its store in ``store``."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


@pytest.fixture
def fasta(trained: Path) -> Path:
    path = trained.parent / "all.fasta"
    store = Store.open(trained.parent / "store")
    path.write_text("".join(f">{p.id}\n{p.sequence}\n" for p in store.proteins()))
    return path


def uniprot_files(count: int = 3) -> list[str]:
    """A FASTA file with UniProt's headers, and HDF5 files by accession and by a script's keys."""
    lengths = range(5, 5 + count)
    sequences = ["ACDEFGHIKLMNPQRSTVWY"[:length] for length in lengths]
    accessions = [f"P1000{i}" for i in range(count)]
    Path("all.fasta").write_text(
        "".join(
            f">sp|{name}|PR{i}_HUMAN Protein number {i} OS=Homo sapiens\n{sequences[i]}\n"
            for i, name in enumerate(accessions)
        )
    )
    with h5py.File("accessions.h5", "w") as plain, h5py.File("script.h5", "w") as script:
        for i, name in enumerate(accessions):
            plain[name] = np.full((len(sequences[i]), 4), i, np.float16)
            script[f"sp|{name}|PR{i}_HUMAN Protein number {i} OS=Homo sapiens"] = plain[name][...]
    return sequences


@pytest.fixture
def store(trained: Path) -> Path:
    return trained.parent / "store"


ADAPTER = {
    "--structure": ("dssp", "alphabets", ["dssp"]),
    "--pooling": ("mean", "pooling", "mean"),
    "--heads": ("2", "heads", 2),
    "--width": ("8", "width", 8),
    "--dropout": ("0.25", "dropout", 0.25),
    "--modality-dropout": ("0.3", "modality_dropout", 0.3),
}


FIT = {
    "--lr": ("0.003", "lr", 0.003),
    "--weight-decay": ("0.07", "weight_decay", 0.07),
    "--epochs": ("2", "epochs", 2),
    "--patience": ("4", "patience", 4),
    "--batch-tokens": ("333", "batch_tokens", 333),
    "--min-plddt": ("61", "min_plddt", 61),
    "--schedule": ("constant", "schedule", "constant"),
    "--warmup": ("0.2", "warmup", 0.2),
    "--clip": ("1.5", "clip", 1.5),
    "--focal": ("2.0", "focal", 2.0),
    "--residency": ("disk", "residency", "disk"),
    "--seed": ("7", "seed", 7),
    "--device": ("cpu", "device", "cpu"),
}


def words(names: Iterable[str]) -> list[str]:
    return [word for name in names for word in (name, ({**ADAPTER, **FIT})[name][0])]


def check(config: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        part = "adapter" if name in ADAPTER else "fit"
        _, key, value = ({**ADAPTER, **FIT})[name]
        assert config[part][key] == value, name


LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def proteins(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(LETTERS, int(rng.integers(20, 40)))) for _ in range(count)]
