"""``sesstore status``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sesstore_cli.status import _say

from sesstore.jobs.embedding.status import EncoderStatus, PartialSegment, PartitionStatus


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


STATUS = EncoderStatus(
    encoder="X", fingerprint="ab12", layer=6, proteins=2000, residues=400_000, done=500,
    residues_done=300_000, segments=1234, duplicates=5678, last_commit="2026-11-27T00:00:00Z",
    residues_per_s=2500.4, unfinished=[PartialSegment("at/it", 1_500_000, 180.0)],
    partitions=[
        PartitionStatus(1, 1000, 1000, 5000, 5000), PartitionStatus(2, 1100, 900, 6000, 5500),
    ],
)  # fmt: skip


def test_every_figure_of_an_encoder_is_in_its_place(shown) -> None:
    assert shown(_say, STATUS) == [
        "embeddings X ab12, layer 6",
        "proteins 500 of 2,000 25.0%",
        "residues 300,000 of 400,000 75.0%",
        "segments 1,234 5,678 embeddings twice",
        "last commit 2026-11-27T00:00:00Z",
        "rate 2,500 residues/s 40.0 s left at that rate",
        "unfinished: at/it (1.5 MB, written to 3 min ago); if its writer died, `sesstore gc` "
        "removes it",
        "1 of 2 partitions done",
        "to do: 2",
        "partition proteins done residues done",
        "2 1,100 900 6,000 5,500",
    ]
    nothing = replace(
        STATUS, proteins=0, residues=0, done=0, residues_done=0, last_commit=None,
        residues_per_s=None, unfinished=[], partitions=[],
    )  # fmt: skip
    assert [line.split()[-1] for line in shown(_say, nothing)[1:3]] == ["-", "-"]
    assert shown(_say, nothing)[4:] == ["last commit -"]
    record = STATUS.to_json()
    assert (record["remaining"], record["residues_remaining"]) == (1500, 100_000)
    assert record["seconds_left"] == 100_000 / 2500.4
