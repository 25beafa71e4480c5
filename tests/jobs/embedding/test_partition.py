"""Partitions: all of it, nothing twice, equal work, the same everywhere."""

from __future__ import annotations

import sys
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.encoders import registry
from sesstore.errors import InputError
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.embedding.partition import Partition, partition_of, select
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.store.diff import compare_stores

sequences = st.lists(st.text("ACDEFGHIKL", min_size=1, max_size=30), max_size=40)
SLURM = {
    f"SLURM_ARRAY_TASK_{name}": value
    for name, value in {"ID": "6", "MIN": "4", "MAX": "10", "COUNT": "4", "STEP": "2"}.items()
}


@given(sequences, st.integers(1, 7), st.randoms())
def test_partitions_are_the_same_whatever_the_order(found, count, random) -> None:
    proteins = [Protein(str(i), sequence) for i, sequence in enumerate(found)]
    ordered, part = partition_of(proteins, count)
    assert sorted(p.sequence for p in ordered) == sorted(set(found))
    assert set(part) <= set(range(1, count + 1))
    random.shuffle(proteins)
    again, same = partition_of(proteins, count)
    assert [p.digest for p in again] == [p.digest for p in ordered]
    assert (part == same).all()


@given(sequences, st.integers(1, 7))
def test_partitions_have_equal_work(found, count) -> None:
    ordered, part = partition_of([Protein("", sequence) for sequence in found], count)
    lengths = np.array([len(protein) for protein in ordered])
    loads = [int(lengths[part == i].sum()) for i in range(1, count + 1)]
    assert max(loads) - min(loads) <= max(lengths, default=0)


def test_lengths_are_dealt_back_and_forth() -> None:
    proteins = [Protein("", "A" * n) for n in range(1, 9)]
    ordered, part = partition_of(proteins, 2)
    lengths = np.array([len(protein) for protein in ordered])
    assert lengths.tolist() == [8, 7, 6, 5, 4, 3, 2, 1]
    assert lengths[part == 1].tolist() == [8, 5, 4, 1]
    assert lengths[part == 2].tolist() == [7, 6, 3, 2]


@pytest.mark.parametrize(("text", "index", "count"), [("1/1", 1, 1), ("3/10", 3, 10)])
def test_a_partition_is_read(text: str, index: int, count: int) -> None:
    assert Partition.parse(text, {}) == Partition(index, count)
    assert str(Partition(index, count)) == text


def test_a_task_of_a_slurm_array_knows_its_part() -> None:
    assert Partition.parse("slurm", SLURM) == Partition(2, 4)
    without_step = {**SLURM, "SLURM_ARRAY_TASK_MAX": "7"}
    del without_step["SLURM_ARRAY_TASK_STEP"]
    assert Partition.parse("slurm", without_step) == Partition(3, 4)


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("0/3", {}, "no partition 0/3"),
        ("4/3", {}, "from 1 to n"),
        ("1/0", {}, "such as 1/1"),
        ("half", {}, "such as 3/10, or slurm"),
        ("slurm", {}, "no task of a Slurm job array"),
        ("slurm", {**SLURM, "SLURM_ARRAY_TASK_ID": "x"}, "no task of a Slurm job array"),
        ("slurm", {**SLURM, "SLURM_ARRAY_TASK_COUNT": "3"}, "with gaps"),
    ],
)
def test_what_is_no_partition_is_said(text: str, environment: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Partition.parse(text, environment)


def test_sequences_are_not_written_by_many_machines(store: Store, proteins) -> None:
    store.add_proteins(proteins[1:])
    with pytest.raises(InputError, match="sesstore add"):
        select(store, proteins, Partition(1, 2))
    known = select(store, proteins[1:], Partition(1, 2)) + select(store, None, Partition(2, 2))
    assert {p.digest for p in known} == {p.digest for p in proteins[1:]}


def _embed_part(path: Path, partition: Partition) -> None:
    store = Store.open(path)
    embed(store, registry.load("blosum62"), select(store, None, partition))


def test_partitions_at_once_equal_one_run(store: Store, encoder, proteins, tmp_path) -> None:
    plain = Store.create(tmp_path / "plain")
    embed(plain, encoder, proteins)
    store.add_proteins(proteins)
    arguments = [(store.path, Partition(i, 3)) for i in (1, 2, 3)]
    forked = get_context("fork")  # nothing to import in each
    running = [forked.Process(target=_embed_part, args=one) for one in arguments]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0, 0, 0]
    view = store.embeddings()
    assert len(view.segments) == 3
    assert sum(len(segment.digests) for segment in view.segments) == len(view) == 40
    assert compare_stores(plain, store).same


def test_submitit_runs_the_command_as_an_array(store: Store, proteins, tmp_path) -> None:
    """As docs/cluster.md shows it, here by submitit's executor for one machine."""
    submitit = pytest.importorskip("submitit", reason="submitit is not installed")
    store.add_proteins(proteins)
    executor = submitit.AutoExecutor(folder=tmp_path / "logs", cluster="local")
    command = [sys.executable, "-c", "from sesstore_cli.main import main; main()", "embed"]
    command += ["--plm", "blosum62", "--store", str(store.path), "--json"]
    embed = submitit.helpers.CommandFunction(command, verbose=False)
    (job,) = executor.map_array(embed, ["--partition=2/2"])
    assert '"encoded": 20' in job.result()
    assert len(store.embeddings()) == 20
