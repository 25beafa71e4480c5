"""Own data, doctor, and residue tasks by commands, from file to trained run."""

from __future__ import annotations

import json
from pathlib import Path


def test_doctor_of_a_store_and_of_files(cli, data: Path, trained: Path) -> None:
    said = cli("doctor", "deeploc_binary")
    assert "nothing was found that would bias a result" in said.out, said.out
    assert said.status == 0
    lines = (data / "train.jsonl").read_text().splitlines()
    changed = {**json.loads(lines[0]), "label": 1 - json.loads(lines[0])["label"]}
    ill = Path("ill")
    ill.mkdir()
    (ill / "train.jsonl").write_text("\n".join([*lines, json.dumps(changed)]) + "\n")
    for split in ("valid", "test"):
        (ill / f"{split}.jsonl").write_text((data / f"{split}.jsonl").read_text())
    said = cli("doctor", "deeploc_binary", "--data", "ill", "--fix", "clean")
    assert said.status == 1
    assert "1. sequences with differing labels: 1" in said.out
    assert "such as:  p0_0: membrane or soluble" in said.out
    assert "dropped: its sequence has differing labels: 2 rows" in said.out
    report = cli("doctor", "deeploc_binary", "--data", "clean", "--json")
    assert report.status == 0, report.out
    assert report.json["healthy"]
    added = cli("add", "deeploc_binary", "--data", "clean", "--source", "alphafold2", "--json").json
    assert (added["proteins"], added["warnings"]) == (39, [])
    again = cli("doctor", "deeploc_binary", "--data", "ill", "--fix", "clean")
    assert again.status == 2
    assert "is there already" in again.err


def test_doctor_knows_names_that_came_with_another_sequence(cli, trained: Path) -> None:
    Path("other.fasta").write_text(">p0_0\nMKVLAAGIVGLLLAQW\n")
    cli("add", "other.fasta")
    found = cli("doctor", "deeploc_binary", "--json")
    assert found.status == 1
    (finding,) = [f for f in found.json["findings"] if f["biases"]]
    assert (finding["what"], finding["count"]) == ("name_known_with_another_sequence", 1)
