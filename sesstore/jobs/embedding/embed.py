"""Embed once: what a store knows and lacks, under one encoder and the layers of it that are kept.

The set of missing digests is worked out first (`missing_proteins`), so a repeated run starts no
model. The encoder runs in this thread; casting and writing run in another, so that they overlap.
Whatever ends the run, a signal among them, what was finished is committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from ...encoders.base import Encoder
from ...encoders.devices import HALF_PRECISIONS
from ...errors import StoppedError
from ...failures import list_failures
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...provenance import Provenance, circumstances
from ...store import Store
from ..signals import stop_requests
from .background_writer import BackgroundWriter
from .layer_writer import LayerWriter
from .missing_proteins import EmbedPlan, plan_embedding
from .precision_cost import PrecisionCost, measure_precision


@dataclass
class EmbedReport:
    """What an embedding run did; the keys of ``embed --json``.

    Parameters
    ----------
    encoder : str
    fingerprint : str
        Of the first layer, the only one as a rule.
    proteins, residues : int
        Asked for, and to encode.
    encoded, already_stored : int
        Proteins; stored are those that are under every layer.
    failed : dict of str to str
        Id to reason.
    seconds : float
    layers : dict of str to str
        Layer to fingerprint.
    precision_cost : PrecisionCost, optional
        How near half precision is to float32, where that was measured.
    """

    encoder: str
    fingerprint: str
    proteins: int
    residues: int
    encoded: int
    already_stored: int
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    layers: dict[str, str] = field(default_factory=dict)
    precision_cost: PrecisionCost | None = None


def layer_fingerprints(encoder: Encoder) -> dict[str, str]:
    """Short fingerprint of each layer an encoder keeps."""
    return {str(print_.layer): print_.short for print_ in encoder.fingerprints}


def embed(
    store: Store,
    encoder: Encoder,
    proteins: Iterable[Protein] | None = None,
    *,
    dtype: str = "float16",
    plan: EmbedPlan | None = None,
    make_reference: Callable[[], Encoder] | None = None,
    progress: Progress = SILENT,
) -> EmbedReport:
    """Encode what is missing and commit it to the store.

    Parameters
    ----------
    store, encoder, proteins, dtype
        As in `plan_embedding`. Proteins given here become known to the store.
    plan : EmbedPlan, optional
        A plan that was made already.
    make_reference : callable, optional
        Makes the same encoder in float32; where `encoder` computes in half precision, a few
        proteins are encoded by both, and `progress` is told how near they are.
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
    start = time.perf_counter()
    plan = plan or plan_embedding(store, encoder, proteins, dtype=dtype)
    report = EmbedReport(
        encoder=encoder.full_name,
        fingerprint=encoder.fingerprint.short,
        proteins=plan.proteins,
        residues=plan.residues,
        encoded=0,
        already_stored=plan.already_stored,
        layers=layer_fingerprints(encoder),
    )
    if plan.todo:
        if make_reference is not None and encoder.fingerprint.precision in HALF_PRECISIONS:
            report.precision_cost = _precision_cost(encoder, plan, make_reference, progress)
        report.encoded, report.failed = _encode_all(store, encoder, plan, dtype, progress)
    report.seconds = time.perf_counter() - start
    return report


def _precision_cost(
    encoder: Encoder, plan: EmbedPlan, make_reference: Callable[[], Encoder], progress: Progress
) -> PrecisionCost | None:
    try:
        cost = measure_precision(encoder, plan.todo, make_reference)
    except MemoryError as problem:
        progress.note(f"how near half precision is to float32 was not measured: {problem}")
        return None
    progress.note(cost.sentence)
    return cost


def provenances_of(encoder: Encoder, dtype: str) -> tuple[Provenance, ...]:
    """Return what is stored with embeddings of each layer of an encoder in some type."""
    return tuple(
        Provenance(fingerprint, encoder.dim, dtype, encoder.licence, encoder.citation)
        for fingerprint in encoder.fingerprints
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
) -> tuple[int, dict[str, str]]:
    """Encode chunk by chunk; return how many were, and why others were not, by id."""
    encoded, failed, last = 0, dict[str, str](), len(encoder.fingerprints) - 1
    with (
        stop_requests() as stop,
        progress.stage(f"embedding with {encoder.name}", plan.residues, "residues") as bar,
        LayerWriter(store, provenances_of(encoder, dtype), made_on(encoder)) as writer,
        BackgroundWriter(writer, dtype) as background,
    ):
        for chunk in plan.todo.chunks():
            digests: set[bytes] = set()
            lengths = {protein.digest: len(protein) for protein in chunk}
            for embedding in encoder.encode(chunk):
                background.write(embedding)
                if embedding.output < last:
                    continue
                digests.add(embedding.digest)
                bar.advance(lengths[embedding.digest])
                if stop:
                    break
            encoded += len(digests)
            if stop:
                break
            reasons = failure_reasons(encoder, chunk, digests)
            list_failures(failed, chunk, reasons)
    if stop and encoded + len(failed) < len(plan.todo):
        raise StoppedError(
            f"stopped by {stop.signal}: {encoded:,} of {len(plan.todo):,} proteins are encoded "
            f"and committed. Run the same command again to go on from there"
        )
    return encoded, failed


def failure_reasons(
    encoder: Encoder, proteins: Iterable[Protein], encoded: Container[bytes]
) -> dict[bytes, str]:
    """Why an encoder gave no embedding of some proteins, by digest.

    Parameters
    ----------
    encoder : Encoder
        After it was run on them.
    proteins : iterable of Protein
        What it was given.
    encoded : container of bytes
        Digests of those it gave an embedding of.
    """
    reasons = getattr(encoder, "failures", {})
    return {
        protein.digest: reasons.get(protein.digest, "the encoder returned nothing for it")
        for protein in proteins
        if protein.digest not in encoded
    }
