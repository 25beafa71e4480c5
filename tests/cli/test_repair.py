"""``sesstore repair``."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.sharing.push import PushReport
from sesstore.sharing.remote_repair import RemoteRepairReport
from sesstore.store.repair import RepairReport


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_damage_is_found_repaired_and_listed(cli, store: Path) -> None:
    flip(next(store.glob("embeddings/*/*/values/c.0.0")))
    said = cli("verify", "--json")
    assert said.status == 1
    (fault,) = said.json["bad"]
    assert "values/c.0.0" in fault["what"]
    assert cli("verify", "--quick").status == 0  # quick does not read values
    said = cli("repair", "--json")
    assert said.status == 1
    (again,) = said.json["embed_again"].values()
    assert len(again) == 40
    assert cli("verify").status == 0
    assert cli("embed", "--plm", "blosum62").status == 0
    assert "nothing was wrong" in cli("repair").out
    said = cli("gc", "--set-aside", "--json")
    assert said.json["removed"] == ["set-aside"]


def test_repair_says_what_to_do(cli, store: Path) -> None:
    flip(store / "tasks" / "deeploc_binary.jsonl")
    said = cli("repair")
    assert said.status == 1
    assert "1 task lost (`sesstore add`): deeploc_binary" in said.out


def test_every_figure_of_a_repair_is_in_its_place(cli, store: Path, monkeypatch) -> None:
    report = RepairReport(
        set_aside=["a"], rebuilt=["b"], embed_again={"x": [f"d{n}" for n in range(11)]},
        unlisted=["u", "v"], tokens_lost={"pdb": ["t1", "t2"]}, sequences_lost=["s" * 70],
        ids_lost=["i1", "i2"], origins_lost={"af": ["o1", "o2"]}, tasks_lost=["ec", "go"],
        alphabets_lost=["mine", "other"], unnamed={"sequences": 1234, "tokens": None},
        failed=["f"],
    )  # fmt: skip
    monkeypatch.setattr("sesstore.store.repair.repair", lambda *a, **k: report)
    said = cli("repair")
    assert said.status == 1
    assert said.out.splitlines() == [
        "set aside: a",
        "rebuilt: b",
        "11 embed again with x (`sesstore embed`): d0, d1, d2, d3, d4, d5, d6, d7, d8, d9 and 1 "
        "more (see --json)",
        "2 tokens lost of pdb (`sesstore tokens`): t1, t2",
        "2 tokens of af that no longer say what made them: o1, o2",
        f"1 sequence lost (`sesstore add`): {'s' * 64}",
        "2 ids lost, sequences kept (`sesstore add`): i1, i2",
        "2 tasks lost (`sesstore add`): ec, go",
        "2 alphabets to declare again (`sesstore alphabets`): mine, other",
        "2 segments that no longer say what they held (`sesstore embed`): u, v",
        "1,234 records of sequences are lost and cannot be named: add them again",
        "an unknown number of records of tokens are lost and cannot be named: add them again",
        "not repaired, and left as it was: f",
    ]


@pytest.mark.parametrize(
    ("report", "status", "last"),
    [
        (RepairReport(), 0, "nothing was wrong"),
        (RepairReport(set_aside=["a"]), 0, "all is sound again, and nothing was lost"),
        (RepairReport(rebuilt=["b"]), 0, "all is sound again, and nothing was lost"),
        (RepairReport(failed=["f"]), 1, "not repaired, and left as it was: f"),
        (RepairReport(tasks_lost=["ec"]), 1, "1 task lost (`sesstore add`): ec"),
    ],
)
def test_what_a_repair_comes_to(cli, store: Path, monkeypatch, report, status, last) -> None:
    monkeypatch.setattr("sesstore.store.repair.repair", lambda *a, **k: report)
    said = cli("repair")
    assert (said.status, said.out.splitlines()[-1]) == (status, last)
    for option in (("--quick",), ("--from", "other")):
        refused = cli("repair", *option)
        assert refused.status == 2
        assert "for a store in object storage" in refused.err


@pytest.mark.parametrize("lost", [False, True])
def test_every_figure_of_a_remote_repair_is_in_its_place(cli, monkeypatch, lost: bool) -> None:
    sent = PushReport("s3://lab/x", 1_500_000, 1111)
    report = RemoteRepairReport("s3://lab/x", 2222, {"a": "broken"}, ["b"], sent)
    if lost:
        report.embeddings_lost, report.records_lost = {"x": 3333}, {"ids": 4444}
        report.tasks_lost = ["ec"]
    calls = []
    monkeypatch.setattr(
        "sesstore.sharing.remote_repair.repair_remote",
        lambda *a, **k: calls.append((*a, k["quick"])) or report,
    )
    said = cli("repair", "--store", "s3://lab/x", *(() if lost else ("--quick",)))
    assert calls == [("s3://lab/x", None, not lost)]
    assert said.status == int(lost)
    assert said.out.splitlines() == [
        "2,222 segments, bundles and tasks looked at",
        "taken out: a: broken",
        "rebuilt: b",
        "sent again: 1,111 files, 1.5 MB",
        *(
            ["3,333 proteins to embed again with x (`sesstore embed --store s3://lab/x`)",
             "4,444 ids lost (push them from a store that has them)",
             "task ec lost (`sesstore add --store s3://lab/x`)"]
            if lost else ["nothing is lost"]
        ),
    ]  # fmt: skip
