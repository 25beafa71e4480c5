"""Studies by command: one table, one record, and errors that say what to do."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from sesstore_cli.study import say

from sesstore.training.runs import Caution

SHORT = ["--epochs", "1", "--seeds", "1", "--width", "8", "--heads", "2"]


@pytest.mark.parametrize(
    "name", ["ablation", "size", "quality", "ensemble", "scaling", "convergence", "cost"]
)
def test_every_study_has_help_with_an_example(cli, name: str) -> None:
    said = cli("study", name, "--help")
    assert said.status == 0
    assert f"sesstore study {name} " in said.out
    assert {"--resume", "--json", "--seeds"} <= set(said.out.split())


def test_an_ablation_by_command(cli, trained: Path) -> None:
    said = cli("study", "ablation", "deeploc_binary", *SHORT, "--out", "s")
    assert said.status == 0, said.err
    assert "test accuracy" in said.out
    assert "foldseek+dssp, alphafold2 against none: accuracy" in said.out
    again = cli("study", "ablation", "deeploc_binary", *SHORT, "--out", "s", "--resume", "--json")
    record = json.loads(Path("s/study.json").read_text())
    assert again.json == {key: value for key, value in record.items() if key != "format"}
    assert next(row["structure"] for row in again.json["rows"]) == "none"


def test_a_study_goes_on_with_its_own_settings_only(cli, trained: Path) -> None:
    words = ["study", "scaling", "deeploc_binary", "--widths", "8", "--epochs", "1", "--heads", "2"]
    assert cli(*words, "--seeds", "1", "--out", "s").status == 0
    assert "--out s --resume`" in cli(*words, "--seeds", "1", "--out", "s").err
    other = cli(*words, "--seeds", "2", "--out", "s", "--resume")
    assert other.status == 2
    assert "seeds (1 then, 2 now)" in other.err
    assert "Name its folder with --out" in cli(*words, "--resume").err


def test_what_a_study_lacks_is_said(cli, trained: Path) -> None:
    said = cli("study", "ensemble", "deeploc_binary", *SHORT)
    assert said.status == 2
    assert "--trajectory" in said.err
    said = cli("study", "quality", "deeploc_binary", *SHORT, "--noise", "a")
    assert (said.status, "no list of values" in said.err) == (2, True)
    said = cli("study", "nothing", "deeploc_binary")
    assert said.status == 2


def test_every_figure_of_a_study_is_in_its_place(shown) -> None:
    caution = Caution("small", "3 proteins in test", "add more")
    table = ["arm", "score", "bytes"], [["none", 0.25, 1234.5], ["both", 0.5, None]]
    report = SimpleNamespace(
        task="t", method="", settings={"seeds": 5}, findings=["structure helps"],
        cautions=[asdict(caution)], missing=["no conformers"], seconds=150.0, run="studies/a",
        table=lambda: table, to_json=dict,
    )  # fmt: skip
    assert shown(say, report) == [
        "t: 5 seeds",
        "arm score bytes",
        "none 0.2500 1234.500",
        "both 0.5000 -",
        "structure helps",
        f"caution: {caution.line}",
        "not answered: no conformers",
        "2 min; table, figure and page: studies/a",
    ]
    report.method = "a probe"
    assert shown(say, report)[0] == "t"
