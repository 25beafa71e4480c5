"""Own data, doctor, and residue tasks by commands, from file to trained run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sesstore_cli.doctor import say_diagnosis, say_fix

from sesstore.datasets.diagnosis import Diagnosis
from sesstore.datasets.findings import Finding
from sesstore.store import Store


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


def facts(**changes: Any) -> dict[str, Any]:
    tokens = {"pdb": {"proteins": 0.5, "residues": 0.256}}
    return {"data": "af", "split": "train", "rows": 1111, "sequences": 1000,
            "length": [8, 300, 2345], "labels": "a 50%", "tokens": tokens, **changes}  # fmt: skip


def test_every_figure_of_a_diagnosis_is_in_its_place(shown) -> None:
    findings = [
        Finding("x", "rows that lie", 1234, ("a", "b"), "why so", "do it"),
        Finding("y", "rows to know", 1, ("c",), "because", "nothing", biases=False),
    ]
    splits = [facts(), facts(split="test"), facts(split="valid", tokens={})]
    assert shown(say_diagnosis, Diagnosis(9, splits, findings)) == [
        "what there is (residues: shortest, median, longest)",
        "split rows distinct residues labels",
        "train 1,111 1,000 8 300 2,345 a 50%",
        "test 1,111 1,000 8 300 2,345 a 50%",
        "valid 1,111 1,000 8 300 2,345 a 50%",
        "af: tokens from pdb for 50% of rows, 26% of residues (train, test)",
        "no tokens (valid)",
        "would bias a result:",
        "1. rows that lie: 1,234",
        "such as: a; b, ...",
        "why: why so",
        "what now: do it",
        "good to know:",
        "1. rows to know: 1",
        "such as: c",
        "why: because",
        "what now: nothing",
    ]
    healthy = shown(say_diagnosis, Diagnosis(9, [facts(), facts(data="pdb")], findings[1:]))
    assert healthy[1] == "data split rows distinct residues labels"
    assert healthy[2].startswith("af train 1,111")
    assert healthy[-1] == "nothing was found that would bias a result"


def test_every_figure_of_a_cleaned_copy_is_in_its_place(shown) -> None:
    copies = {"af": {"folder": "out", "rows": {"train": 1234, "test": 5}, "changes": {"cut": 1111}}}
    assert shown(say_fix, copies) == [
        "cleaned copy of af: out (1,234 train, 5 test rows)",
        "cut: 1,111 rows",
        "every change: out/changes.jsonl",
    ]


def test_a_task_of_the_store_goes_before_a_folder_of_its_name(cli, monkeypatch) -> None:
    """With --data it is the files that are examined."""
    Store.create(Path("store"))
    Path("mine").mkdir()
    calls: list[str] = []

    def reading(name: str):
        def read(*_: object, **__: object) -> None:
            calls.append(name)
            raise SystemExit(0)

        return read

    for name in ("from_store", "from_files"):
        monkeypatch.setattr(f"sesstore.jobs.doctor.{name}", reading(name))
    for tasks in (["mine"], []):
        monkeypatch.setattr(Store, "tasks", lambda self, tasks=tasks: tasks)
        cli("doctor", "mine")
    cli("doctor", "mine", "--data", "mine")
    assert calls == ["from_store", "from_files", "from_files"]
