"""Findings of every problem, made up but of the real kinds, and a browser."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sesstore.provenance import Fingerprint
from sesstore.reports.comparison import write_comparison
from sesstore.reports.material import Material, ResidueTrack, RowFacts
from sesstore.reports.row_errors import row_errors
from sesstore.reports.run import write_report
from sesstore.tasks import Problem
from sesstore.training.intervals import Predicted, intervals
from sesstore.training.metrics import METRICS, compute
from sesstore.training.perclass import class_scores, confusion
from sesstore.training.runs import Run

from ..devtools import QUIET, installed_chromium

COUNT = 40


MONITORS = {
    Problem.SINGLE_LABEL: "accuracy",
    Problem.MULTI_LABEL: "f1max",
    Problem.REGRESSION: "spearman",
    Problem.RESIDUE_SINGLE_LABEL: "f1",
    Problem.RESIDUE_REGRESSION: "mae",
}


def predicted(problem: Problem, seed: int) -> Predicted:
    """Of 40 proteins, of ten residues each where residues have labels."""
    truth, chance = np.random.default_rng(0), np.random.default_rng(seed)
    rows = np.repeat(np.arange(COUNT), 10 if problem.per_residue else 1)
    if problem.is_regression:
        labels = truth.normal(50, 8, len(rows))
        scores = labels + chance.normal(0, 5, len(rows))
    elif problem is Problem.MULTI_LABEL:
        labels = (truth.random((COUNT, 6)) > 0.7).astype(int)
        scores = (0.6 * labels + 0.4 * chance.random(labels.shape)).clip(0, 1)
    else:
        labels = truth.integers(0, 3, len(rows))
        scores = chance.dirichlet((1, 1, 1), len(rows)) * 0.6 + 0.4 * np.eye(3)[labels]
    return Predicted(torch.from_numpy(scores), torch.from_numpy(labels), torch.from_numpy(rows))


def a_run(problem: Problem, seed: int, alphabets: tuple[str, ...]) -> Run:
    classes = ["Tm (degrees C)"] if problem.is_regression else ["membrane", "soluble", "<other>"]
    classes = [f"EC {k}" for k in range(6)] if problem is Problem.MULTI_LABEL else classes
    monitor = MONITORS[problem]
    coverage = {
        split: {"proteins": n, "with_tokens": n - 1, "residues": n * 10,
                "unmasked": dict.fromkeys(alphabets, n * 9)}
        for split, n in (("train", 90), ("valid", COUNT), ("test", COUNT))
    }  # fmt: skip
    history = [
        {"epoch": e, "loss": 1 / e, "valid": {monitor: 0.5 + e / 10}, "best": e != 3}
        for e in (1, 2, 3)
    ]
    return Run(
        path=Path(f"runs/toy/seed-{seed}"),
        task={"name": "toy", "problem": str(problem), "classes": classes, "monitor": monitor,
              "metrics": [monitor], "data_digest": "ab" * 32, "citation": "Someone 2020"},
        config={
            "adapter": {"dim": 16, "n_outputs": 3, "alphabets": list(alphabets), "heads": 4,
                        "pooling": "residue" if problem.per_residue else "attention1d",
                        "width": None, "dropout": 0.1, "modality_dropout": 0.0},
            "fit": {"lr": 5e-4, "weight_decay": 0.01, "epochs": 3, "patience": 5, "seed": seed,
                    "batch_tokens": 8192, "min_plddt": 0, "schedule": "cosine", "warmup": 0.1},
        },
        fingerprint=Fingerprint("enc", "cd" * 32, 6, "esm1b", "whole", "fp32"),
        source="alphafold2" if alphabets else None,
        coverage=coverage,
        metrics={"valid": {monitor: 0.7}, "test": {monitor: 0.7}},
        history=history,
        timings={"total": 3.0, "seconds_per_epoch": 1.0, "wait_share": 0.1},
        circumstances={"date": "2026-01-01", "command": "sesstore train toy --seeds 2",
                       "versions": {"sesstore": "0.1", "python": "3.12"}},
    )  # fmt: skip


@pytest.fixture(scope="session")
def findings() -> Callable[..., Material]:
    """Make findings of a problem."""

    def make(
        problem: Problem = Problem.SINGLE_LABEL,
        name: str = "both",
        seeds: int = 2,
        alphabets: tuple[str, ...] = ("foldseek", "dssp"),
    ) -> Material:
        said = tuple(predicted(problem, seed + 1) for seed in range(seeds))
        runs = tuple(a_run(problem, seed, alphabets) for seed in range(seeds))
        names = METRICS[problem]
        each = [compute(names, problem, one.scores, one.labels) for one in said]
        values = {metric: tuple(v[metric] for v in each) for metric in names}
        # Of valid other numbers than of test, so that one cannot stand for the other unnoticed.
        easier = {metric: tuple(0.9 * v - 0.01 for v in vs) for metric, vs in values.items()}
        single = not problem.is_regression and problem is not Problem.MULTI_LABEL
        rng = np.random.default_rng(0)
        letters = {"foldseek": "DVPLAQ#", "dssp": "HEGTSL#"}
        track = ResidueTrack(
            "P<1>", "largest loss", "ACDEFGHIKL" * 7 + "MNP",
            {n: "".join(rng.choice(list(letters[n]), 73)) for n in alphabets},
            rng.dirichlet(np.ones(73)), "membrane", "<other> (p 0.61)",
        )  # fmt: skip
        rows = RowFacts(
            tuple(f"P{i}" for i in range(COUNT)), rng.integers(30, 900, COUNT),
            rng.uniform(30, 99, COUNT), row_errors(problem, said, COUNT),
        )  # fmt: skip
        return Material(
            name=name, runs=runs, split="test", predicted=said,
            values={"valid": easier, "test": values},
            intervals=intervals(names, problem, said, draws=200),
            classes=tuple(class_scores(runs[0].task["classes"], problem, said)),
            confusion=confusion(3, said) if single else None,
            rows=rows, tracks=(track,),
            track_title="probability of the true class" if problem.per_residue else "attention",
            citations=("Someone 2020", "Tan et al. 2024"), notes=("A note.",),
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def report_of(
    findings: Callable[..., Material], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Problem], list[Path]]:
    """Write the report of a problem, once for all tests."""
    return cache(lambda problem: write_report(findings(problem), tmp_path_factory.mktemp("report")))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures of a report out, which take most of its time: its page has all charts."""
    monkeypatch.setattr("sesstore.reports.run.save_figure", lambda *_: ())


