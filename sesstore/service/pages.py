"""The pages of a service: where to send proteins, how far a job is, and what came of it.

Everything that was sent or stored is escaped (see `reports.page`); a page asks nothing of any other
server, and works by keyboard alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from ..datasets.fasta import SUFFIXES as FASTA_SUFFIXES
from ..reports.charts import NAMES as METRIC_NAMES
from ..reports.page import Page
from ..reports.residues import NAMES as TOKEN_NAMES
from ..structures.chains import SUFFIXES as STRUCTURE_SUFFIXES
from ..tasks import Problem
from ..training.cautions import common_cautions
from ..training.metrics import explain
from .job_queue import Job, State
from .prediction_service import PredictionService
from .result_view import add_result

_PLACEHOLDER = "&gt;first&#10;MKVLAAGIVGLCAKAYLERA&#10;&gt;second&#10;..."

_PROBLEMS = {
    Problem.SINGLE_LABEL: "One class a protein",
    Problem.MULTI_LABEL: "Any number of classes a protein",
    Problem.REGRESSION: "A value a protein",
    Problem.RESIDUE_SINGLE_LABEL: "A class a residue",
    Problem.RESIDUE_REGRESSION: "A value a residue",
}


def start_page(service: PredictionService, address: str, nonce: str) -> str:
    """Page to send proteins from.

    Parameters
    ----------
    service : PredictionService
    address : str
        Of the server, for examples.
    nonce : str
        For the policy that lets the page's own script and style in, and no other.
    """
    run = service.loaded.run
    page = Page(f"Predict {run.task['name']}", _subtitle(service))
    page.section("Your proteins")
    for caution in common_cautions(service.loaded.runs):
        page.caution(caution.paragraph)
    page.html(_form(service))
    page.section("About this run")
    _about(page, service)
    page.section(
        "From a program",
        "The same as JSON. POST a sequence, FASTA or a structure file; the answer says where the "
        "job and its result are. GET them; DELETE gives a job up, or its result.",
    )
    page.code(
        f"curl --data-binary @new.fasta '{address}/jobs?name=new.fasta'\n"
        f"curl {address}/jobs/ID\n"
        f"curl {address}/jobs/ID/result.json\n"
        f"curl -X DELETE {address}/jobs/ID"
    )
    return _rendered(page, nonce)


def job_page(service: PredictionService, job: Job, nonce: str) -> str:
    """Page of a job: what came of it, or how far it is.

    Parameters
    ----------
    service, nonce
        As of `start_page`.
    job : Job
    """
    page = Page(job.submission.name, _subtitle(service))
    if job.result is not None:
        add_result(page, service.problem, job.id, job.result, nonce)
    elif job.state in (State.QUEUED, State.RUNNING):
        page.section("Predicting")
        page.html(
            f'<div id="waiting" data-job="/jobs/{job.id}">'
            f'<p id="state" role="status">{escape(sentence(service, job))}</p>'
            f'<progress id="progress" aria-labelledby="state"></progress></div>'
            f'<p class="act"><button type="button" id="drop" class="quiet" '
            f'data-job="/jobs/{job.id}">Cancel</button></p>'
            "<noscript><p>Load this page again to see how far it is.</p></noscript>"
        )
    else:
        page.section("No prediction")
        page.html(f'<p role="alert">{escape(sentence(service, job))}</p>')
        page.html('<p class="act"><a class="button" href="/">Predict something else</a></p>')
    return _rendered(page, nonce)


def lost_page(service: PredictionService, nonce: str) -> str:
    """Page of a job that is not there."""
    page = Page("No such job", _subtitle(service))
    page.section(
        "",
        f"There is no such job, or no more: results stay for "
        f"{service.limits.result_minutes:g} minutes, and are gone when the server stops.",
    )
    page.html('<p class="act"><a class="button" href="/">Predict again</a></p>')
    return _rendered(page, nonce)


def sentence(service: PredictionService, job: Job) -> str:
    """How far a job is, for people."""
    if job.state is State.QUEUED:
        position = service.queue.position(job)
        if not position:
            return "Beginning."
        return f"Waiting: {position:,} {'job' if position == 1 else 'jobs'} before this one."
    if job.state is State.RUNNING:
        if job.cancel.is_set():
            return "Stopping after the proteins under way."
        stage = (job.stage or "predicting").capitalize()
        return f"{stage}: {job.done:,} of {job.total:,}." if job.total > 1 else f"{stage} …"
    if job.state is State.FAILED:
        return job.error
    return "Cancelled." if job.state is State.CANCELLED else "Done."


def _subtitle(service: PredictionService) -> str:
    about = service.about()
    tokens = [TOKEN_NAMES.get(name, name) for name in about["structure_tokens"]]
    reads = f"{about['encoder']} and structure tokens ({', '.join(tokens)})"
    seeds = f", mean of {about['adapters']} adapters" if about["adapters"] > 1 else ""
    return f"{_PROBLEMS[service.problem]}, by {reads if tokens else about['encoder']}{seeds}"


def _form(service: PredictionService) -> str:
    limits = service.limits
    kinds = ",".join([*FASTA_SUFFIXES, *STRUCTURE_SUFFIXES, ".gz"])
    structure = (
        "With a structure the run knows 3Di and DSSP states; without, it reads masked ones."
        if service.alphabets
        else "This run reads sequences alone; of a structure it takes the sequence."
    )
    return (
        f'<form id="submit" data-bytes="{limits.upload_bytes}" '
        f'data-limits="{escape(limits.sentence)}">'
        f'<label for="text">Sequence, or FASTA</label>'
        f'<textarea id="text" rows="7" spellcheck="false" autocomplete="off" autocapitalize="off" '
        f'aria-describedby="limits" placeholder="{_PLACEHOLDER}"></textarea>'
        f'<label for="file">Or a file: FASTA, or one structure (PDB, mmCIF)</label>'
        f'<input type="file" id="file" accept="{kinds}" aria-describedby="limits">'
        f'<p class="note" id="limits">{structure} {escape(limits.sentence)}</p>'
        f'<p id="problem" role="alert"></p>'
        f'<p class="act"><button>Predict</button></p></form>'
        "<noscript><p>This form needs JavaScript; programs need none, see below.</p></noscript>"
    )


def _about(page: Page, service: PredictionService) -> None:
    run, about = service.loaded.run, service.about()
    classes = run.task["classes"]
    rows: list[Sequence[Any]] = [
        ["encoder", f"{about['encoder']} ({about['fingerprint']})"],
        ["trained", str(run.circumstances.get("date", ""))[:10] or None],
        ["structures it learned from", run.source if service.alphabets else None],
    ]
    if service.problem.is_regression:
        rows.append(["predicts", classes[0]])
    else:
        examples = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
        rows.append(["classes", f"{len(classes):,}: {examples}"])
    count = 0 if service.neighbours is None else len(service.neighbours)
    rows.append(["known proteins to compare with", f"{count:,}" if count else "none"])
    page.table(["of the run", ""], rows)
    split = next((name for name in ("test", "out-of-fold", "valid") if name in run.metrics), None)
    if split is None:
        return
    means = {
        name: sum(seed.metrics[split][name] for seed in service.loaded.runs)
        / len(service.loaded.runs)
        for name in run.metrics[split]
    }
    meanings = explain(means)
    page.table(
        ["metric", split, "what it says"],
        [
            [METRIC_NAMES.get(name, name), value, meanings.get(name)]
            for name, value in means.items()
        ],
    )


def _rendered(page: Page, nonce: str) -> str:
    folder = files(__package__)
    style, script = (folder.joinpath(f"service.{k}").read_text("utf-8") for k in ("css", "js"))
    page.html(f'<style nonce="{nonce}">{style}</style><script nonce="{nonce}">{script}</script>')
    return page.render(nonce)
