"""``sesstore sweep``."""

from __future__ import annotations

import json
from pathlib import Path

from sesstore_cli.sweep import say_report

from sesstore.jobs.training.sweep import SweepReport

from .conftest import check, words

SWEPT = {"--clip", "--focal", "--lr", "--weight-decay", "--schedule", "--dropout", "--width"}
SWEPT |= {"--structure", "--pooling", "--heads", "--modality-dropout"}
SHARED = {"--epochs", "--patience", "--batch-tokens", "--residency", "--seed", "--device"}
OF_STUDIES = {"--lr", "--epochs", "--patience", "--batch-tokens", "--seed", "--device"}
OF_STUDIES |= {"--heads", "--width"}


def test_a_sweep_is_one_stream_one_table_one_record(cli, trained: Path) -> None:
    words = "sweep deeploc_binary --heads 2,4 --structure none,both --epochs 2 --seeds 2 --out s"
    said = cli(*words.split(), "--json")
    assert said.status == 0, said.err
    report = said.json
    assert report == json.loads(Path("s/sweep.json").read_text())
    assert (report["adapters"], len(report["settings"])) == (8, 4)
    valid = [entry["metrics"]["valid"]["accuracy"] for entry in report["settings"]]
    assert valid == sorted(valid, reverse=True)
    assert all(Path(run, "run.json").is_file() for e in report["settings"] for run in e["runs"])
    assert "holds a sweep already" in cli(*words.split()).err


def test_every_option_of_sweep_and_study_reaches_the_runs(cli, trained: Path) -> None:
    given = sorted(SWEPT | SHARED)
    swept = cli(
        "sweep", "deeploc_binary", *words(given), "--balanced", "--seeds", "1", "--out", "s"
    )
    assert swept.status == 0, swept.err
    (record,) = Path("s").glob("*/seed-7/run.json")
    config = json.loads(record.read_text())["config"]
    check(config, given)
    assert config["fit"]["class_weights"] == "balanced"
    studied = cli(
        "study", "scaling", "deeploc_binary", *words(sorted(OF_STUDIES - {"--width"})),
        "--widths", "8", "--seeds", "1", "--out", "t",
    )  # fmt: skip
    assert studied.status == 0, studied.err
    records = [json.loads(record.read_text())["config"] for record in Path("t").rglob("run.json")]
    for config in records:
        check(config, OF_STUDIES - {"--width"})
    assert {config["adapter"]["width"] for config in records} == {None, 8}


def test_every_figure_of_a_sweep_is_in_its_place(shown) -> None:
    def setting(lr: float, best: float) -> dict[str, object]:
        return {
            "setting": {"lr": lr}, "runs": ["a", "b"], "interval": [best, best + 0.1],
            "metrics": {"valid": {"mcc": best}, "test": {"mcc": best / 2}}, "epochs": 7,
            "std": {"valid": {"mcc": 0.01}, "test": {"mcc": 0.02}},
        }  # fmt: skip

    report = SweepReport(
        "runs/x", "t", "mcc", ["lr"], [setting(0.001, 0.5), setting(0.01, 0.25)], 150.0, 4
    )
    assert shown(say_report, report) == [
        "t: mcc, mean ± deviation over 2 seeds",
        "lr valid test 95 % interval (test) epochs",
        "0.001 0.5000 ± 0.0100 0.2500 ± 0.0200 0.5000 to 0.6000 7",
        "0.01 0.2500 ± 0.0100 0.1250 ± 0.0200 0.2500 to 0.3500 7",
        "4 adapters, 2 min an epoch; record: runs/x/sweep.json",
    ]
    for entry in report.settings:
        del entry["metrics"]["test"]
        entry["std"] = {}
    lines = shown(say_report, report)
    assert lines[1] == "lr valid 95 % interval (valid) epochs"
    assert lines[2] == "0.001 0.5000 0.5000 to 0.6000 7"
