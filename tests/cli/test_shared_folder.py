"""A store in a lab's folder: whatever one person began, another goes on with."""

from __future__ import annotations

import json
import re
import sys
from importlib import resources

import pytest

DRIVER = """
import json, sys
from sesstore_cli.main import main
for command in json.loads(sys.argv[1]):
    try:
        main(command)
    except SystemExit as ended:
        print("ended with", ended.code or 0, flush=True)
"""
"""Runs several commands in one process, for which Python starts once."""


def run(person, folder, *commands: str) -> tuple[list[int], str]:
    """Run commands as a person; the exit status of each, and all they wrote."""
    words = [command.replace("STORE", str(folder / "store")).split() for command in commands]
    status, text = person.run(sys.executable, "-c", DRIVER, json.dumps(words))
    assert status == 0, text
    return [int(code) for code in re.findall(r"^ended with (\d+)$", text, re.MULTILINE)], text


def succeed(person, folder, *commands: str) -> None:
    statuses, text = run(person, folder, *commands)
    assert statuses == [0] * len(commands), text


@pytest.fixture
def inputs(lab):
    (lab / "a.fasta").write_text(">a\nMKVLAAGIVGLCAKAYLERA\n>b\nMKVLAAGIVGLW\n")
    (lab / "b.fasta").write_text(">c\nMKVLAAGIVGLCAKAYLERAGG\n")
    header, rows = "name,aa_seq,label,foldseek_seq\n", ["P1,MKVLA,0,DDPVV", "P2,MKVLW,1,DDPVD"]
    structures = sorted(resources.files("sesstore").joinpath("demo/structures").iterdir())
    for letter, structure in zip("ab", structures, strict=False):
        (lab / f"{letter}-{structure.name}").write_bytes(structure.read_bytes())
    for split in ("train", "valid", "test"):
        (lab / f"{split}.csv").write_text(header + "\n".join(rows) + "\n")
    return lab


def test_the_second_person_does_everything_the_first_does(people, inputs):
    first, second = people
    first_structure, second_structure = sorted(inputs.glob("[ab]-*"))
    succeed(
        first,
        inputs,
        f"add {inputs}/a.fasta --store STORE",
        f"add deeploc_binary --data {inputs} --source alphafold2 --store STORE",
        "embed --plm onehot --store STORE",
        f"tokens {first_structure} --source pdb --store STORE",
        f"push {inputs}/copy --store STORE",
    )
    succeed(
        second,
        inputs,
        f"add {inputs}/b.fasta --store STORE",
        f"tokens {second_structure} --source pdb --store STORE",
        "embed --plm onehot --store STORE",
        "embed --plm blosum62 --store STORE",
        "compact --store STORE",
        "verify --store STORE",
        "repair --store STORE",
        "gc --older-than 0 --store STORE",
        f"push {inputs}/copy --store STORE",
        f"pull {inputs}/copy --store {inputs}/mine",
        f"merge {inputs}/mine --store STORE",
        f"train deeploc_binary --plm onehot --epochs 1 --heads 1 --out {inputs}/runs --store STORE",
    )
    succeed(
        first,
        inputs,
        f"add {inputs}/b.fasta --store STORE",
        "embed --plm blosum62 --store STORE",
        "compact --store STORE",
        "verify --store STORE",
    )
    everything = [path for path in inputs.rglob("*") if path.name != "a.fasta"]
    made = [path for path in everything if path.stat().st_gid == first.gid]
    closed = [str(path) for path in made if path.is_dir() and not path.stat().st_mode & 0o020]
    databases = [p for p in made if p.suffix == ".lmdb" or p.name.endswith((".lmdb-lock", ".seal"))]
    assert databases
    assert closed + [str(p) for p in databases if not p.stat().st_mode & 0o020] == []


def test_who_may_not_write_is_told_in_one_line(people, inputs):
    first, second = people
    alone = type(first)(first.uid, umask=0o022)
    commands = f"add {inputs}/a.fasta --store STORE", "embed --plm onehot --store STORE"
    succeed(alone, inputs, *commands)
    writing = [f"add {inputs}/b.fasta", "embed --plm blosum62", "compact"]
    statuses, text = run(second, inputs, *(f"{command} --store STORE" for command in writing))
    assert [status in (1, 2) for status in statuses] == [True] * len(writing), text
    assert "Traceback" not in text
    assert text.count("error:") == len(writing)
    succeed(second, inputs, *(f"{command} --store STORE" for command in ("ls", "info", "verify")))
