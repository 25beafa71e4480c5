"""A store is sound only if all of it was read."""

from __future__ import annotations

import pytest

from sesstore.store.verify_report import Fault, VerifyReport

FAULT = Fault("tasks/toy.jsonl", "it is gone")


@pytest.mark.parametrize("kind", ["bad", "unreadable"])
def test_what_is_bad_or_could_not_be_read_is_not_sound(kind: str) -> None:
    assert VerifyReport(notes=["1 unfinished file"]).ok
    report = VerifyReport({"tasks": 1}, **{kind: [FAULT]})
    assert not report.ok
    plain = report.to_json()
    assert plain[kind] == [{"where": "tasks/toy.jsonl", "what": "it is gone"}]
    assert plain.keys() == {"checked", "bad", "unreadable", "notes"}
    assert plain["checked"] == {"tasks": 1}
