"""How fast an encoder is: from what it wrote, or by a probe."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.jobs.embedding import throughput
from sesstore.jobs.embedding.plan import measured_in, tokens_and_flops
from sesstore.jobs.embedding.protein_sets import counted_set
from sesstore.jobs.embedding.throughput import measure_throughput
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding
from sesstore.store import Store
from sesstore.store.segment_writer import PendingSegment


def test_measured_throughput_comes_from_the_segments(tmp_path, monkeypatch):
    store, spec = Store.create(tmp_path / "s"), registry.spec("near")
    fingerprint = Fingerprint(spec.full_name, "ab" * 32, 8, "x", "whole", "fp32")
    monkeypatch.setattr(PendingSegment, "age", property(lambda self: 4.0))
    for count in (100, 7):
        with store.writer(Provenance(fingerprint, 2), {"device": "gpu"}) as writer:
            writer.add(Embedding(bytes([count]) * 32, np.zeros((count, 2), np.float16)))
    with store.writer(Provenance(fingerprint, 2), {}) as writer:  # such as a pulled one
        writer.add(Embedding(bytes([9]) * 32, np.zeros((9, 2), np.float16)))
    (rate,) = measured_in(store, spec)
    assert rate.title == "gpu"
    assert rate.flops_per_second == pytest.approx(2 * spec.parameters * 107 / 8)


def test_the_latest_segments_tell(tmp_path, monkeypatch):
    store, spec = Store.create(tmp_path / "s"), registry.spec("near")
    fingerprint = Fingerprint(spec.full_name, "ab" * 32, 8, "x", "whole", "fp32")
    monkeypatch.setattr("sesstore.jobs.embedding.plan._SAMPLE", 1)
    for age, count in ((9.0, 1), (2.0, 5)):
        monkeypatch.setattr(PendingSegment, "age", property(lambda self, age=age: age))
        with store.writer(Provenance(fingerprint, 2), {"device": "gpu"}) as writer:
            writer.add(Embedding(bytes([count]) * 32, np.zeros((count, 2), np.float16)))
    (rate,) = measured_in(store, spec)
    assert rate.flops_per_second == pytest.approx(2 * spec.parameters * 5 / 2)


def test_a_segment_of_less_than_a_second_tells_nothing(tmp_path, monkeypatch):
    store, spec = Store.create(tmp_path / "s"), registry.spec("near")
    fingerprint = Fingerprint(spec.full_name, "ab" * 32, 8, "x", "whole", "fp32")
    for age, count in ((0.9, 1), (1.0, 2)):
        monkeypatch.setattr(PendingSegment, "age", property(lambda self, age=age: age))
        with store.writer(Provenance(fingerprint, 2), {"device": "gpu"}) as writer:
            writer.add(Embedding(bytes([count]) * 32, np.zeros((count, 2), np.float16)))
    (rate,) = measured_in(store, spec)
    assert rate.flops_per_second == pytest.approx(2 * spec.parameters * 2 / 1.0)


def test_a_probe_runs_the_encoder(tmp_path):
    path = tmp_path / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(path, layers=6, dim=320)
    rate = measure_throughput(
        registry.spec("esm2_t6"), counted_set("x", [30, 40]), weights=path, seconds=0.03
    )
    assert rate.title.startswith("this machine (")
    assert rate.flops_per_second > 0


@pytest.mark.parametrize(("seconds", "passes"), [(120.0, [8, 8]), (121.0, [8, 8, 16])])
def test_a_probe_takes_ever_more_until_it_took_a_third_of_the_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float, passes: list[int]
) -> None:
    """Half a second a residue, of proteins of ten; the slow first pass is not counted."""
    clock, counts, loads = SimpleNamespace(now=0.0), list[int](), list[object]()

    def encode(proteins):
        counts.append(len(proteins))
        assert {len(protein) for protein in proteins} == {10}
        for protein in proteins:
            clock.now += len(protein) * (1.0 if len(counts) == 1 else 0.5)
            yield protein

    def load(name, **settings):
        loads.append((name, settings))
        return SimpleNamespace(encode=encode, device=torch.device("cpu"))

    monkeypatch.setattr(throughput.registry, "load", load)
    monkeypatch.setattr(throughput, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    spec = registry.spec("esm2_t6")
    weights = "w.pt"
    rate = measure_throughput(spec, counted_set("x", [10]), weights=weights, seconds=seconds)
    assert loads == [("esm2_t6", {"weights": weights})]
    assert counts == passes
    _, flops = tokens_and_flops(spec, 10)
    assert rate.flops_per_second == pytest.approx(flops / 5)
    taken = 5.0 * passes[-1]
    assert rate.basis == f"measured: 2 residues/s in {taken:.1f} s"
