"""All layers of a sample of a task's proteins, in memory: what a probe reads.

Of a task about proteins the mean over residues is kept, one row a protein and layer; of a task
about residues their rows, as float16.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..encoders.base import Encoder
from ..errors import InputError
from ..jobs.predicting.embedding_source import InMemoryEmbeddings
from ..memory import available_memory
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import Provenance
from ..residues import to_storage
from ..tasks import Task, part_of

SMALLEST_SPLIT = 10
"""Rows of a split that are drawn at least, where it has so many."""


def draw_sample(task: Task, count: int, *, seed: int = 0) -> Task:
    """Return a task of about so many rows, drawn from each split by its share.

    Parameters
    ----------
    task : Task
    count : int
        Rows of all splits together; a split has `SMALLEST_SPLIT` at least.
    seed : int
        Of the draw.
    """
    rng, total = np.random.default_rng(seed), sum(map(len, task.splits.values()))
    splits = {}
    for name, split in task.splits.items():
        size = min(len(split), max(round(count * len(split) / total), SMALLEST_SPLIT))
        splits[name] = part_of(split, np.sort(rng.permutation(len(split))[:size]))
    return replace(task, splits=splits)


def embed_sample(
    encoder: Encoder, proteins: list[Protein], *, per_residue: bool, progress: Progress = SILENT
) -> list[InMemoryEmbeddings]:
    """Encode proteins once; return what a linear model reads of each layer.

    Parameters
    ----------
    encoder : Encoder
        With the layers to keep.
    proteins : list of Protein
    per_residue : bool
        Keep each residue's row; else their mean.

    Returns
    -------
    list of InMemoryEmbeddings
        One a layer, in the order of the encoder's fingerprints; a mean is an embedding of one row.

    Raises
    ------
    InputError
        They do not fit memory, or a protein could not be encoded.
    """
    layers, residues = len(encoder.fingerprints), sum(map(len, proteins))
    size = layers * encoder.dim * (2 * residues if per_residue else 4 * len(proteins))
    if size > available_memory() // 2:
        raise InputError(
            f"{layers} layers of {len(proteins):,} proteins take {size / 1e9:.1f} GB of memory, "
            f"more than half of what is free. Give fewer with --probe-proteins or --layer"
        )
    values: list[dict[bytes, NDArray[np.generic]]] = [{} for _ in range(layers)]
    with progress.stage(f"embedding with {encoder.name}", residues, "residues") as bar:
        for embedding in encoder.encode(proteins):
            rows = (
                to_storage(embedding, "float16").values
                if per_residue
                else embedding.values.mean(0, dtype=np.float32, keepdims=True)
            )
            values[embedding.output][embedding.digest] = rows
            if embedding.output == layers - 1:
                bar.advance(len(embedding))
    if lost := [protein.id for protein in proteins if protein.digest not in values[-1]]:
        raise InputError(
            f"{len(lost)} of {len(proteins):,} proteins could not be encoded ({lost[0]} among "
            f"them). Give fewer with --probe-proteins, or use a machine with more memory"
        )
    dtype = "float16" if per_residue else "float32"
    return [
        InMemoryEmbeddings(Provenance(print_, encoder.dim, dtype), of_layer)
        for print_, of_layer in zip(encoder.fingerprints, values, strict=True)
    ]
