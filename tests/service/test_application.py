"""The service over HTTP, as programs and browsers meet it."""

from __future__ import annotations

import base64
import csv
import gzip
import http.client
import re
from dataclasses import replace
from io import StringIO
from urllib.parse import urlsplit

import pytest

from sesstore.service.job_queue import State
from sesstore.service.prediction_service import PredictionService

from .conftest import Client, Serve
from .test_job_queue import Gate, wait_for

TOKENS = ("a-token-that-is-long-enough", "another-token-of-somebody")


@pytest.fixture
def client(service: PredictionService, serve: Serve) -> Client:
    return serve(service)


@pytest.fixture
def gate(service: PredictionService) -> Gate:
    """Jobs wait at it instead of predicting."""
    service.queue._work = gate = Gate()
    return gate


def test_from_sending_to_the_result_and_its_end(client: Client) -> None:
    status, job, _ = client.post(">a\nMKVLAAGIV\n>b\nWWHHKK\n", "mine.fasta")
    assert status == 202
    state = client.finished(job)
    assert (state["state"], state["sentence"]) == ("done", "Done.")
    status, result, told = client.ask(state["json"])
    assert (status, told["cache-control"]) == (200, "no-store")
    assert [protein["id"] for protein in result["proteins"]] == ["a", "b"]
    assert len(result["proteins"][0]["residue_values"]) == 9
    status, text, told = client.ask(state["csv"])
    assert told["content-disposition"] == 'attachment; filename="predictions.csv"'
    rows = list(csv.DictReader(StringIO(text)))
    assert [row["label"] for row in rows] == [p["label"] for p in result["proteins"]]
    assert client.ask(f"/jobs/{job['id']}", "DELETE")[0] == 200
    for path in ("", "/result.json", "/page"):
        assert client.ask(f"/jobs/{job['id']}{path}")[0] == 404


@pytest.mark.parametrize(
    ("text", "name", "status", "message"),
    [
        ("MKV1", "", 400, "letter '1' at position 4"),
        (">a\nMKV\n>b\nM?V\n", "x.fasta", 400, "x.fasta, line 4 (b): letter '?' at position 2"),
        ("", "", 400, "nothing was sent"),
        ("x", "notes.txt", 400, "neither FASTA"),
        ("M" * 50_001, "", 413, "50,000 residues"),
        (">a\nM\n" * 101, "", 413, "100 proteins"),
        (gzip.compress(b"M" * 10_000_001, mtime=0), "x.fasta.gz", 413, "10 MB (unpacked)"),
        (b"M" * 10_000_001, "", 413, "10 MB (unpacked)"),
    ],
)
def test_what_is_wrong_is_told(
    client: Client, text: str | bytes, name: str, status: int, message: str
) -> None:
    answer = client.post(text, name)
    assert answer[0] == status
    assert message in answer[1]["error"]


def test_an_endless_upload_is_cut_off(client: Client) -> None:
    connection = http.client.HTTPConnection(urlsplit(client.address).netloc, timeout=30)

    def endless():
        for _ in range(300):  # MB; the limit is 10
            yield b"M" * 1_000_000

    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        connection.request("POST", "/jobs", endless(), encode_chunked=True,
                           headers={"transfer-encoding": "chunked"})  # fmt: skip
    connection.close()
    assert client.ask("/")[0] == 200


def test_an_upload_may_have_just_its_bytes_however_it_comes(
    service: PredictionService, serve: Serve
) -> None:
    service.limits = replace(service.limits, megabytes=40e-6)
    client = serve(service)
    text = ">a\nMKVLAAGIV\n>b\nMKVLAAGIV".ljust(40, "L")
    assert client.post(text, "x.fasta")[0] == 202
    for size in (41, 100, 160, 161):
        status, answer, told = client.post(text.ljust(size, "L"), "x.fasta")
        assert (status, told["connection"]) == (413, "close")
        assert "at most" in answer["error"].lower()
    connection = http.client.HTTPConnection(urlsplit(client.address).netloc, timeout=30)
    parts = (text[start : start + 8].encode() for start in range(0, 40, 8))
    connection.request("POST", "/jobs?name=x.fasta", parts, encode_chunked=True,
                       headers={"transfer-encoding": "chunked"})  # fmt: skip
    assert connection.getresponse().status == 202
    connection.close()


