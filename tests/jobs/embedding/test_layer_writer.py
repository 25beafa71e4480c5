"""Several layers by one pass: each under its own fingerprint, nothing twice, nothing lost."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.errors import StoppedError
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.missing_proteins import plan_embedding
from sesstore.proteins import Protein
from sesstore.store import Store

from .test_embed import Interrupting


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Encoder]:
    path = tmp_path_factory.mktemp("t6") / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(path, layers=6, dim=320)
    return lambda layers: registry.load("esm2_t6", weights=path, device="cpu", layers=layers)


def stored(store: Store, encoder: Encoder) -> dict[object, dict[bytes, np.ndarray]]:
    views = [store.embeddings(print_) for print_ in encoder.fingerprints]
    known = [p.digest for p in store.proteins()]
    return {v.provenance.fingerprint.layer: {d: v.get(d) for d in known} for v in views}


def test_one_pass_stores_what_a_pass_each_stores(
    tmp_path: Path, load: Callable[[str], Encoder], proteins: list[Protein]
) -> None:
    together, alone = (Store.create(tmp_path / name) for name in ("together", "alone"))
    encoder = load("2,last,mean:3")
    plan = plan_embedding(together, encoder, proteins)
    assert plan.bytes == 3 * sum(map(len, proteins)) * 320 * 2
    report = embed(together, encoder, plan=plan)
    assert report.encoded == len(proteins)
    assert report.layers == {str(f.layer): f.short for f in encoder.fingerprints}
    for layer in ("2", "last", "mean:3"):
        embed(alone, load(layer), proteins)
    own, each = stored(together, encoder), stored(alone, encoder)
    assert own.keys() == {2, 6, "mean:3"}
    for layer, values in own.items():
        for digest, rows in values.items():
            np.testing.assert_array_equal(rows, each[layer][digest])
    assert embed(together, encoder, proteins).already_stored == len(proteins)


def test_what_is_stored_of_one_layer_is_not_stored_twice(
    store: Store, load: Callable[[str], Encoder], proteins: list[Protein]
) -> None:
    embed(store, load("last"), proteins[:15])
    both = load("3,last")
    plan = plan_embedding(store, both, proteins)
    lacking = sum(map(len, proteins)) + sum(map(len, proteins[15:]))
    assert (plan.already_stored, plan.bytes) == (0, 2 * 320 * lacking)
    embed(store, both, plan=plan)
    for print_ in both.fingerprints:
        view = store.embeddings(print_)
        assert sum(len(segment.digests) for segment in view.segments) == len(view) == len(proteins)


def test_an_interrupted_pass_goes_on(
    store: Store, load: Callable[[str], Encoder], proteins: list[Protein]
) -> None:
    encoder = load("1,2")
    with pytest.raises(StoppedError, match="of 40 proteins are encoded and committed"):
        embed(store, encoder, proteins, progress=Interrupting(signal.SIGTERM))
    done = [len(store.embeddings(print_)) for print_ in encoder.fingerprints]
    assert 0 < done[0] == done[1] < len(proteins)
    assert embed(store, encoder, proteins).already_stored == done[0]
    assert all(len(store.embeddings(print_)) == len(proteins) for print_ in encoder.fingerprints)
