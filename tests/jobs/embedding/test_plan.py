from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.encoders.windows import cut
from sesstore.jobs.embedding import plan as plan_module
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.plan import (
    SEQUENCE_BYTES,
    Throughput,
    measured_in,
    plan_work,
    tokens_and_flops,
)
from sesstore.jobs.embedding.protein_sets import (
    counted_set,
    planning_table,
)
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.store.segment_writer import SEGMENT_BYTES, SEGMENT_SECONDS


@pytest.mark.parametrize("length", [1, 300, 1022, 1023, 5000])
def test_tokens_are_what_the_encoder_reads(length):
    spec = registry.spec("esm2_t6")
    pieces = list(cut(Protein("p", "A" * length), spec.window, "windows"))
    assert tokens_and_flops(spec, length)[0] == sum(len(piece) + 2 for piece in pieces)


@pytest.mark.parametrize("length", [300, 1022, 1023, 5000])
def test_work_is_that_of_every_piece(length):
    """Two operations a weight and token; 4 length^2 width of attention a layer, in each window."""
    spec = registry.spec("esm2_t6")
    pieces = list(cut(Protein("p", "A" * length), spec.window, "windows"))
    sizes = [len(piece) + 2 for piece in pieces]
    expected = sum(2 * spec.parameters * n + 4 * spec.layers * n**2 * spec.dim for n in sizes)
    assert tokens_and_flops(spec, length)[1] == expected
    assert len(pieces) == (1 if length <= 1022 else -(-(length - 256) // (1022 - 256)))


def test_a_plan_adds_up_what_each_length_takes():
    spec = registry.spec("esm2_t6")
    plan = plan_work(spec, counted_set("x", [30, 30, 5000]))
    each = [tokens_and_flops(spec, n) for n in (30, 30, 5000)]
    assert (plan.tokens, plan.flops) == (sum(t for t, _ in each), sum(f for _, f in each))
    assert (plan.proteins, plan.residues, plan.exact) == (3, 5060, True)
    assert plan.bytes == {"float16": 5060 * 640, "float32": 5060 * 1280, "int8": 5060 * 322}
    assert plan.segments == {"float16": 1, "float32": 1, "int8": 1}
    assert plan.sequence_bytes == 5060 + 3 * SEQUENCE_BYTES
    for device in plan.devices:
        title = next(d for d in planning_table()["devices"].values() if d["title"] == device.title)
        rate = 1e12 * title["tflops"] * title["utilisation"]
        assert device.hours == pytest.approx(plan.flops / rate / 3600)
        assert device.segments == 1


def test_a_device_writes_a_segment_every_so_often():
    """By size or by time, whichever makes more."""
    spec, many = registry.spec("esm2_t6"), counted_set("x", [300] * 10_000)
    slow = Throughput("slow", 1e9, "measured")
    plan = plan_work(spec, many, [slow])
    assert plan.devices[0].title == "slow"
    seconds = plan.flops / 1e9
    assert plan.devices[0].segments == math.ceil(seconds / SEGMENT_SECONDS) > 1
    assert plan.segments["float16"] == math.ceil(plan.bytes["float16"] / SEGMENT_BYTES) == 4
    assert plan_work(spec, many, [replace(slow, flops_per_second=1e30)]).devices[0].segments == 4


def test_work_is_within_a_tenth_of_what_the_encoder_counts(tmp_path):
    """The parameters of the table hold biases and the embedding of letters, too."""
    path = tmp_path / "esm2_t12_35M_UR50D.pt"
    write_random_esm2(path, layers=12, dim=480)
    encoder = registry.load("esm2_t12", weights=path, device="cpu")
    for length in (50, 300, 1000):
        reckoned = tokens_and_flops(registry.spec("esm2_t12"), length)[1]
        assert reckoned == pytest.approx(encoder.flops(length), rel=0.1)


def test_transfer():
    plan = plan_work(registry.spec("near"), counted_set("x", [1_000_000]), price_per_gb=2)
    assert plan.transfer_hours["float16"]["1_gbit"] == pytest.approx(0.512e9 * 8 / 1e9 / 3600)
    assert plan.transfer_hours["float16"]["10_gbit"] == pytest.approx(0.512 * 8 / 3600 / 10)
    assert plan.transfer_price["int8"] == pytest.approx(2 * 0.258)


def test_embedding_says_what_it_ran_on(tmp_path):
    store = Store.create(tmp_path / "s")
    embed(store, registry.load("onehot"), [Protein("a", "MKV")])
    attributes = store.embeddings().segments[0].attributes
    assert attributes["circumstances"]["device"].startswith("cpu, ")
    assert attributes["seconds"] >= 0


def test_what_is_kept_is_of_every_layer_and_of_every_protein():
    spec = registry.spec("esm2_t6")
    sets = counted_set("x", [30, 70])
    last, two = plan_work(spec, sets), plan_work(spec, sets, layers=[3, 6])
    assert two.bytes == {dtype: 2 * size for dtype, size in last.bytes.items()}
    assert last.mean_bytes == {"float16": 2 * 640, "float32": 2 * 1280, "int8": 2 * 322}
    assert two.mean_bytes["int8"] == 2 * last.mean_bytes["int8"]
    assert (last.index_bytes, last.layers, two.layers) == (2 * 68, [6], [3, 6])
    assert two.flops == last.flops
    half = plan_work(spec, sets, layers=[3])
    assert half.flops == pytest.approx(last.flops / 2, rel=1e-6)
    assert half.transfer_price == {}
    assert plan_work(registry.spec("onehot"), sets).devices == []


@pytest.mark.parametrize(
    ("seconds", "device", "counts"),
    [(1.0, "A", True), (0.99, "A", False), (None, "A", False), (9.0, None, False)],
)
def test_segments_that_say_how_long_they_took(monkeypatch, seconds, device, counts):
    spec = registry.spec("esm2_t6")
    attributes = {"circumstances": {"device": device} if device else {}, "seconds": seconds}
    segment = SimpleNamespace(attributes=attributes, offsets=np.array([0, 100, 300]))
    monkeypatch.setattr(plan_module, "Segment", lambda path: segment)
    monkeypatch.setattr(plan_module.layout, "segment_folders", lambda folder: ["a", "b"])
    layers = [SimpleNamespace(encoder=spec.full_name, layer=n) for n in (5, 6)]
    store = SimpleNamespace(
        residue_encoders=lambda: [SimpleNamespace(fingerprint=f) for f in layers],
        encoder_folder=lambda fingerprint: fingerprint,
    )
    measured = measured_in(store, spec)
    assert bool(measured) is counts
    if counts:
        flops = sum(tokens_and_flops(spec, n)[1] for n in (100, 200))
        assert measured == [Throughput("A", flops, "measured: 300 residues/s here")]
