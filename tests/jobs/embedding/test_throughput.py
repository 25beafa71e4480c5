"""How fast an encoder is: from what it wrote, or by a probe."""

from __future__ import annotations

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.jobs.embedding.plan import (
    measured_in,
)
from sesstore.jobs.embedding.protein_sets import (
    counted_set,
)
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
