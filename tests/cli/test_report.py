"""Reports by commands: of a run, at the end of training, and of several runs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


def test_train_reports_and_report_compares(cli, trained: Path, monkeypatch) -> None:
    monkeypatch.setenv("SESSTORE_REPORT", "1")
    said = cli(
        "train", "deeploc_binary", "--structure", "none", "--epochs", "2", "--heads", "2",
        "--seeds", "2", "--head", "paper", "--out", "two", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    assert said.json["report"] == "two/report.html"
    text = Path("two/report.html").read_text()
    assert "smallest loss" in text
    assert "structure none, 2 seeds" in text
    compared = cli("report", trained, "two", "--out", "both", "--json").json
    assert compared["report"] == "both/comparison.html"
    assert all(Path(figure).is_file() for figure in compared["figures"])


def test_a_chosen_protein_and_a_store_that_is_gone(cli, trained: Path) -> None:
    linear = cli("report", trained, "--protein", "p2_3", "--json").json
    assert not any("residues" in figure for figure in linear["figures"])
    assert "the run predicts by its linear model alone" in linear["notes"][0]
    cli("train", "deeploc_binary", "--structure", "none", "--epochs", "1", "--head", "paper",
        "--out", "paper")  # fmt: skip
    said = cli("report", "paper", "--protein", "p2_3", "--json").json
    assert "paper/figures/residues-p2_3.png" in map(_short, said["figures"])
    assert said["notes"] == []
    wrong = cli("report", trained, "--protein", "p9_9")
    assert wrong.status == 2
    assert "p2_" in wrong.err
    without = cli("report", trained, "--store", "nowhere", "--out", "alone", "--json").json
    assert "no store was given" in without["notes"][0]
    assert cli("report", trained, "--store", "nowhere", "--protein", "p2_3").status == 2


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-3:])


def test_no_run_no_report(cli, tmp_path: Path) -> None:
    said = cli("report", "nothing")
    assert said.status == 2
    assert "sesstore train" in said.err
    assert not list(tmp_path.iterdir())
