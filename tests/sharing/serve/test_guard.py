"""Who is let in to a server: credentials as browsers and scripts send them."""

from __future__ import annotations

import base64

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from sesstore.errors import InputError, MissingFileError
from sesstore.sharing.serve.guard import Guard, credential_of, read_tokens

TOKEN = "a-token-that-is-long-enough"


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("header", "credential"),
    [
        (b"Bearer abc", b"abc"),
        (b"BEARER  abc ", b"abc"),
        (basic("me:abc"), b"abc"),
        (basic("me:a:b:c"), b"a:b:c"),
        (basic(":abc"), b"abc"),
        (basic("abc"), b""),
        (b"basic " + base64.b64encode(b"x:y"), b"y"),
        (b"Basic @@@@", b""),
        (b"Basic YTpi!", b""),
        (b"Digest abc", b""),
        (b"abc", b""),
        (b"", b""),
        (b"Bearer " + b"x" * 1024, b"x" * 1024),
        (b"Bearer " + b"x" * 1025, b""),
    ],
)
def test_the_token_of_a_request(header: bytes, credential: bytes):
    assert credential_of({"headers": [(b"host", b"x"), (b"authorization", header)]}) == credential
    assert credential_of({"headers": [(b"host", b"x")]}) == b""


def test_files_of_tokens_name_each_that_is_let_in(tmp_path):
    path = tmp_path / "tokens"
    with pytest.raises(MissingFileError, match="there is no file"):
        read_tokens(path)
    most, least = "~" * 16, "!" * 16
    path.write_text(f"# people\n  {most}  \n\n{least}\n#{'x' * 20}\n")
    assert read_tokens(path) == [most, least]
    for text, said in (
        ("# none\n \n", "holds no token"),
        (f"{most}\n{'x' * 15}\n", "too short or has strange letters"),
        ("x" * 15 + "\x7f\n", "too short or has strange letters"),
        ("x" * 16 + " y\n", "too short or has strange letters"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            read_tokens(path)


async def app(scope, receive, send) -> None:
    await PlainTextResponse(f"{scope['method']}", headers={"x-own": "1"})(scope, receive, send)


def test_any_token_lets_in_and_nothing_else():
    client = TestClient(Guard(app, ("other-token-of-some-length", TOKEN)))
    others = (("other-token-of-some-length", 200), (TOKEN[:-1], 401), ("", 401))
    for token, status in ((TOKEN, 200), *others):
        answer = client.get("/", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert ("x-own" in answer.headers) is (status == 200)
        assert ("www-authenticate" in answer.headers) is (status == 401)
    assert client.get("/").text == "a token is needed\n"
    assert TestClient(Guard(app)).get("/").text == "GET"


def test_methods_are_those_that_are_answered():
    reading, posting = TestClient(Guard(app)), TestClient(Guard(app, (), ("POST", "GET")))
    assert reading.head("/").status_code == 200
    answer = reading.post("/")
    assert (answer.status_code, answer.text) == (405, "this server can only be read\n")
    assert posting.post("/").text == "POST"
    answer = posting.put("/")
    assert (answer.status_code, answer.text) == (405, "this server answers POST, GET\n")
    # Whoever may not ask at all learns that first, with or without a token.
    assert TestClient(Guard(app, (TOKEN,))).post("/").status_code == 405


def test_what_is_no_request_is_handed_on():
    scopes = []

    async def inner(scope, receive, send) -> None:
        scopes.append(scope["type"])
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    with TestClient(Guard(inner, (TOKEN,))):
        assert scopes == ["lifespan"]
