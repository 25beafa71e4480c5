"""Object storage that answers otherwise than it should; a store there is reached by obstore."""

from __future__ import annotations

import pytest

from sesstore.errors import SesstoreError
from sesstore.sharing.object_storage import BucketRemote

DATE = "Fri, 27 Nov 2026 07:00:00 GMT"


@pytest.fixture
def cloud(serve, monkeypatch):
    def start(answer) -> BucketRemote:
        server = serve(answer)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        remote = BucketRemote("s3://bucket/x")
        remote.server = server
        return remote

    return start


@pytest.mark.parametrize("extent", ["bytes 5-9/100", "bytes 5-99/100"])
def test_a_range_answered_without_end(cloud, extent):
    remote = cloud(
        lambda request: request.forever(206, Content_Range=extent, ETag='"a"', Last_Modified=DATE)
    )
    with pytest.raises(SesstoreError):
        remote.read("share/bundles/x", 5, 10, 100)
    assert remote.server.sent < 40 << 20


def test_a_range_that_is_short(cloud):
    def answer(request) -> None:
        request.head(206, 3, Content_Range="bytes 5-7/8", ETag='"a"', Last_Modified=DATE)
        request.body(b"abc")

    with pytest.raises(SesstoreError):
        cloud(answer).read("share/bundles/x", 5, 10, 100)
