"""The service over HTTP: pages for browsers, JSON for programs.

==========================  ======================================================================
``POST /jobs?name=FILE``    send a sequence, FASTA or a structure (the body); 202 and the job
``GET /jobs/ID``            how far it is
``GET /jobs/ID/result.json``, ``.csv``  what came of it; 409 before it is done
``DELETE /jobs/ID``         give it up, or drop its result
``GET /``, ``/jobs/ID/page``  the same for people
==========================  ======================================================================

Errors are ``{"error": ...}``: 400 for what cannot be read, 413 for what is too large, 429 and 503
with ``Retry-After`` for too many. Requests that change something and come from a page of another
site are refused (403); browsers say where they come from.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from ..errors import InputError, MissingExtraError, SesstoreError
from ..sharing.serve.guard import Guard, credential_of
from .job_limits import BusyError, TooLargeError
from .job_queue import Job, State
from .pages import job_page, lost_page, sentence, start_page
from .prediction_service import PredictionService
from .submission import read_submission

try:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import HTMLResponse, JSONResponse, Response
    from starlette.routing import Route
except ImportError:
    raise MissingExtraError("`sesstore serve`", "serve") from None

UPLOAD_SECONDS = 120
"""An upload that takes longer is given up."""

_DROPPED = 4
"""How many times what a job may have is read before the connection is closed."""

_METHODS = ("GET", "HEAD", "POST", "DELETE")


def service_application(service: PredictionService, tokens: Sequence[str] = ()) -> Any:
    """ASGI application.

    Parameters
    ----------
    service : PredictionService
    tokens : sequence of str
        Any one of them lets a request in; without any, everybody is let in.
    """

    def start(request: Request) -> Response:
        address = str(request.base_url).rstrip("/")
        return _page(lambda nonce: start_page(service, address, nonce))

    async def send(request: Request) -> Response:
        if refused := _from_elsewhere(request):
            return refused
        client = _client(request, tokens)
        data = await _body(request, service)
        service.queue.admit(client)
        name = request.query_params.get("name", "")
        submission = await run_in_threadpool(read_submission, data, name, service.limits)
        return JSONResponse(_state(service, service.queue.add(submission, client)), 202)

    def state(request: Request) -> Response:
        job = _job(service, request)
        return JSONResponse(_state(service, job), headers=_PRIVATE)

    def drop(request: Request) -> Response:
        if refused := _from_elsewhere(request):
            return refused
        job = _job(service, request)
        service.queue.cancel(job)
        return JSONResponse(_state(service, job))

    def page(request: Request) -> Response:
        job = service.queue.find(request.path_params["id"])
        if job is None:
            return _page(lambda nonce: lost_page(service, nonce), 404)
        return _page(lambda nonce: job_page(service, job, nonce))

    def result(request: Request) -> Response:
        job = _job(service, request)
        if job.result is None:
            return JSONResponse({"error": sentence(service, job), "state": job.state}, 409)
        as_csv = request.url.path.endswith(".csv")
        name = f"predictions.{'csv' if as_csv else 'json'}"
        headers = {**_PRIVATE, "content-disposition": f'attachment; filename="{name}"'}
        if as_csv:
            return Response(job.result.to_csv(), media_type="text/csv", headers=headers)
        return JSONResponse(job.result.to_json(), headers=headers)

    app = Starlette(
        routes=[
            Route("/", start),
            Route("/jobs", send, methods=["POST"]),
            Route("/jobs/{id}", state, methods=["GET"]),
            Route("/jobs/{id}", drop, methods=["DELETE"]),
            Route("/jobs/{id}/page", page),
            Route("/jobs/{id}/result.json", result),
            Route("/jobs/{id}/result.csv", result),
        ],
        exception_handlers={SesstoreError: _say},
    )
    return Guard(app, tokens, _METHODS)


_PRIVATE = {"cache-control": "no-store"}


class NoJobError(InputError, LookupError):
    """There is no job of that id."""


def _job(service: PredictionService, request: Request) -> Job:
    job = service.queue.find(request.path_params["id"])
    if job is None:
        raise NoJobError(
            f"there is no such job, or no more: results stay for "
            f"{service.limits.result_minutes:g} minutes"
        )
    return job


def _state(service: PredictionService, job: Job) -> dict[str, Any]:
    links = {"page": f"/jobs/{job.id}/page"}
    if job.state is State.DONE:
        links |= {kind: f"/jobs/{job.id}/result.{kind}" for kind in ("json", "csv")}
    return {
        "id": job.id,
        "state": job.state,
        "sentence": sentence(service, job),
        "position": service.queue.position(job),
        "stage": job.stage,
        "done": job.done,
        "total": job.total,
        "error": job.error or None,
        **links,
    }


async def _body(request: Request, service: PredictionService) -> bytes:
    """The body, if it is no more than a job may have.

    Some more is read and dropped, as a client that is cut off while it sends sees no answer.
    """
    limit = service.limits.upload_bytes
    refusal = TooLargeError(f"that is more than a job may have. {service.limits.sentence}")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > _DROPPED * limit:
        raise refusal
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > _DROPPED * limit:
                    raise refusal
                if size <= limit:
                    body += part
    except TimeoutError:
        raise InputError(f"the upload took more than {UPLOAD_SECONDS} seconds. Try again") from None
    except ClientDisconnect:
        raise InputError("the upload broke off. Send it again") from None
    if size > limit:
        raise refusal
    return bytes(body)


def _client(request: Request, tokens: Sequence[str]) -> str:
    """Whom limits count for: who has a token, or a machine."""
    if tokens:
        return hashlib.sha256(credential_of(request.scope)).hexdigest()
    return request.client.host if request.client else ""


def _from_elsewhere(request: Request) -> Response | None:
    """Refuse what a page of another site has a browser send."""
    origin = request.headers.get("origin")
    if origin is None or urlsplit(origin).netloc == request.headers.get("host"):
        return None
    problem = "this came from a page of another site. Send it from this server's own page"
    return JSONResponse({"error": problem}, 403)


def _page(draw: Callable[[str], str], status: int = 200) -> Response:
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        f"style-src-attr 'unsafe-inline'; connect-src 'self'; img-src data: blob:; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(draw(nonce), status, {"content-security-policy": policy, **_PRIVATE})


async def _say(_: Request, problem: Exception) -> Response:
    headers = {}
    if isinstance(problem, BusyError):
        status = 429 if problem.client else 503
        headers["retry-after"] = str(problem.seconds)
    elif isinstance(problem, TooLargeError):
        status = 413
        headers["connection"] = "close"  # what may still come is not waited for
    elif isinstance(problem, LookupError):
        status = 404
    else:
        status = 400 if isinstance(problem, InputError) else 500
    return JSONResponse({"error": str(problem)}, status, headers)
