"""Reckon what embedding a set of proteins takes, before anything is started.

Work is counted as two operations a weight and token, and four times length squared times width a
layer for attention (Kaplan et al. 2020, arXiv:2001.08361, section 2.1). GPU-hours follow from peak
figures and an assumed utilisation, and from what segments of a store say they took. Nothing here
imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any

import numpy as np

from ...encoders.catalogue import EncoderSpec
from ...encoders.layer_names import depth_of
from ...encoders.windows import starts
from ...provenance import Layer
from ...store import Store, layout
from ...store.segment_writer import SEGMENT_BYTES, SEGMENT_SECONDS
from ...store.segments import Segment
from .protein_sets import ProteinSet, planning_table

GIGABIT = 1e9 / 8
_SAMPLE = 200
"""Segments whose times are read, the latest ones."""


@dataclass(frozen=True)
class DeviceTime:
    """Time on one kind of device.

    Parameters
    ----------
    title : str
    hours : float
        Of one device.
    basis : str
        Where that comes from.
    segments : int
        How many it writes if one does all: by size, or one every `SEGMENT_SECONDS`.
    """

    title: str
    hours: float
    basis: str
    segments: int


@dataclass
class WorkPlan:
    """What embedding takes; the keys of ``plan --json``.

    Parameters
    ----------
    encoder, proteins_of, source : str
        The encoder, the set, and where its figures come from.
    exact : bool
        Whether lengths were counted.
    proteins, residues, tokens : int
        Tokens are what the encoder reads: windows overlap, and each piece has a start and an end.
    flops : float
    devices : list of DeviceTime
    bytes : dict of str to int
        Of the values by storage type.
    mean_bytes : dict of str to int
        By storage type, where only the means of proteins are kept.
    segments : dict of str to int
        By storage type, where each is full (512 MiB).
    index_bytes : int
        Memory of an opened store: digests, and where each protein lies.
    sequence_bytes : int
        About what the sequences take in LMDB.
    transfer_hours : dict of str to dict
        By storage type: at 1 and 10 Gbit/s.
    transfer_price : dict of str to float
        By storage type, at the price that was given for a gigabyte.
    layers : list of int or str
        Those that are kept; bytes and segments are of all of them.
    """

    encoder: str
    proteins_of: str
    source: str
    exact: bool
    proteins: int
    residues: int
    tokens: int
    flops: float
    devices: list[DeviceTime] = field(default_factory=list)
    bytes: dict[str, int] = field(default_factory=dict)
    mean_bytes: dict[str, int] = field(default_factory=dict)
    segments: dict[str, int] = field(default_factory=dict)
    index_bytes: int = 0
    sequence_bytes: int = 0
    transfer_hours: dict[str, dict[str, float]] = field(default_factory=dict)
    transfer_price: dict[str, float] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Throughput:
    """What a device was measured to do.

    Parameters
    ----------
    title : str
        What the device calls itself.
    flops_per_second : float
    basis : str
        What was measured.
    """

    title: str
    flops_per_second: float
    basis: str


INDEX_BYTES = 32 + 8 + 8 + 8 + 8 + 4
"""Of one protein in memory: digest, sorted key and order, start, length, segment."""

SEQUENCE_BYTES = 950
"""Of one protein in ``proteins.lmdb`` beside its letters (digest, id, half-filled pages), measured
with 60,000 proteins; ``benchmarks.scaling`` prints it."""


def tokens_and_flops(spec: EncoderSpec, length: int, depth: int | None = None) -> tuple[int, int]:
    """What an encoder reads and computes for one protein.

    Parameters
    ----------
    spec : EncoderSpec
    length : int
        Residues of the protein, in windows where it is longer than the encoder's.
    depth : int, optional
        How many layers run; all by default.

    Returns
    -------
    (int, int)
        Tokens; floating-point operations of matrix products (0 for a lookup).
    """
    pieces = len(starts(length, spec.window, "windows"))
    size = min(length, spec.window or length) + len(spec.reading.before) + len(spec.reading.after)
    attention = 4 * spec.layers * size * size * spec.dim if spec.heads else 0
    flops = pieces * (2 * spec.parameters * size + attention)
    share = 1.0 if depth is None or not spec.layers else depth / spec.layers
    return pieces * size, int(flops * share)


def plan_work(
    spec: EncoderSpec,
    proteins: ProteinSet,
    measured: Iterable[Throughput] = (),
    *,
    layers: Sequence[Layer] | None = None,
    price_per_gb: float | None = None,
) -> WorkPlan:
    """Reckon what embedding takes.

    Parameters
    ----------
    spec : EncoderSpec
    proteins : ProteinSet
    measured : iterable of Throughput
        What devices were measured to do with this encoder; see `measured_in`.
    layers : sequence of int or str, optional
        Which are kept; the last by default.
    price_per_gb : float, optional
        What moving a gigabyte (1e9 bytes) costs, in any currency.
    """
    stored_layers = (spec.layers,) if layers is None else tuple(layers)
    depth = depth_of(stored_layers, spec)
    costs = [tokens_and_flops(spec, int(length), depth) for length in proteins.lengths]
    tokens = sum(int(n) * t for n, (t, _) in zip(proteins.counts, costs, strict=True))
    flops = sum(int(n) * f for n, (_, f) in zip(proteins.counts, costs, strict=True))
    plan = WorkPlan(
        encoder=spec.full_name,
        proteins_of=proteins.title,
        source=proteins.source,
        exact=proteins.exact,
        proteins=proteins.proteins,
        residues=proteins.residues,
        tokens=tokens,
        flops=float(flops),
        index_bytes=proteins.proteins * INDEX_BYTES,
        sequence_bytes=proteins.residues + proteins.proteins * SEQUENCE_BYTES,
        layers=list(stored_layers),
    )
    rows = {"float16": 2 * spec.dim, "float32": 4 * spec.dim, "int8": spec.dim + 2}
    for dtype, row in rows.items():
        size = proteins.residues * row * len(stored_layers)
        plan.bytes[dtype] = size
        plan.mean_bytes[dtype] = proteins.proteins * row * len(stored_layers)
        plan.segments[dtype] = ceil(size / SEGMENT_BYTES)
        hours = size / GIGABIT / 3600
        plan.transfer_hours[dtype] = {"1_gbit": hours, "10_gbit": hours / 10}
        if price_per_gb is not None:
            plan.transfer_price[dtype] = size / 1e9 * price_per_gb
    rates = [*measured, *_assumed_throughputs()] if flops else []
    plan.devices = [_device_time(plan, rate) for rate in rates]
    return plan


def _assumed_throughputs() -> list[Throughput]:
    """Throughputs from peak figures and assumed utilisation."""
    return [
        Throughput(
            device["title"],
            1e12 * device["tflops"] * device["utilisation"],
            f"assumed: {device['utilisation']:.0%} of {device['tflops']} TFLOP/s",
        )
        for device in planning_table()["devices"].values()
    ]


def _device_time(plan: WorkPlan, throughput: Throughput) -> DeviceTime:
    seconds = plan.flops / throughput.flops_per_second
    segments = max(plan.segments["float16"], ceil(seconds / SEGMENT_SECONDS))
    return DeviceTime(throughput.title, seconds / 3600, throughput.basis, segments)


def measured_in(store: Store, spec: EncoderSpec) -> list[Throughput]:
    """What the latest segments of a store by an encoder say they took, by device.

    A segment's time runs from its first embedding to its end, so waiting for the store counts, and
    loading the encoder does not. Segments that are too small to tell (below a second), merged or
    pulled ones are left out, and so are layers before the last, which may have come along with it.
    """
    totals: dict[str, list[float]] = {}
    last = (spec.full_name, spec.layers)
    stored = [provenance.fingerprint for provenance in store.residue_encoders()]
    for fingerprint in (f for f in stored if (f.encoder, f.layer) == last):
        folder = store.encoder_folder(fingerprint)
        for path in layout.segment_folders(folder)[-_SAMPLE:]:
            segment = Segment(path)
            circumstances, seconds = (
                segment.attributes["circumstances"],
                segment.attributes.get("seconds"),
            )
            if "device" in circumstances and seconds is not None and seconds >= 1:
                lengths = np.diff(segment.offsets)
                flops = sum(tokens_and_flops(spec, int(n))[1] for n in lengths)
                sums = totals.setdefault(circumstances["device"], [0.0, 0.0, 0.0])
                sums[0] += flops
                sums[1] += seconds
                sums[2] += float(lengths.sum())
    return [
        Throughput(device, flops / seconds, f"measured: {residues / seconds:,.0f} residues/s here")
        for device, (flops, seconds, residues) in totals.items()
        if flops
    ]
