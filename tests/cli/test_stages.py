"""What a terminal shows of long work, and what a log file gets."""

from __future__ import annotations

import io
import re

from rich.console import Console
from sesstore_cli.output import Output
from sesstore_cli.stages import DrawnStage, drawn


def seen(stage: DrawnStage) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    console.print(stage)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return re.sub(" +", " ", text)


def test_parts_are_rows_and_the_part_in_hand_is_the_last() -> None:
    stage = DrawnStage("training", 100, "residues")
    assert "epoch" not in seen(stage)
    stage.advance(40)
    stage.show(epoch="1/2", loss="0.9")
    assert "1/2 0.9" in seen(stage)
    stage.row(epoch="1/2", loss="0.8", **{"valid mcc": "0.31 best"})
    assert "0.9" not in seen(stage)
    stage.show(epoch="2/2", loss="0.7")
    lines = [line.strip() for line in seen(stage).splitlines()]
    assert "epoch loss valid mcc" in lines
    assert lines.index("1/2 0.8 0.31 best") < lines.index("2/2 0.7")
    assert any("40/100" in line for line in lines)


def test_the_last_state_stays_on_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with drawn(console, "training", 10, "residues") as stage:
        stage.advance(10)
        stage.row(epoch="1/1", loss="0.25")
    assert "0.25" in console.file.getvalue()  # type: ignore[attr-defined]


def test_elsewhere_a_part_is_a_line(capsys) -> None:
    with Output().stage("training", 100, "residues") as stage:
        stage.advance(100)
        stage.show(epoch="1/1", loss="0.8")
        stage.row(epoch="1/1", loss="0.7")
    first, last = capsys.readouterr().err.splitlines()
    assert first == "epoch 1/1  loss 0.7"
    assert last.startswith("training: 100 residues in ")
    with Output(quiet=True).stage("training", 100, "residues") as stage:
        stage.row(epoch="1/1")
    assert capsys.readouterr().err == ""
