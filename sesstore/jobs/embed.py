"""Embed once: what a store knows and lacks, under one encoder.

The set of missing digests is worked out first (`plan_embedding`), so a repeated run starts no
model.
The encoder runs in this thread; casting and writing run in another, so that they overlap. Whatever
ends the run, a signal among them, what was finished is committed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..encoders.base import Encoder
from ..errors import InputError, StoppedError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..provenance import Provenance, circumstances
from ..residues import STORAGE_TYPES
from ..store import Store
from .signals import stop_requests
from .writing import BackgroundWriter


@dataclass(frozen=True)
class EmbedPlan:
    """What an embedding run would do.

    Parameters
    ----------
    proteins, already_stored : int
        Sequences asked for, and those of them the store has.
    todo : list of Protein
        The rest.
    bytes, free_bytes : int
        What they will take on disk, and what is free.
    """

    proteins: int
    already_stored: int
    todo: list[Protein]
    bytes: int
    free_bytes: int

    @property
    def residues(self) -> int:
        """Residues to encode."""
        return sum(map(len, self.todo))


@dataclass
class EmbedReport:
    """What an embedding run did; the keys of ``embed --json``."""

    encoder: str
    fingerprint: str
    proteins: int
    residues: int
    encoded: int
    already_stored: int
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def plan_embedding(
    store: Store,
    encoder: Encoder,
    proteins: Iterable[Protein] | None = None,
    *,
    dtype: str = "float16",
) -> EmbedPlan:
    """Work out what is missing, without running the encoder.

    Parameters
    ----------
    store : Store
        Where to look, and later write.
    encoder : Encoder
        Its fingerprint decides what counts as stored.
    proteins : iterable of Protein, optional
        What is asked for; every protein the store knows by default.
    dtype : str
        Storage type.

    Returns
    -------
    EmbedPlan
    """
    if dtype not in STORAGE_TYPES:
        raise InputError(f"storage type '{dtype}' is none of {', '.join(STORAGE_TYPES)}")
    asked = {p.digest: p for p in (store.proteins() if proteins is None else proteins)}
    stored = store.has_embeddings(encoder.fingerprint, asked)
    todo = [p for p, known in zip(asked.values(), stored, strict=True) if not known]
    residue_bytes = encoder.dim * np.dtype(dtype).itemsize + (2 if dtype == "int8" else 0)
    return EmbedPlan(
        proteins=len(asked),
        already_stored=len(asked) - len(todo),
        todo=todo,
        bytes=sum(map(len, todo)) * residue_bytes,
        free_bytes=shutil.disk_usage(store.path).free,
    )


def embed(
    store: Store,
    encoder: Encoder,
    proteins: Iterable[Protein] | None = None,
    *,
    dtype: str = "float16",
    plan: EmbedPlan | None = None,
    progress: Progress = SILENT,
) -> EmbedReport:
    """Encode what is missing and commit it to the store.

    Parameters
    ----------
    store, encoder, proteins, dtype
        As in `plan_embedding`. Proteins given here become known to the store.
    plan : EmbedPlan, optional
        A plan that was made already.
    progress : Progress
        Told about residues as they are encoded.

    Returns
    -------
    EmbedReport
        ``failed`` maps ids to reasons; nothing is skipped without one.

    Raises
    ------
    StoppedError
        A signal came; all that was finished is in the store.
    StorageFullError
        No space left; all segments committed before stay.
    """
    started = time.perf_counter()
    plan = begun(store, encoder, proteins, dtype, plan)
    report = EmbedReport(
        encoder=encoder.full_name,
        fingerprint=encoder.fingerprint.short,
        proteins=plan.proteins,
        residues=plan.residues,
        encoded=0,
        already_stored=plan.already_stored,
    )
    if plan.todo:
        done = _encode_all(store, encoder, plan, dtype, progress)
        report.encoded = len(done)
        report.failed = _failures(encoder, plan.todo, done)
    report.seconds = time.perf_counter() - started
    return report


def begun(
    store: Store,
    encoder: Encoder,
    proteins: Iterable[Protein] | None,
    dtype: str,
    plan: EmbedPlan | None,
) -> EmbedPlan:
    """Make the proteins known to the store and return the plan, made now if there is none yet."""
    if proteins is not None:
        proteins = list(proteins)
        store.add_proteins(proteins)
        store.flush()
    return plan or plan_embedding(store, encoder, proteins, dtype=dtype)


def provenance_of(encoder: Encoder, dtype: str) -> Provenance:
    """Return what is stored with embeddings by an encoder in some type."""
    return Provenance(
        fingerprint=encoder.fingerprint,
        dim=encoder.dim,
        dtype=dtype,
        licence=encoder.licence,
        citation=encoder.citation,
    )


def made_on(encoder: Encoder) -> dict[str, Any]:
    """Circumstances of a run, with what it runs on."""
    return {**circumstances("torch", "numpy", "zarr"), "device": device_of(encoder)}


def device_of(encoder: Encoder) -> str:
    """What an encoder runs on: what `plan` tells throughputs apart by."""
    device = getattr(encoder, "device", torch.device("cpu"))
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"


def _encode_all(
    store: Store, encoder: Encoder, plan: EmbedPlan, dtype: str, progress: Progress
) -> set[bytes]:
    provenance = provenance_of(encoder, dtype)
    done: set[bytes] = set()
    with (
        stop_requests() as stop,
        progress.stage(f"embedding with {encoder.name}", plan.residues, "residues") as bar,
        store.writer(provenance, made_on(encoder)) as writer,
        BackgroundWriter(writer, dtype) as background,
    ):
        for embedding in encoder.encode(plan.todo):
            background.put(embedding)
            done.add(embedding.digest)
            bar.advance(len(embedding))
            if stop:
                break
    if stop and len(done) < len(plan.todo):
        raise StoppedError(
            f"stopped by {stop.signal}: {len(done):,} of {len(plan.todo):,} proteins are encoded "
            f"and committed. Run the same command again to go on from there"
        )
    return done


def _failures(encoder: Encoder, todo: list[Protein], done: set[bytes]) -> dict[str, str]:
    reasons = getattr(encoder, "failures", {})
    return {
        p.id: reasons.get(p.digest, "the encoder returned nothing for it")
        for p in todo
        if p.digest not in done
    }
