from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sesstore.errors import InputError, MissingFileError
from sesstore.provenance import Fingerprint
from sesstore.store.atomic_files import replace_file
from sesstore.training.runs import RECORD, Run

FINGERPRINT = Fingerprint("enc", "ab" * 32, 6, "esm1b", "whole", "fp32")


def made(path: Path) -> Run:
    return Run(
        path=path,
        task={"name": "toy", "problem": "regression"},
        config={"fit": {"lr": 0.1}, "adapter": {"dim": 6}},
        fingerprint=FINGERPRINT,
        source="alphafold2",
        coverage={"train": {"proteins": 3}},
        metrics={"test": {"spearman": 0.5, "rmse": float("nan")}},
        history=[{"epoch": n, "best": n in (1, 2)} for n in (1, 2, 3)],
        timings={"total": 1.5},
        scale={"mean": 1.0, "std": 2.0},
    )


def test_comes_back_as_saved(tmp_path) -> None:
    run = made(tmp_path)
    run.save()
    again = Run.load(tmp_path)
    assert again.fingerprint == run.fingerprint
    assert again.config == run.config
    assert again.metrics["test"]["spearman"] == 0.5
    assert again.best_epoch == 2
    assert list(tmp_path.iterdir()) == [tmp_path / RECORD]


def test_a_record_of_another_format_is_not_read(tmp_path) -> None:
    made(tmp_path).save()
    record = tmp_path / RECORD
    record.write_text(record.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(InputError, match="is of format 2, this version reads 1"):
        Run.load(tmp_path)


def test_missing_and_broken_records(tmp_path) -> None:
    with pytest.raises(MissingFileError, match="sesstore train"):
        Run.load(tmp_path / "nowhere")
    for text in ("{", "[]", '{"format": 1}', '{"format": 99}'):
        (tmp_path / RECORD).write_text(text)
        with pytest.raises(InputError):
            Run.load(tmp_path)


def test_writing_is_all_or_nothing(tmp_path) -> None:
    target = tmp_path / "file"
    replace_file(target, b"one")
    with pytest.raises(TypeError):
        replace_file(target, "not bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [target]


def test_reading_records_needs_no_torch() -> None:
    code = "import sys, sesstore.training.runs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
