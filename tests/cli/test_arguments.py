"""Every argument and option of a command arrives at the function that does its work, in its place.

``arguments.json`` gives each command all it takes, none of it a default, and says what each
function below must be called with; the last of them ends the command, so that nothing heavy runs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from sesstore_cli.main import group

from sesstore.proteins import Protein
from sesstore.store import Store

from ..calls import record

TABLE: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("arguments.json").read_text("utf-8")
)
ENCODER = SimpleNamespace(name="encoder")
INPUTS = SimpleNamespace(name="inputs", alphabets=("dssp",))
PLAN = SimpleNamespace(name="plan", todo=(), sentence="{} {}".format)
TRAINED = SimpleNamespace(seconds_per_epoch=8.0, runs=["seed-0", "seed-1"])
RUN = SimpleNamespace(
    task={"name": "own"}, fingerprint=SimpleNamespace(digest="digest"), source="md"
)
ANSWERS: dict[str, Any] = {
    "encoders.registry.load": ENCODER,
    "exchange.formats.read_files": (4, ["record"]),
    "exchange.selection.select_proteins": [Protein("A", "MKV"), Protein("B", "MKL")],
    "jobs.add.load": "loaded",
    "jobs.cluster.connection.connected": nullcontext("ray"),
    "jobs.cluster.ray_embed.encoder_for_workers": (ENCODER, "make encoder", 1),
    "jobs.doctor.diagnose": SimpleNamespace(splits=[], findings=[], checked=[], healthy=True),
    "jobs.doctor.from_files": SimpleNamespace(name="patient", notes=[]),
    "jobs.embed_store.select": ["part"],
    "jobs.embedding.means.means_of": ENCODER,
    "jobs.embedding.missing_proteins.plan_embedding": PLAN,
    "jobs.embedding.plan.measured_in": ["rate"],
    "jobs.embedding.structure_source.structure_source": "structure",
    "jobs.embedding.throughput.measure_throughput": "probe",
    "jobs.inputs.chosen_encoder": "provenance",
    "jobs.proteinfiles.checked_proteins": ["protein"],
    "jobs.proteinfiles.proteins_named": ["protein"],
    "jobs.training.crossvalidation.cross_validate": TRAINED,
    "jobs.training.plm_cost.own_encoder": ENCODER,
    "jobs.training.train.prepare": INPUTS,
    "reports.gather.gather": SimpleNamespace(name="material", notes=()),
    "store.Store.embeddings": "view",
    "store.Store.task": "rows",
    "structures.structure_files.structure_files": [Path("/a.pdb")],
    "training.runs.default_split": "out-of-fold",
    "training.seeds.runs_at": [RUN],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two empty stores, and files that are named; no command of the table writes here."""
    path = tmp_path_factory.mktemp("arguments")
    for name in ("store", "other"):
        Store.open(path / name, create=True)
    for name in ("data.csv", "a.pdb", "run"):
        (path / name).touch()
    (path / "a.fasta").write_text(">A\nMKV\n")
    return path


@pytest.mark.parametrize("words", TABLE, ids=[words.partition(" -")[0] for words in TABLE])
def test_every_argument_arrives(
    words: str, cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name, value in (("BASELINES", "0"), ("REPORT", "0")):
        monkeypatch.setenv(f"SESSTORE_{name}", value)
    calls = record(monkeypatch, list(TABLE[words]), ANSWERS)
    said = cli(*words.split())
    assert (said.status, calls) == (0, TABLE[words])


def test_no_option_is_forgotten() -> None:
    """A new option needs a place in the table."""
    lines = defaultdict(set)
    for words in TABLE:
        listed = words.split()
        name = " ".join(listed[: 2 if listed[0] == "study" else 1])
        lines[name] |= set(listed)
    for name, words in lines.items():
        command: click.Command = group
        context = click.Context(group)
        for word in name.split():
            assert isinstance(command, click.Group)
            command = command.get_command(context, word)
        for option in command.params:
            flags = {*option.opts, *option.secondary_opts}
            if isinstance(option, click.Option) and not flags & {"--json", "--quiet", "--store"}:
                assert flags & words, f"{name} {option.opts}"
