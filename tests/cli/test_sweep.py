"""``sesstore sweep``."""

from __future__ import annotations

import json
from pathlib import Path

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
