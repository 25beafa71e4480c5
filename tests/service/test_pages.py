"""Pages say what holds of the run and of a job."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sesstore.service.job_queue import Job, State
from sesstore.service.pages import sentence, start_page
from sesstore.service.prediction_service import PredictionService
from sesstore.service.submission import Submission

from .test_result_view import tables


def test_the_run_and_what_it_reached(
    service: PredictionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, runs = service.loaded.run, service.loaded.runs
    about, metrics = tables(start_page(service, "http://lab:8000", "n"))
    assert about[1:] == [
        ["encoder", f"BLOSUM62 ({run.fingerprint.short})"],
        ["trained", run.circumstances["date"][:10]],
        ["structures it learned from", "alphafold2"],
        ["classes", "2: out, in"],
        ["known proteins to compare with", "90"],
    ]
    assert metrics[0][1] == "test"
    means = [np.mean([seed.metrics["test"][name] for seed in runs]) for name in run.metrics["test"]]
    assert [row[1] for row in metrics[1:]] == [f"{mean:.4f}" for mean in means]
    assert runs[0].metrics["test"] != runs[1].metrics["test"]
    for count, more in ((12, ""), (13, ", ...")):
        names = [f"c{i}" for i in range(count)]
        monkeypatch.setitem(run.task, "classes", names)
        about, _ = tables(start_page(service, "http://lab:8000", "n"))
        assert ["classes", f"{count}: {', '.join(names[:12])}{more}"] in about
    for seed in runs:
        monkeypatch.delitem(seed.metrics, "test")
    _, metrics = tables(start_page(service, "http://lab:8000", "n"))
    assert metrics[0][1] == "valid"


def test_programs_are_shown_this_server(service: PredictionService) -> None:
    html = start_page(service, "http://lab:8000", "n")
    for line in ("http://lab:8000/jobs?name=new.fasta", "curl -X DELETE http://lab:8000/jobs/ID"):
        assert line in html


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ({"state": State.RUNNING}, "Predicting …"),
        ({"state": State.RUNNING, "stage": "reading", "done": 0, "total": 1}, "Reading …"),
        ({"state": State.RUNNING, "stage": "reading", "done": 1, "total": 2}, "Reading: 1 of 2."),
        (
            {"state": State.RUNNING, "stage": "embedding", "done": 1234, "total": 5678},
            "Embedding: 1,234 of 5,678.",
        ),
        ({"state": State.FAILED, "error": "line 3 is wrong"}, "line 3 is wrong"),
        ({"state": State.CANCELLED}, "Cancelled."),
        ({"state": State.DONE}, "Done."),
        ({"state": State.QUEUED}, "Beginning."),
    ],
)
def test_how_far_a_job_is(service: PredictionService, job: dict, text: str) -> None:
    there = replace(Job(Submission("x"), "me"), **job)
    assert sentence(service, there) == text
    if there.state is State.RUNNING:
        there.cancel.set()
        assert sentence(service, there) == "Stopping after the proteins under way."
