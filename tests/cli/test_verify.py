"""``sesstore verify``."""

from __future__ import annotations

from pathlib import Path

import pytest


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
