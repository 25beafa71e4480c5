"""Who is let in to a server, and how its answers behave in browsers.

With tokens, every request must carry one (``Authorization: Bearer TOKEN``, or as the password of
Basic, which a browser asks for); all are compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError, MissingExtraError, MissingFileError

try:
    from starlette.responses import PlainTextResponse
    from starlette.types import ASGIApp, Receive, Scope, Send
except ImportError:
    raise MissingExtraError("`sesstore serve`", "serve") from None

_MOST_TOKEN = 1024
READING = ("GET", "HEAD")


def read_tokens(path: Path) -> list[str]:
    """Read bearer tokens, one a line; ``#`` starts a comment.

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        It holds no token, or one is shorter than 16 letters.
    """
    if not path.is_file():
        raise MissingFileError(
            f"there is no file '{path}'. Write the tokens into one, one a line, and name that"
        )
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not tokens:
        raise InputError(f"'{path}' holds no token. Write one a line")
    for token in tokens:
        if len(token) < 16 or not all(33 <= ord(c) < 127 for c in token):
            raise InputError(
                f"a token in '{path}' is too short or has strange letters. Make one with: python "
                f"-c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
    return tokens


class Guard:
    """Lets in only who has a token, and says how to behave to browsers.

    Parameters
    ----------
    app : ASGI application
    tokens : sequence of str
        Any one of them lets a request in; without any, everybody is let in.
    methods : sequence of str
        Of HTTP, that are answered.
    """

    def __init__(
        self, app: ASGIApp, tokens: Sequence[str] = (), methods: Sequence[str] = READING
    ) -> None:
        self._app, self._tokens = app, [token.encode() for token in tokens]
        self._methods = tuple(methods)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def careful(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        app: Callable[..., Awaitable[None]] = self._app
        if scope["method"] not in self._methods:
            refusal = "this server can only be read\n"
            if self._methods != READING:
                refusal = f"this server answers {', '.join(self._methods)}\n"
            app = PlainTextResponse(refusal, 405)
        elif not self._lets_in(scope):
            asks = {"www-authenticate": 'Basic realm="sesstore", charset="UTF-8"'}
            app = PlainTextResponse("a token is needed\n", 401, headers=asks)
        await app(scope, receive, careful)

    def _lets_in(self, scope: Scope) -> bool:
        if not self._tokens:
            return True
        credential = credential_of(scope)
        allowed = False
        for token in self._tokens:  # all of them, always: how long it takes says nothing
            allowed |= hmac.compare_digest(token, credential)
        return allowed


def credential_of(scope: Scope) -> bytes:
    """The token a request carries; empty without one."""
    header: bytes = dict(scope["headers"]).get(b"authorization", b"")
    kind, _, value = header.partition(b" ")
    if len(value) > _MOST_TOKEN:
        return b""
    if kind.lower() == b"bearer":
        return value.strip()
    if kind.lower() == b"basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
