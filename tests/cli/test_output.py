"""Terminals as they are: without Unicode, narrow, piped, or no longer there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from sesstore_cli.output import Output, duration, number
from sesstore_cli.wording import as_shown

ASCII = {"PYTHONIOENCODING": "ascii"}
POSIX = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
ODD = "café_±_蛋白"


def run(*words: object, **settings: str) -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-m", "sesstore_cli.main", *map(str, words)]
    plain = {k: v for k, v in os.environ.items() if k not in ("PYTHONIOENCODING", "COLUMNS")}
    return subprocess.run(program, capture_output=True, check=False, env={**plain, **settings})


@pytest.mark.parametrize(
    ("words", "settings"),
    [(["plms"], ASCII), (["info"], POSIX), (["train", "--help"], ASCII)],
)
def test_plain_characters_where_there_are_no_others(
    cli, trained: Path, words: list[str], settings: dict[str, str]
) -> None:
    done = run(*words, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"\\u" not in done.stdout
    assert b"Traceback" not in done.stderr


def test_training_by_seeds_says_its_deviation_in_ascii(cli, trained: Path) -> None:
    words = (
        "train deeploc_binary --epochs 1 --heads 2 --seeds 2 --out two --structure none "
        "--no-report --no-baselines"
    )
    done = run(*words.split(), **ASCII)
    assert done.returncode == 0, done.stderr
    assert b" +/- " in done.stdout
    lines = [line for line in done.stdout.decode("ascii").splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1  # columns stand under each other


def test_names_survive_an_ascii_terminal(cli, trained: Path) -> None:
    Path("odd.fasta").write_text(f">{ODD}\nACDEFGHIKL\n", encoding="utf-8")
    table = run("predict", trained, "odd.fasta", **ASCII)
    assert table.returncode == 0, table.stderr
    assert table.stdout.decode("utf-8").splitlines()[1].startswith(f"{ODD},")
    listed = run("predict", trained, "odd.fasta", "--json", **ASCII)
    assert listed.stdout.isascii()
    assert json.loads(listed.stdout)["rows"][0]["id"] == ODD
    wrong = run("evaluate", ODD, "--json", **ASCII)
    assert wrong.returncode == 2
    assert ODD in json.loads(wrong.stdout)["error"]


def test_a_name_that_is_no_text_is_shown_by_its_codes(cli, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.csv")
    done = run("add", name)
    assert done.returncode == 2
    assert b"\\udcff\\udcfe.csv" in done.stderr


def test_wide_values_are_whole_when_piped(cli, trained: Path) -> None:
    cited = run("info", COLUMNS="40").stdout.decode()
    assert "Henikoff & Henikoff 1992, doi:10.1073/pnas.89.22.10915" in cited
    assert "…" not in cited


def test_a_narrow_terminal_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.out = Console(width=30, force_terminal=True, color_system=None)
    output.table(["name", "value"], [["a" * 40, "b" * 40]])
    shown = capsys.readouterr().out
    assert (shown.count("a"), shown.count("b")) == (42, 40)  # with the heads'


def test_not_a_number_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(["metric", "value"], [["x", float("nan")], ["y", None]])
    assert "nan" not in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", [{}, {"LANG": "C.UTF-8"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_full_output_is_one_error(words: dict[str, str]) -> None:
    """Whatever is left in the buffer, which depends on the encoding, is not tried again at exit."""
    program = f"{sys.executable} -m sesstore_cli.main plms > /dev/full"
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        program,
        shell=True,
        capture_output=True,
        check=False,
        text=True,
        env={**environment, **words},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_gone_is_no_error() -> None:
    program = f"{sys.executable} -m sesstore_cli.main plms | true"
    done = subprocess.run(program, shell=True, capture_output=True, check=False, text=True)
    assert done.stderr == ""


def test_what_looks_alike() -> None:
    assert as_shown("0.5 ± 0.1 → 2 Å, R²…", "ascii") == "0.5 +/- 0.1 -> 2 A, R2..."
    assert as_shown("├─┤", "ascii") == "+-+"
    assert as_shown("é±", "latin-1") == "é±"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (99.94, "99.9 s"),
        (100, "2 min"),
        (5999, "100 min"),
        (6000, "1.7 h"),
        (90000, "25.0 h"),
    ],
)
def test_times_as_people_read_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0.12345, "0.123"),
        (float("nan"), "-"),
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        ("a", "a"),
    ],
)
def test_a_cell_of_a_table(value: object, text: str, shown) -> None:
    lines = shown(lambda output: output.table(["what", "of"], [["x", value]], title="Of it"))
    assert lines == ["Of it", "what of", f"x {text}"]


def test_of_several_processes_one_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    for mute in (True, False):
        output = Output(as_json=True, mute=mute)
        output.note("a note")
        output.line("a line")
        output.result({"key": 1})
        captured = capsys.readouterr()
        assert captured.out == ("" if mute else '{"key": 1}\n')
        assert captured.err == ("" if mute else "a note\n")


def test_scores_have_four_digits_and_their_deviation() -> None:
    assert (number(0.98765), number(0.98765, 0.01234)) == ("0.9877", "0.9877 ± 0.0123")
    assert number(float("nan"), 0.1) == "-"


def test_a_stage_ends_with_what_was_done_and_how_long_it_took(monkeypatch, shown) -> None:
    clock = iter((100.0, 112.34))
    monkeypatch.setattr("sesstore_cli.output.time.perf_counter", lambda: next(clock))

    def work(output: Output) -> None:
        with output.stage("reading", 4000, "rows") as stage:
            stage.advance(1200)
            stage.advance()
            stage.show(loss="0.5")

    assert shown(work) == ["reading: 1,201 rows in 12.3 s loss 0.5"]
