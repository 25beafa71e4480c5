"""Embed the proteins of a store as settings say: by this process, a job array, or a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..encoders import registry
from ..encoders.folder_spec import is_folder_name
from ..encoders.layer_names import layers_of, parse_layers
from ..errors import InputError
from ..progress import SILENT, Progress
from ..proteins import Protein
from ..store import Store
from .cluster.connection import Cluster
from .embedding.partition import Partition, select

if TYPE_CHECKING:
    from ..encoders.base import Encoder
    from ..encoders.catalogue import StructureSource
    from .embedding.embed import EmbedReport
    from .embedding.missing_proteins import EmbedPlan


@dataclass(frozen=True)
class EmbedSettings:
    """By what to embed, how, and where; the options of ``sesstore embed``.

    Parameters
    ----------
    plm : str
        Name of the encoder; with `means` also of one whose embeddings were imported.
    layers, weights, device, threads, precision, long
        See `encoders.registry.load`.
    dtype : str
        Type the values are stored in, see `residues.STORAGE_TYPES`.
    means : bool
        Keep only the mean of each protein; residues that are stored are not computed again.
    source : str, optional
        Of the structure tokens that the encoder reads; the store's only one by default.
    min_plddt : int
        Those tokens are masked where a residue has less, 0 to 100.
    partition : Partition, optional
        The part of the proteins that this process does; all by default.
    cluster : Cluster, optional
        Of Ray, whose workers do it; this process by default.

    Raises
    ------
    UnknownNameError
        There is no such encoder.
    InputError
        The encoder has no such layer, or the layer is named twice.
    """

    plm: str
    layers: str | None = None
    weights: Path | None = None
    device: str | None = None
    threads: int | None = None
    precision: str | None = None
    long: str = "windows"
    dtype: str = "float16"
    means: bool = False
    source: str | None = None
    min_plddt: int = 0
    partition: Partition | None = None
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        _ = self.encoder_name
        layers_of(self.plm, self.layers)  # refuses two that may differ
        if self.layers is not None:
            parse_layers(self.layers, registry.spec(self.plm))

    @property
    def encoder_name(self) -> str:
        """The encoder's short name, or what was given where residues of any name will do."""
        return self.plm if self.means else registry.short_name(self.plm)

    @property
    def encoder_options(self) -> dict[str, Any]:
        """What `encoders.registry.load` takes, here and in workers."""
        return {
            "weights": self.weights,
            "long": self.long,
            "precision": self.precision,
            "layers": self.layers,
        }


def embed_store(
    store: Store,
    settings: EmbedSettings,
    proteins: Iterable[Protein] | None = None,
    *,
    location: str | None = None,
    progress: Progress = SILENT,
) -> EmbedReport:
    """Encode what a store knows and lacks, and commit it.

    Parameters
    ----------
    store : Store
    settings : EmbedSettings
    proteins : iterable of Protein, optional
        What is asked for; every protein the store knows by default. They become known to it,
        unless they are of a `partition`: then it must know them.
    location : str, optional
        URL of the store, if it has one.
    progress : Progress
        Told what will be done, and about residues as they are encoded.

    Returns
    -------
    EmbedReport
        ``failed`` maps ids to reasons; nothing is skipped without one.

    Raises
    ------
    WeightsError, MissingExtraError
        The encoder cannot be run here.
    InputError
        It reads structure tokens and the store has none, or workers would have to read them; or a
        partition's proteins are not known to the store.
    ClusterError
        There is no such cluster, or its workers die one after the other.
    StoppedError
        A signal came; all that was finished is in the store.
    StorageFullError
        No space left; all segments committed before stay.
    """
    from .embedding.structure_source import structure_source

    if is_folder_name(settings.plm):
        progress.note(
            f"{settings.plm} runs by its library's forward, on padded batches: slow beside the "
            f"encoders of `sesstore plms`"
        )
    if settings.partition is not None:
        proteins = selected = select(store, proteins, settings.partition)
        progress.note(f"partition {settings.partition}: {len(selected):,} sequences")
    elif "SLURM_ARRAY_TASK_ID" in os.environ:
        progress.note("this task of a Slurm job array does all; its part only: --partition slurm")
    structure = structure_source(store, settings.encoder_name, settings.source, settings.min_plddt)
    if settings.cluster is None:
        return _embed_here(store, settings, proteins, structure, location, progress)
    if structure is not None:
        raise InputError(
            f"{settings.plm} reads the store's structure tokens, which Ray's workers have not. Use "
            f"--partition instead"
        )
    return _embed_on_ray(store, settings, settings.cluster, proteins, location, progress)


def _embed_here(
    store: Store,
    settings: EmbedSettings,
    proteins: Iterable[Protein] | None,
    structure: StructureSource | None,
    location: str | None,
    progress: Progress,
) -> EmbedReport:
    from .embedding.embed import embed
    from .embedding.means import means_of
    from .embedding.structure_source import coverage_note

    load: Callable[..., Encoder] = partial(
        registry.load, settings.encoder_name, device=settings.device, threads=settings.threads,
        structure=structure, **settings.encoder_options,
    )  # fmt: skip
    if settings.means:
        load = partial(means_of, store, settings.encoder_name, load)
    encoder = load()
    plan = _plan(store, settings, encoder, proteins, location, progress)
    if structure is not None and plan.todo:
        progress.note(coverage_note(store, structure.name, plan.todo.digests))
    return embed(
        store, encoder, dtype=settings.dtype, plan=plan,
        make_reference=partial(load, precision="fp32"), progress=progress,
    )  # fmt: skip


def _embed_on_ray(
    store: Store,
    settings: EmbedSettings,
    cluster: Cluster,
    proteins: Iterable[Protein] | None,
    location: str | None,
    progress: Progress,
) -> EmbedReport:
    from .cluster.connection import connected
    from .cluster.ray_embed import embed_on_ray, encoder_for_workers
    from .embedding.means import MeanEncoder, mean_encoder

    with connected(cluster) as ray:
        encoder, make_encoder, gpus = encoder_for_workers(
            ray, settings.encoder_name, cluster, device=settings.device, **settings.encoder_options
        )
        if settings.means:
            encoder, make_encoder = MeanEncoder(encoder), partial(mean_encoder, make_encoder)
        plan = _plan(store, settings, encoder, proteins, location, progress)
        # Workers open a folder by its own path.
        return embed_on_ray(
            store, encoder, make_encoder, location=location, dtype=settings.dtype, plan=plan,
            cluster=cluster, gpus=gpus, progress=progress,
        )  # fmt: skip


def _plan(
    store: Store,
    settings: EmbedSettings,
    encoder: Encoder,
    proteins: Iterable[Protein] | None,
    location: str | None,
    progress: Progress,
) -> EmbedPlan:
    """Work out what is missing, and say it."""
    from .embedding.missing_proteins import plan_embedding

    # Proteins of a partition are known to the store, and must not be written by many machines.
    all_stored = settings.partition is not None
    plan = plan_embedding(store, encoder, proteins, dtype=settings.dtype, all_stored=all_stored)
    progress.note(plan.sentence(encoder.name, location))
    return plan
