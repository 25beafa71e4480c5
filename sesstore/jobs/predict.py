"""Predict for new sequences or structures: embed and tokenise what is missing, then run an adapter.

What is computed on the way stays in the store, so predicting again, or by another run, is quick.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from torch import Tensor

from ..encoders import registry
from ..errors import InputError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import Fingerprint
from ..store import Embeddings, Store, Tokens
from ..structures.files import is_structure_path
from ..tasks import Problem
from ..training.predictor import Predictor
from ..training.runs import Run
from .add import proteins_named
from .embed import embed
from .tokenize import tokenize

FORMATS = (".csv", ".tsv", ".jsonl")


@dataclass
class PredictReport:
    """What a prediction did; the keys of ``predict --json``.

    Parameters
    ----------
    run : str
    task : str
    encoder : str
        The run's.
    proteins, with_structure : int
        Predicted, and those of them with structure tokens.
    failed : dict of str to str
        Id or file to reason.
    out : str or None
        File the table is in.
    """

    run: str
    task: str
    encoder: str
    proteins: int
    with_structure: int
    failed: dict[str, str] = field(default_factory=dict)
    out: str | None = None


def predict_files(
    store: Store,
    run_path: Path,
    paths: Sequence[str],
    *,
    source: str | None = None,
    weights: Path | None = None,
    device: str | None = None,
    progress: Progress = SILENT,
) -> tuple[PredictReport, list[dict[str, Any]]]:
    """Predict for the proteins of sequence files, structure files, or tasks of the store.

    Parameters
    ----------
    store : Store
        Where embeddings and tokens are kept.
    run_path : path
        Folder of the run.
    paths : sequence of str
        FASTA, JSON lines or CSV; structures or folders of them; tasks.
    source : str, optional
        Where the structures come from; the source the run was trained on by default.
    weights, device
        Of the encoder, see `registry.load`.

    Returns
    -------
    PredictReport, list of dict
        A row a protein: ``id``, ``length``, ``structure`` (whether it has tokens), then ``label``
        and a probability a class, or ``value``; for residue problems a list a protein of these.

    Raises
    ------
    InputError
        A file is wrong, or nothing was named.
    FingerprintMismatchError
        The encoder at hand is not the one the run was trained on.
    """
    run = Run.load(run_path)
    source = source or run.source
    structures = [Path(p) for p in paths if is_structure_path(Path(p))]
    proteins = proteins_named(store, [p for p in paths if Path(p) not in structures])
    failed: dict[str, str] = {}
    if structures:
        if source is None:
            raise InputError("say where the structures come from: --source alphafold2, pdb, ...")
        report = tokenize(store, structures, source, progress=progress)
        failed |= report.failed
        proteins += report.proteins
    view, missing = embeddings_for(store, run.fingerprint, proteins, weights, device, progress)
    failed |= missing
    found = [p for p in {p.digest: p for p in proteins}.values() if p.digest in view]
    if not found:
        raise InputError(f"nothing to predict for: {failed or 'name sequence or structure files'}")
    tokens = store.tokens(source) if source in store.sources() and run.source else None
    rows = list(_rows(run, found, view, tokens, progress))
    with_structure = sum(row["structure"] for row in rows)
    return PredictReport(
        str(run_path), run.task["name"], run.fingerprint.encoder, len(rows), with_structure, failed
    ), rows


def embeddings_for(
    store: Store,
    fingerprint: Fingerprint,
    proteins: Sequence[Protein],
    weights: Path | None,
    device: str | None,
    progress: Progress,
) -> tuple[Embeddings, dict[str, str]]:
    """Open the view of an encoder, after embedding what it lacks; and what could not be."""
    if fingerprint in [known.fingerprint for known in store.encoders()]:
        view = store.embeddings(fingerprint)
        if all(protein.digest in view for protein in proteins):
            return view, {}
    encoder = registry.load(fingerprint.encoder, weights=weights, device=device)
    fingerprint.check_same(encoder.fingerprint)
    report = embed(store, encoder, proteins, progress=progress)
    return store.embeddings(fingerprint), report.failed


def write_rows(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Write predictions as ``.csv``, ``.tsv`` or ``.jsonl``, by the file's suffix.

    Raises
    ------
    InputError
        The suffix is none of these.
    """
    check_format(out)
    with out.open("w", encoding="utf-8", newline="") as file:
        if out.suffix == ".jsonl":
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            write_csv(rows, file, "\t" if out.suffix == ".tsv" else ",")


def write_csv(rows: Sequence[dict[str, Any]], file: TextIO, delimiter: str = ",") -> None:
    """Write predictions as a table with a header; lists are JSON in their cell."""
    table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()})


def check_format(out: Path) -> None:
    """Raise `InputError` unless predictions can be written to a file of that name."""
    if out.suffix not in FORMATS:
        raise InputError(f"predictions are written as {', '.join(FORMATS)}, not '{out.suffix}'")
    if not out.parent.is_dir():
        raise InputError(f"there is no folder '{out.parent}' to write '{out.name}' into")


def _rows(
    run: Run,
    proteins: Sequence[Protein],
    view: Embeddings,
    tokens: Tokens | None,
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
    found = Predictor([run])(digests, view, tokens)
    for protein, structure, score in zip(
        proteins, found.structure.tolist(), found.scores, strict=True
    ):
        row = {"id": protein.id, "length": len(protein), "structure": structure}
        yield {**row, **_prediction(score, run)}


def _prediction(score: Tensor, run: Run) -> dict[str, Any]:
    problem, classes = Problem(run.task["problem"]), run.task["classes"]
    if problem.is_regression:
        values = [round(v, 4) for v in score.reshape(-1).tolist()]
        return {"value": values if problem.per_residue else values[0]}
    if problem is Problem.MULTI_LABEL:
        over = [name for name, p in zip(classes, score.tolist(), strict=True) if p >= 0.5]
        return {"label": over} | {
            n: round(p, 4) for n, p in zip(classes, score.tolist(), strict=True)
        }
    best = score.argmax(-1).tolist()
    if problem.per_residue:
        chance = [round(p, 4) for p in score.amax(-1).tolist()]
        return {"label": [classes[place] for place in best], "probability": chance}
    probabilities = {f"p_{n}": round(p, 4) for n, p in zip(classes, score.tolist(), strict=True)}
    return {"label": classes[best]} | probabilities
