"""From a file to a predictor in one command, which goes on from what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sesstore.training import defaults, linear

from .conftest import rows


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of a few updates, and few penalties to choose from; all else is as it is."""
    monkeypatch.setattr(linear, "PENALTIES", (1.0, 0.1))
    monkeypatch.setattr(defaults, "UPDATES", (4, 4))
    monkeypatch.setattr(defaults, "EPOCHS", 2)


def table(path: Path, count: int = 40, *, shift: int = 0) -> Path:
    """Labelled proteins without splits; the class shows in the letters."""
    lines = [
        f"{row['name']},{row['aa_seq']},{('in', 'out')[row['label']]}" for row in rows(count, 7)
    ]
    path.write_text("\n".join(["id,sequence,where", *lines[shift:], *lines[:shift]]) + "\n")
    return path


FIT = ("fit", "mine.csv", "--plm", "blosum62")


def test_one_command_is_several(cli) -> None:
    table(Path("mine.csv"))
    said = cli(*FIT, "--json")
    assert said.status == 0, said.err
    found = said.json
    run = Path(found["run"])
    assert run.parent == Path("runs/mine")
    assert run.name.startswith("fit-blosum62-5folds-")
    assert found["commands"] == [
        "sesstore add mine.csv",
        "sesstore embed mine --plm blosum62",
        f"sesstore train mine --plm blosum62 --folds 5 --out {run}",
    ]
    assert f"`{found['commands'][2]}`" in said.err
    assert found["added"]["proteins"] == 40
    assert found["trained"]["split"] == "out-of-fold"
    assert len(found["trained"]["folds"]["mcc"]) == 5
    assert found["baselines"] == json.loads((run / "baselines.json").read_text())
    assert found["report"] is None  # switched off for tests
    record = (run / "run.json").read_bytes()

    again = cli(*FIT, "--json")
    assert again.status == 0, again.err
    assert "trained before, on the same data" in again.err
    assert "it was here already, the same" in again.err
    assert "embedding" not in again.err
    assert again.json["trained"]["metrics"] == found["trained"]["metrics"]
    assert again.json["trained"]["folds"] == found["trained"]["folds"]
    assert (run / "run.json").read_bytes() == record
    assert cli("predict", run, "ACDEFGHIKL").status == 0


def test_other_data_or_folds_make_another_run(cli) -> None:
    table(Path("mine.csv"))
    words = (*FIT, "--folds", "0", "--sequence", "sequence", "--id", "id", "--label", "where",
             "--split-by", "random", "--seed", "3")  # fmt: skip
    first = cli(*words)
    assert first.status == 0, first.err
    said = "--sequence sequence --id id --label where --split-by random --seed 3"
    assert f"`sesstore add mine.csv {said}`" in first.err
    assert "the best epoch on valid" in first.out
    assert "best simple model" in first.out
    assert "caution: fewer than 20 proteins" in first.out
    assert "predict with it: `sesstore predict runs/mine/fit-blosum62-" in first.out
    table(Path("mine.csv"), 50)
    second = cli(*words)
    assert second.status == 0, second.err
    assert "it replaces one of that name" in second.err
    assert len(list(Path("runs/mine").iterdir())) == 2
    same = cli(*words, "--out", "here")
    assert same.status == 0, same.err
    for option, value, told in (
        ("--plm", "onehot", "was trained on embeddings by BLOSUM62"),
        ("--folds", "5", "was trained without folds"),
    ):
        other = cli(*words, option, value, "--out", "here")
        assert (other.status, told in other.err) == (2, True), other.err
    table(Path("mine.csv"), 44)
    other = cli(*words, "--out", "here")
    assert other.status == 2
    assert "was trained on other data" in other.err


def test_splits_of_the_file_stay(cli) -> None:
    lines = table(Path("mine.csv")).read_text().splitlines()
    splits = ["split", *["train"] * 24, *["valid"] * 8, *["test"] * 8]
    Path("mine.csv").write_text("\n".join(f"{a},{b}" for a, b in zip(lines, splits, strict=True)))
    said = cli(*FIT)
    assert said.status == 0, said.err
    assert "--folds" not in said.err


def test_what_cannot_be_fitted(cli) -> None:
    table(Path("mine.csv"))
    Path("plain.fasta").write_text(">a\nMKV\n>b\nMKL\n")
    for words, told in (
        ("fit plain.fasta", "sequences without labels: there is nothing to learn"),
        ("fit mine.csv --plm esm2_t99", "Did you mean"),
        ("fit mine.csv --plm blosum62 --folds 1", "two folds or more, not 1"),
        ("fit none.csv", "there is no file"),
        ("fit mine.csv --label were", "Did you mean 'where'?"),
    ):
        said = cli(*words.split())
        assert (said.status, told in said.err) == (2, True), said.err
        assert not Path("store").exists(), words
        assert not Path("runs").exists()
    cli("embed", "plain.fasta", "--plm", "blosum62")
    cli("embed", "plain.fasta", "--plm", "onehot")
    assert "which encoder? Name one with --plm" in cli("fit", "mine.csv").err
