"""A really full disk while training and reporting: one line, and what was written goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sesstore.errors import StorageFullError
from sesstore.jobs.training.train import prepare, train
from sesstore.store import Store
from sesstore.training import trainer
from sesstore.training.fit_config import FitConfig
from sesstore.training.runs import Run

from ..conftest import fill_up

WORDS = ("train", "deeploc_binary", "--epochs", "2", "--heads", "2", "--out")
ADAPTER = {"alphabets": (), "heads": 2}
CONFIG = FitConfig(epochs=3, patience=3, lr=0.01)


class FullAfter:
    """Progress during which the disk fills at the end of an epoch."""

    def __init__(self, folder: Path, epoch: int) -> None:
        self.folder, self.epoch = folder, epoch

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[FullAfter]:
        yield self

    def note(self, text: str) -> None:
        pass

    def advance(self, amount: int = 1) -> None:
        pass

    def show(self, **figures: str) -> None:
        pass

    def row(self, **figures: str) -> None:
        if figures["epoch"].startswith(f"{self.epoch}/"):
            fill_up(self.folder)


def test_training_goes_on_where_the_disk_was_full(
    trained: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)  # seconds
    inputs = prepare(Store.open(trained.parent / "store"), "deeploc_binary", plm="blosum62")
    whole = Run.load(train(inputs, ADAPTER, CONFIG, out=trained.parent / "whole").run)
    out = small_disk / "run"
    with pytest.raises(StorageFullError, match=r"saved there.*resume=True"):
        train(inputs, ADAPTER, CONFIG, out=out, progress=FullAfter(small_disk, 2))
    assert [path.name for path in out.iterdir()] == ["unfinished.safetensors"]
    (small_disk / "more").unlink()
    again = Run.load(train(inputs, ADAPTER, CONFIG, out=out, resume=True).run)
    assert again.metrics == whole.metrics
    assert [e["loss"] for e in again.history] == [e["loss"] for e in whole.history]


def test_a_disk_that_fills_while_runs_are_written_can_be_gone_on_with(
    trained: Path, small_disk: Path
) -> None:
    inputs = prepare(Store.open(trained.parent / "store"), "deeploc_binary", plm="blosum62")
    out = small_disk / "run"
    blocked = out / "seed-1" / "best.safetensors"
    blocked.mkdir(parents=True)  # where the second seed's weights belong
    with pytest.raises(OSError, match=r"seed-1"):
        train(inputs, ADAPTER, CONFIG, seeds=2, out=out)
    assert (out / "seed-0" / "run.json").is_file()
    blocked.rmdir()
    report = train(inputs, ADAPTER, CONFIG, seeds=2, out=out, resume=True)
    assert len(report.runs) == 2
    assert not (out / "unfinished.safetensors").exists()


def test_a_full_disk_is_one_line(cli, trained: Path, small_disk: Path) -> None:
    fill_up(small_disk)
    (small_disk / "ballast").unlink()
    fill_up(small_disk)
    for words in (
        (*WORDS, small_disk / "run", "--no-report"),
        ("sweep", *WORDS[1:], small_disk / "sweep", "--seeds", "1"),
        ("study", "ablation", *WORDS[1:], small_disk / "study", "--seeds", "1"),
        ("report", trained, "--out", small_disk / "report"),
        ("predict", trained, "deeploc_binary", "--out", small_disk / "table.csv"),
        ("predict", trained, "deeploc_binary", "--out", small_disk / "table.parquet"),
        ("export", "uniprot", small_disk / "out.h5"),
        ("export", "npy", small_disk / "out"),
    ):
        said = cli(*words, "--quiet")
        assert said.status == 1, (words, said.err)
        assert "no space left" in said.err.lower(), (words, said.err)
        assert said.err.count("\n") == 1, (words, said.err)
    assert not [path for path in small_disk.rglob("*") if path.is_file() and path.stat().st_size
                and path.name not in ("ballast", "more")]  # fmt: skip


def test_a_run_is_whole_where_its_report_found_no_space(
    cli, trained: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    monkeypatch.setenv("SESSTORE_REPORT", "1")
    out = Path("mine")
    out.mkdir()
    fill_up(small_disk)
    (out / "figures").symlink_to(small_disk)
    said = cli(*WORDS, out, "--structure", "none")
    assert said.status == 1, said.err
    error = said.err.splitlines()[-1]
    assert "the run is whole" in error
    assert "`sesstore report mine`" in error
    assert json.loads((out / "run.json").read_text())["metrics"]["test"]
    assert not (out / "unfinished.safetensors").exists()