def test_waiting_cancelling_and_too_many(
    client: Client, service: PredictionService, gate: Gate
) -> None:
    jobs = [client.post("MKVLA")[1] for _ in range(5)]
    wait_for(lambda: bool(gate.order))
    _, last, _ = client.ask(f"/jobs/{jobs[4]['id']}")
    assert (last["state"], last["position"]) == ("queued", 4)
    assert last["sentence"] == "Waiting: 4 jobs before this one."
    status, answer, told = client.post("MKVLA")
    assert (status, told["retry-after"]) == (429, "15")
    assert "5 of your jobs wait or run" in answer["error"]
    assert client.ask(f"/jobs/{jobs[1]['id']}/result.json")[0] == 409
    for job in jobs[:2]:  # one runs, one waits
        client.ask(f"/jobs/{job['id']}", "DELETE")
        assert client.finished(job)["state"] == "cancelled"
    assert "Cancelled." in client.ask(f"/jobs/{jobs[0]['id']}/page")[1]
    assert client.post("MKVLA")[0] == 202
    gate.open.set()
    assert client.finished(jobs[4])["state"] == "done"


def test_a_full_queue_and_a_fast_client(
    client: Client, service: PredictionService, gate: Gate
) -> None:
    service.queue._limits = replace(service.limits, queue=1)
    client.post("MKVLA")
    wait_for(lambda: bool(gate.order))
    client.post("MKVLA")
    status, answer, told = client.post("MKVLA")
    assert (status, told["retry-after"]) == (503, "30")
    assert "queue is full" in answer["error"]
    gate.open.set()
    wait_for(lambda: all(j.state is State.DONE for j in service.queue._jobs.values()))
    service.queue._rate._limit = 3  # two were begun, the third was refused before it counted
    assert client.post("MKVLA")[0] == 202
    status, answer, told = client.post("MKVLA")
    assert status == 429
    assert 1 <= int(told["retry-after"]) <= 60
    assert "within a minute" in answer["error"]


def test_tokens_let_in_and_tell_clients_apart(
    service: PredictionService, serve: Serve, gate: Gate
) -> None:
    client = serve(service, TOKENS)
    for path, method in (("/", "GET"), ("/jobs", "POST"), ("/jobs/x", "DELETE")):
        status, _, told = client.ask(path, method)
        assert status == 401
        assert told["www-authenticate"].startswith("Basic")  # for which a browser asks
    bearer = [f"Bearer {token}" for token in TOKENS]
    basic = "Basic " + base64.b64encode(f"anybody:{TOKENS[0]}".encode()).decode()
    assert client.ask("/", authorization=basic)[0] == 200
    for _ in range(5):
        assert client.post("MKV", authorization=bearer[0])[0] == 202
    assert client.post("MKV", authorization=basic)[0] == 429
    assert client.post("MKV", authorization=bearer[1])[0] == 202


def test_pages_of_other_sites_can_change_nothing(client: Client) -> None:
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        status, answer, _ = client.post("MKV", origin=origin)
        assert status == 403
        assert "another site" in answer["error"]
    status, job, _ = client.post("MKV", origin=client.address)
    assert status == 202
    assert client.ask(f"/jobs/{job['id']}", "DELETE", origin="https://evil.example")[0] == 403
    assert client.ask(f"/jobs/{job['id']}")[0] == 200
    assert client.ask("/", "PUT")[0] == 405


def test_pages_are_closed_and_what_was_sent_is_text(client: Client) -> None:
    nasty = "<script>alert(1)</script>\"'&"
    _, job, _ = client.post(f">{nasty} x\nMKVLAAGIV\n>b\nWWHHKK\n", "%3Cimg%20src=x%3E.fasta")
    client.finished(job)
    seen = {}
    for path in ("/", job["page"], "/jobs/nothing/page"):
        _, html, told = client.ask(path)
        seen[path] = html
        policy = told["content-security-policy"]
        (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
        assert "default-src 'none'" in policy
        assert "unsafe-eval" not in policy
        assert all(
            nonce in tag or "application/json" in tag
            for tag in re.findall(r"<(?:script|style)[^>]*>", html)
        )
        assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", html)
        assert "<img" not in html
        assert "alert(1)</script>" not in html
        assert told["x-content-type-options"] == "nosniff"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in seen[job["page"]]
    assert "&lt;img src=x&gt;.fasta" in seen[job["page"]]


def test_the_page_says_what_it_takes_and_what_numbers_mean(
    client: Client, service: PredictionService
) -> None:
    html = client.ask("/")[1]
    assert service.limits.sentence in html
    assert 'for="text"' in html
    assert 'role="alert"' in html
    assert "share of predictions that are right" in html  # accuracy
    _, job, _ = client.post("MKVLAAGIV")
    client.finished(job)
    html = client.ask(job["page"])[1]
    for text in ("Nearest known proteins", "true label", "calibrated on proteins", "masked ones"):
        assert text in html
