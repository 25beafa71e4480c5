"""``sesstore status``."""

from __future__ import annotations

from pathlib import Path


def test_what_remains_is_said_by_partition(cli, trained: Path) -> None:
    done = cli("status")
    assert done.status == 0
    assert "40 of 40" in done.out
    assert "100.0%" in done.out
    Path("more.fasta").write_text(">a\nMKVLAAGG\n>b\nMKV\n")
    cli("add", "more.fasta")
    some = cli("status", "--plm", "blosum62", "--partitions", "3")
    assert "40 of 42" in some.out
    assert "to do: " in some.out
    assert cli("status", "more.fasta").out.count("0 of 2") == 1
    found = cli("status", "more.fasta", "--json", "--partitions", "2").json["encoders"][0]
    assert (found["encoder"], found["done"], found["remaining"]) == ("BLOSUM62", 0, 2)
    assert [part["done"] for part in found["partitions"]] == [0, 0]


def test_an_encoder_that_has_done_nothing(cli, trained: Path) -> None:
    assert "nothing is embedded by near yet" in cli("status", "--plm", "near").out
    assert cli("status", "--plm", "near", "--json").json == {"encoders": []}


def test_embed_says_what_does_not_go_together(cli, trained: Path) -> None:
    for words, said in (
        ("--partition 4/3", "no partition 4/3"),
        ("--partition slurm", "no task of a Slurm job array"),
        ("--address auto", "--address belongs to --engine ray"),
        ("--workers 2", "--workers belongs to --engine ray"),
        ("--partition 1/2 new.fasta", "sesstore add"),
    ):
        Path("new.fasta").write_text(">new\nMKVW\n")
        done = cli("embed", "--plm", "blosum62", *words.split())
        assert done.status == 2
        assert said in done.err


def test_an_array_task_is_told_how_to_do_its_part(cli, trained: Path, monkeypatch) -> None:
    for name, value in {"ID": "2", "MIN": "1", "MAX": "2", "COUNT": "2"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert "--partition slurm" in cli("embed", "--plm", "blosum62").err
    done = cli("embed", "--plm", "blosum62", "--partition", "slurm")
    assert "partition 2/2: 20 sequences" in done.err
