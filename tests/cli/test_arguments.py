"""Every argument and option of a command arrives at the function that does its work, in its place.

``arguments.json`` gives each command all it takes, none of it a default, and says what each
function below must be called with; the last of them ends the command, so that nothing heavy runs.
The store is always one that ``--store`` names: there is none where it is by default.
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
from sesstore_cli.main import COMMANDS, group
from sesstore_cli.wording import STORELESS

from sesstore.proteins import Protein
from sesstore.store import Store

from ..calls import record

TABLE: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("arguments.json").read_text("utf-8")
)
ENCODER = SimpleNamespace(
    name="encoder", full_name="encoder", dim=4, window=None, licence="", citation="",
    fingerprints=(SimpleNamespace(of_means="means"),),
)  # fmt: skip
INPUTS = SimpleNamespace(name="inputs", alphabets=("dssp",))
MAP = SimpleNamespace(
    name="map", caption="caption", proteins=["A"], points=[0.5], columns={"column": [1]},
    nearest=[[2]], notes=lambda: ["note"],
)  # fmt: skip
SERVER = SimpleNamespace(name="server", refresh=lambda: None, stores=["store"])
SERVICE = SimpleNamespace(name="service", loaded=SimpleNamespace(path="run"))
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
    "jobs.predicting.loaded_run.LoadedRun": SimpleNamespace(name="loaded"),
    "jobs.predicting.protein_map.map_proteins": MAP,
    "jobs.proteinfiles.checked_proteins": ["protein"],
    "jobs.proteinfiles.proteins_named": ["protein"],
    "jobs.training.crossvalidation.cross_validate": TRAINED,
    "jobs.training.plm_cost.own_encoder": ENCODER,
    "jobs.training.train.prepare": INPUTS,
    "reports.gather.gather": SimpleNamespace(name="material", notes=()),
    "service.prediction_service.PredictionService": nullcontext(SERVICE),
    "sharing.serve.server.StoreServer": nullcontext(SERVER),
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
    for name in ("lab/store", "other"):
        Store.open(path / name, create=True)
    for name in ("data.csv", "a.pdb", "run"):
        (path / name).touch()
    (path / "a.fasta").write_text(">A\nMKV\n")
    (path / "a.toml").write_text('name = "x"\nletters = "AB"\n')
    (path / "tokens.txt").write_text("a-token-that-is-long-enough\n")
    return path


@pytest.mark.parametrize("words", TABLE, ids=[words.partition(" -")[0] for words in TABLE])
def test_every_argument_arrives(
    words: str, cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name, value in (("BASELINES", "0"), ("REPORT", "0")):
        monkeypatch.setenv(f"SESSTORE_{name}", value)
    calls = record(monkeypatch, list(TABLE[words]), ANSWERS)
    store = () if words.split()[0] in STORELESS or "--store" in words else ("--store", "lab/store")
    said = cli(*words.split(), *store)
    assert (said.status, calls) == (0, TABLE[words])


def test_no_option_is_forgotten() -> None:
    """A new command or option needs a place in the table."""
    lines = defaultdict(set)
    for words in TABLE:
        listed = words.split()
        lines[" ".join(listed[: 2 if listed[0] == "study" else 1])] |= set(listed)
    commands = {name: group.get_command(click.Context(group), name) for name in COMMANDS}
    study = commands.pop("study")
    commands |= {f"study {name}": command for name, command in study.commands.items()}
    for name, command in commands.items():
        for option in command.params:
            flags = {*option.opts, *option.secondary_opts}
            if isinstance(option, click.Option) and not flags & {"--json", "--quiet", "--store"}:
                assert flags & lines[name], f"{name} {option.opts}"
    assert lines.keys() == commands.keys()
