"""The bundled demonstration: the whole way on 50 real PDB chains, without a network.

The task is *burial*: is a residue buried or exposed, from the solvent accessibility computed from
the coordinates? The chains share less than 30 % identity, so none helps another across the splits.
One adapter sees the sequence alone, one also the 3Di and DSSP tokens.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..encoders import registry
from ..encoders.base import Encoder
from ..progress import SILENT, Progress
from ..proteins import digest_of
from ..store import Store
from ..store.summary import summarise
from ..structures.accessibility import BURIED_BELOW, relative_accessibility
from ..structures.chains import read_structure
from ..tasks import IGNORED, SPLITS, Problem, Split, Task
from ..training.fit_config import FitConfig
from .embedding.embed import embed
from .inputs import Inputs
from .tokenizing.tokenize import tokenize
from .training.train import TrainReport, train

SOURCE, TASK, ENCODER = "pdb", "burial", "near"
SEEDS = 3
_CONFIG = FitConfig(lr=5e-4, epochs=20, patience=4, batch_tokens=1024)

Outcome = TypeVar("Outcome")


@dataclass
class DemoReport:
    """What the demonstration did.

    Parameters
    ----------
    store : str
        Folder of the store it made.
    seconds : dict of str to float
        Time each stage took: ``tokenise``, ``label``, ``embed``, ``train``.
    epoch : dict of str to float
        Seconds of an epoch from the store, of the encoder's pass over the train proteins, of an
        epoch with that pass in the loop, and their ratio.
    results : dict of str to TrainReport
        ``sequence only`` and ``with structure``.
    summary : dict
        What the store holds.
    """

    store: str
    seconds: dict[str, float] = field(default_factory=dict)
    epoch: dict[str, float] = field(default_factory=dict)
    results: dict[str, TrainReport] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        runs = {name: report.to_json() for name, report in self.results.items()}
        return {**asdict(self), "results": runs}


def demo_files() -> dict[str, tuple[Path, str]]:
    """Return the bundled structures: path and split, by id."""
    folder = Path(str(resources.files("sesstore") / "demo"))
    with (folder / "entries.tsv").open(encoding="utf-8", newline="") as file:
        return {
            row["id"]: (folder / "structures" / f"{row['id']}.pdb.gz", row["split"])
            for row in csv.DictReader(file, delimiter="\t")
        }


def burial_task() -> Task:
    """Label every residue of the bundled chains as exposed or buried."""
    rows: dict[str, list[tuple[str, bytes, np.ndarray[Any, Any]]]] = {name: [] for name in SPLITS}
    for name, (path, split) in demo_files().items():
        structure = read_structure(path)
        chain = structure.chains[0]
        relative = relative_accessibility(structure, chain)
        labels = np.where(relative < BURIED_BELOW, 1, 0)
        labels[np.isnan(relative)] = IGNORED
        rows[split].append((name, digest_of(chain.residues), labels.astype(np.int64)))
    splits = {
        split: Split(
            tuple(name for name, _, _ in labelled),
            np.frombuffer(b"".join(d for _, d, _ in labelled), np.uint8).reshape(-1, 32),
            [labels for _, _, labels in labelled],
        )
        for split, labelled in rows.items()
    }
    return Task(
        TASK,
        Problem.RESIDUE_SINGLE_LABEL,
        ("exposed", "buried"),
        splits,
        ("accuracy", "mcc", "auroc"),
        "auroc",
        "Tien et al. 2013, doi:10.1371/journal.pone.0080635 (maximal accessibilities)",
    )


def demo(folder: Path, *, progress: Progress = SILENT) -> DemoReport:
    """Run the demonstration into a folder: ``store/`` and ``runs/``.

    Parameters
    ----------
    folder : path
        Made if it is absent; a store already in it is used again.
    progress : Progress
        Told about every stage.

    Returns
    -------
    DemoReport

    Raises
    ------
    MissingExtraError
        The encoder's weights are not installed.
    """
    encoder = registry.load(ENCODER)
    store = Store.open(folder / "store", create=True)
    report = DemoReport(str(store.path))
    files = [path for path, _ in demo_files().values()]
    _timed(report, "tokenise", lambda: tokenize(store, files, SOURCE, progress=progress))
    task = _timed(report, "label", burial_task)
    store.add_task(task)
    _timed(report, "embed", lambda: embed(store, encoder, progress=progress))
    inputs = Inputs(store.task(TASK), store.embeddings(encoder.fingerprint), store.tokens(SOURCE))
    stamp = time.strftime("%Y%m%d-%H%M%S")

    def train_pair() -> None:
        for name, alphabets in (("sequence only", ()), ("with structure", ("foldseek", "dssp"))):
            out = folder / "runs" / f"{stamp}-{name.replace(' ', '-')}"
            report.results[name] = train(
                inputs, {"alphabets": alphabets}, _CONFIG, seeds=SEEDS, out=out, progress=progress
            )

    _timed(report, "train", train_pair)
    report.epoch = _epoch(report, task, encoder, store)
    report.summary = summarise(store).to_json()
    return report


def _timed(report: DemoReport, stage: str, work: Callable[[], Outcome]) -> Outcome:
    began = time.perf_counter()
    outcome = work()
    report.seconds[stage] = time.perf_counter() - began
    return outcome


def _epoch(report: DemoReport, task: Task, encoder: Encoder, store: Store) -> dict[str, float]:
    """Time of an epoch as it was, and as it would be with the encoder in the loop."""
    proteins = list(store.proteins([row.tobytes() for row in task.splits["train"].digests]))
    began = time.perf_counter()
    for _ in encoder.encode(proteins):
        pass
    plm = time.perf_counter() - began
    # Seeds train on one stream, so a report's epoch is that of all of them together.
    from_store = report.results["with structure"].seconds_per_epoch / SEEDS
    return {
        "from_the_store": from_store,
        "encoder_pass": plm,
        "encoder_in_the_loop": from_store + plm,
        "ratio": (from_store + plm) / from_store,
    }
