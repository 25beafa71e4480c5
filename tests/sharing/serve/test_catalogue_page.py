"""The catalogue page."""

from __future__ import annotations

from starlette.testclient import TestClient

from sesstore.proteins import Protein
from sesstore.sharing.serve.server import StoreServer, application

NASTY = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def test_names_are_escaped_on_the_page(kit, tmp_path):
    proteins = kit.proteins(12)
    made = kit.provenance(NASTY)
    stores = [
        kit.fill(tmp_path / "st&re", [Protein(NASTY, p.sequence) for p in proteins], (made,)),
        kit.fill(tmp_path / "two", proteins[:11], ()),
    ]
    with StoreServer(stores) as served, TestClient(application(served)) as client:
        answer = client.get("/")
        listing = client.get("/catalogue.json")
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    body = answer.text.split("</style>")[1].split("<script nonce")[0]
    assert "http" not in body.replace("http://testserver", "")
    assert set(listing.json()) == {"st-re", "two"}
    assert str(tmp_path) not in listing.text
