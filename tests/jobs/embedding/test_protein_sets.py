"""Sets of proteins that a plan is made for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from sesstore.encoders import registry
from sesstore.encoders.published import SPECS
from sesstore.errors import UnknownNameError
from sesstore.jobs.embedding.plan import (
    INDEX_BYTES,
    plan_work,
)
from sesstore.jobs.embedding.protein_sets import (
    named_set,
    named_sets,
    protein_set,
)
from sesstore.store import Store

from ..conftest import labelled


@pytest.mark.parametrize("name", named_sets())
@pytest.mark.parametrize("plm", SPECS)
def test_named_sets(name, plm):
    one = named_set(name)
    assert one.counts.sum() == one.proteins
    assert (one.lengths * one.counts).sum() == one.residues
    assert one.source
    plan = plan_work(registry.spec(plm), one)
    assert not plan.exact
    assert plan.bytes["float16"] == 2 * registry.spec(plm).dim * one.residues
    assert plan.index_bytes == INDEX_BYTES * one.proteins
    assert bool(plan.devices) == bool(registry.spec(plm).parameters)


def test_a_task_or_a_file_goes_before_a_set_of_its_name(tmp_path, monkeypatch, proteins):
    monkeypatch.chdir(tmp_path)
    store = Store.create(tmp_path / "store")
    labelled(store, proteins)
    store.add_task(replace(store.task("toy"), name="human"))
    told = protein_set("human", store)
    rows = proteins[: 3 * (len(proteins) // 3)]
    assert (told.exact, told.proteins, told.residues) == (True, len(rows), sum(map(len, rows)))
    assert dict(zip(told.lengths, told.counts, strict=True)) == Counter(map(len, rows))
    (tmp_path / "swissprot").mkdir()  # a folder is nothing that could be counted
    for name in ("human", "swissprot"):
        assert not protein_set(name, None).exact


def test_files_and_tasks_are_counted(tmp_path):
    file = tmp_path / "x.fasta"
    file.write_text(">a\nMKV\n>b\nMKVLL\n>again\nMKV\n")
    one = protein_set(str(file), None)
    assert (one.proteins, one.residues, one.exact) == (2, 8, True)
    with pytest.raises(UnknownNameError, match="Did you mean 'swissprot'"):
        protein_set("swisprot", None)
