"""Tokens go to the server they are for, where nobody can read them on the way."""

from __future__ import annotations

import pytest

from sesstore.errors import InputError, StoreError
from sesstore.sharing.web import WebRemote

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def token(tmp_path, monkeypatch) -> str:
    (tmp_path / "token").write_text(TOKEN + "\n")
    monkeypatch.setenv("SESSTORE_TOKEN_FILE", str(tmp_path / "token"))
    return f"Bearer {TOKEN}"


def test_a_token_is_not_sent_in_clear(token, monkeypatch):
    for url in ("http://lab.example.org/store", "http://10.0.0.7", "http://localhost.evil.org"):
        with pytest.raises(InputError, match="SESSTORE_TOKEN_IN_CLEAR=1"):
            WebRemote(url)
    for url in ("https://lab.example.org/x", "http://localhost:8765/x", "http://[::1]/x"):
        WebRemote(url).close()
    monkeypatch.setenv("SESSTORE_TOKEN_IN_CLEAR", "1")
    WebRemote("http://10.0.0.7").close()


def test_a_token_does_not_follow_to_another_host(token, serve):
    """Another port is another server."""
    other = serve(lambda request: (request.head(200, 1), request.body(b"x")))
    first = serve(lambda r: r.head(302, 0, Location=f"{other.url}{r.path}"))
    assert b"".join(WebRemote(first.url).stream("x")) == b"x"
    assert first.asked[0][2]["authorization"] == token
    assert "authorization" not in other.asked[0][2]


def test_redirections_without_end(serve):
    server = serve(lambda request: request.head(302, 0, Location=f"{request.path}x"))
    with pytest.raises(StoreError, match="cannot be used"):
        WebRemote(server.url).read("x", 0, 1, 1)