@pytest.fixture(scope="session")
def compared(
    findings: Callable[..., Material], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """A comparison of two trainings whose folders have one name."""
    both, none = findings(name="run"), findings(name="run", seeds=1, alphabets=())
    return write_comparison([both, none], tmp_path_factory.mktemp("compared"))


class _Addresses(HTMLParser):
    """Everything a page would fetch by itself, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._rows: list[list[str]] = []
        self._in: list[str] = []

    def handle_endtag(self, tag: str) -> None:
        if tag in self._in:
            while self._in.pop() != tag:
                pass
        if tag == "table":
            self.tables.append(self._rows)
            self._rows = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br", "input"):
            self._in.append(tag)
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th") and self._rows:
            self._rows[-1].append("")
        for name, value in attrs:
            asked = name in ("src", "srcset", "data", "poster", "action", "background")
            if value and (asked or (tag == "link" and name == "href")):
                self.fetched.append(value)
            if name == "style" and value:
                self.fetched += re.findall(r"url\(([^)]*)\)", value)

    def handle_data(self, data: str) -> None:
        if self._rows and self._rows[-1] and self._in and self._in[-1] in ("td", "th", "code"):
            self._rows[-1][-1] += data
        if self._in and self._in[-1] == "style":
            self.fetched += re.findall(r"url\(([^)]*)\)|@import\s+([^;]*)", data)
        elif not self._in or self._in[-1] != "script":
            self.text.append(data)


@pytest.fixture(scope="session")
def parsed() -> Callable[[str], tuple[list[str], str]]:
    """What a page fetches from elsewhere, and its text."""

    def parse(html: str) -> tuple[list[str], str]:
        reader = _Addresses()
        reader.feed(html)
        outside = [address for address in reader.fetched if not str(address).startswith("data:")]
        return outside, " ".join(reader.text)

    return parse


@pytest.fixture(scope="session")
def tables() -> Callable[[Path], list[list[dict[str, str]]]]:
    """The tables of a page, each a list with a dict a row."""

    def parse(page: Path) -> list[list[dict[str, str]]]:
        reader = _Addresses()
        reader.feed(page.read_text())
        return [
            [dict(zip(heads, row, strict=True)) for row in rows]
            for heads, *rows in reader.tables
            if rows
        ]

    return parse


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of data of a chart and of its layers."""
    found = list(spec.get("data", {}).get("values", []))
    return found + [row for layer in spec.get("layer", []) for row in rows_of(layer)]


@pytest.fixture(scope="session")
def charts() -> Callable[[Path], list[dict[str, Any]]]:
    """The charts of a page as Vega-Lite takes them, each with its rows of data under ``rows``."""

    def parse(page: Path) -> list[dict[str, Any]]:
        found = re.search(r'id="charts">(.*?)</script>', page.read_text(), re.S)
        assert found is not None
        made: list[dict[str, Any]] = json.loads(found[1])["charts"]
        for chart in made:
            chart["rows"] = rows_of(chart)
        return made

    return parse


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[str, str]]:
    """Open a page in headless Chromium: its document when all is drawn, and the console.

    Further words are flags of Chromium's, such as those that draw in 3D without a GPU.
    """
    program = installed_chromium()

    def opened(page: Path, *flags: str) -> tuple[str, str]:
        profile = tmp_path_factory.mktemp("profile")
        words = [
            program, *QUIET, f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0",
            "--virtual-time-budget=10000", *flags, "--dump-dom", page.resolve().as_uri(),
        ]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=True)
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return done.stdout, "\n".join(console)

    return opened


NASTY = '<script>alert("x")</script> & co'


@pytest.fixture
def chart():
    alt = pytest.importorskip("altair")
    values = [{"name": NASTY, "score": 0.5}, {"name": "b", "score": 0.7}]
    return alt.Chart(alt.Data(values=values)).mark_bar().encode(x="score:Q", y="name:N")
