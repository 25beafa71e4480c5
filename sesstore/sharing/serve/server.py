"""Serve stores over HTTP, read-only: files with ranges, and a catalogue page.

``/NAME/...`` is the published store NAME, so ``sesstore pull http://host:port/NAME`` works (with
one store, without its name too); ``/`` is the catalogue of all. Only paths a published store can
have are answered. With tokens, every request must carry one, see `guard`.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import (
    InputError,
    MissingExtraError,
    MissingFileError,
    NotStoredError,
    SesstoreError,
    StoreAccessError,
    StoreError,
)
from ...progress import SILENT, Progress
from ...store import Store
from .. import share_paths
from ..overlay import Overlay
from .catalogue_page import catalogue_page
from .contents import contents, search, task_map
from .guard import Guard
from .neighbours import neighbours

try:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import (
        FileResponse,
        HTMLResponse,
        JSONResponse,
        PlainTextResponse,
        Response,
    )
    from starlette.routing import Route
except ImportError:
    raise MissingExtraError("`sesstore serve`", "serve") from None

_MOST_REMEMBERED = 256


class StoreServer(AbstractContextManager["StoreServer"]):
    """Stores that are being served, by name, and what was worked out about them.

    Parameters
    ----------
    stores : sequence of Store
        Each is called after its folder; two folders of one name get a number.
    progress : Progress
        Told how their records are collected.
    """

    def __init__(self, stores: Sequence[Store], *, progress: Progress = SILENT) -> None:
        self.stores: dict[str, Overlay] = {}
        for store in stores:
            base = names_of(store.path)
            name, number = base, 2
            while name in self.stores:
                name, number = f"{base}-{number}", number + 1
            reports: set[str] = set()
            self.stores[name] = Overlay(
                store, progress=progress, damaged=partial(_warn, progress, reports)
            )
        self._results: dict[object, _CachedResult] = {}
        self._lock = threading.Lock()

    def __exit__(self, *_: object) -> None:
        for overlay in self.stores.values():
            overlay.close()

    def refresh(self) -> None:
        """Collect what is to be served, so that the first request does not wait."""
        for overlay in self.stores.values():
            overlay.refresh()

    def contents(self) -> dict[str, dict[str, Any]]:
        """What each store holds, for the catalogue; without paths of this machine."""

        def of(name: str, overlay: Overlay) -> dict[str, Any]:
            work = partial(contents, overlay.store)
            return {**self.cached(overlay, "contents", work), "path": name}

        return {name: of(name, overlay) for name, overlay in self.stores.items()}

    def overlay(self, name: str) -> Overlay:
        """Store of a name; with one store it needs none.

        Raises
        ------
        MissingFileError
            There is none.
        """
        if name not in self.stores:
            raise MissingFileError(
                f"no store is called '{name}' here. See the page / for their names"
            )
        return self.stores[name]

    def cached(self, overlay: Overlay, question: object, work: Callable[[], Any]) -> Any:
        """Result of some work, done once for a state of the store."""
        overlay.refresh()
        key, state = (overlay.url, question), overlay.state
        with self._lock:
            entry = self._results.get(key)
            if entry is None or entry.state != state:
                if len(self._results) > _MOST_REMEMBERED:
                    self._results.clear()
                entry = self._results[key] = _CachedResult(state)
        return entry.result(work)


class _CachedResult:
    """A result for one state of a store, worked out once; nobody waits for that of another."""

    def __init__(self, state: object) -> None:
        self.state = state
        self._lock = threading.Lock()
        self._result: Any = None

    def result(self, work: Callable[[], Any]) -> Any:
        with self._lock:
            if self._result is None:
                self._result = work()
        return self._result


def _warn(progress: Progress, reports: set[str], problem: str) -> None:
    """Say once what is damaged."""
    if problem not in reports:
        reports.add(problem)
        progress.note(f"warning: not served, as it is damaged: {problem}")


def names_of(path: Path) -> str:
    """What a store is called in URLs: the name of its folder, as far as it can be."""
    name = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in path.resolve().name
    )
    return name.lstrip(".-") or "store"


def application(server: StoreServer, tokens: Sequence[str] = ()) -> Any:
    """ASGI application.

    Parameters
    ----------
    server : StoreServer
        The stores.
    tokens : sequence of str
        Any one of them lets a request in; without any, everybody is let in.
    """

    def page(request: Request) -> Response:
        contents = server.contents()
        nonce = secrets.token_urlsafe(16)
        html = catalogue_page(contents, str(request.base_url).rstrip("/"), nonce, bool(tokens))
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            f"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            f"frame-ancestors 'none'"
        )
        return HTMLResponse(html, headers={"content-security-policy": policy})

    def find(request: Request) -> Response:
        overlay = server.overlay(request.path_params["store"])
        return JSONResponse({"found": search(overlay.store, request.query_params.get("q", ""))})

    def chart(request: Request) -> Response:
        overlay = server.overlay(request.path_params["store"])
        task, plm = request.query_params.get("task", ""), request.query_params.get("plm") or None
        result = server.cached(
            overlay, ("map", task, plm), lambda: task_map(overlay.store, task, plm)
        )
        return JSONResponse(result)

    def near(request: Request) -> Response:
        ask = request.query_params
        count = ask.get("count", "10")
        if not count.isdecimal():
            raise InputError(f"count is a number of hits, not '{count[:20]}'")
        answer = neighbours(
            server.overlay(request.path_params["store"]).store,
            ask.get("q", ""),
            count=int(count[:6]),
            task=ask.get("in") or None,
            transfer=ask.get("transfer") or None,
            encoder=ask.get("plm") or None,
        )
        return JSONResponse(answer)

    def listing(request: Request) -> Response:
        return JSONResponse(server.contents())

    def file(request: Request) -> Response:
        store, path = request.path_params["store"], request.path_params["path"]
        if len(server.stores) == 1 and store not in server.stores:
            store, path = next(iter(server.stores)), f"{store}/{path}"
        if not share_paths.is_public(path):
            return PlainTextResponse("there is nothing of that name\n", 404)
        try:
            place = server.overlay(store).place(path)
            stat = place.stat()
        except (NotStoredError, FileNotFoundError):
            return PlainTextResponse("there is nothing of that name\n", 404)
        moving = path == share_paths.INDEX
        headers = {"cache-control": "no-cache" if moving else "max-age=31536000, immutable"}
        kind = "application/json" if path.endswith(".json") else "application/octet-stream"
        return FileResponse(place, stat_result=stat, media_type=kind, headers=headers)

    app = Starlette(
        routes=[
            Route("/", page),
            Route("/catalogue.json", listing),
            Route("/{store}/search", find),
            Route("/{store}/map", chart),
            Route("/{store}/neighbours", near),
            Route("/{store}/{path:path}", file, methods=["GET"]),
        ],
        exception_handlers={SesstoreError: _say},
    )
    return Guard(app, tokens)


async def _say(_: Request, problem: Exception) -> Response:
    status = 404
    if isinstance(problem, StoreAccessError):
        status = 503
    elif isinstance(problem, StoreError) and not isinstance(problem, LookupError):
        status = 500
    elif isinstance(problem, InputError) and not isinstance(problem, LookupError | OSError):
        status = 400
    message = str(problem)
    if status == 503:
        message = "it cannot be read at the moment; try again later"
    elif status == 500:
        message = "something stored here is not as it should be"
    return JSONResponse({"error": message}, status)
