"""``sesstore verify``."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.store.verify_report import Fault, VerifyReport


def test_a_sound_store_verifies(cli, store: Path) -> None:
    for words in (("verify",), ("verify", "--quick")):
        said = cli(*words, "--json")
        assert said.status == 0
        assert said.json["ok"] is True
        assert said.json["bad"] == []
        assert said.json["checked"]["proteins"] == 40
    assert "nothing is wrong" in cli("verify").out


@pytest.mark.parametrize("name", ["verify", "repair", "compact", "gc", "card"])
def test_no_store_is_the_users_error(cli, name: str) -> None:
    said = cli(name, "--store", "none")
    assert said.status == 2
    assert "there is no store" in said.err


@pytest.mark.parametrize(
    ("bad", "unreadable", "lines"),
    [
        (0, 0, ["nothing is wrong (quick: values were not read)"]),
        (0, 1, ["could not be read: u0: no permission"]),
        (2, 0, ["where what is wrong", "b0 broken", "b1 broken",
                "2 things are wrong. Set them right with `sesstore repair`"]),
    ],
)  # fmt: skip
def test_what_was_checked_and_what_is_wrong(
    cli, monkeypatch, bad: int, unreadable: int, lines: list[str]
) -> None:
    report = VerifyReport(
        {"segments": 1234, "tokens": 56},
        [Fault(f"b{n}", "broken") for n in range(bad)],
        [Fault(f"u{n}", "no permission") for n in range(unreadable)],
        ["left over"],
    )
    monkeypatch.setattr("sesstore.store.integrity.verify", lambda path, **options: report)
    said = cli("verify", "--quick")
    shown = [" ".join(line.split()) for line in said.out.splitlines() if line.strip(" ─")]
    assert shown == ["checked 1,234 segments, 56 tokens", *lines]
    assert said.err == "note: left over\n"
    assert said.status == (1 if bad or unreadable else 0)
    assert cli("verify", "--json").json["ok"] is not (bad or unreadable)
