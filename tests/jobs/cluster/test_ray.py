"""A real Ray cluster of two workers, some of which are killed."""

from __future__ import annotations

import importlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import call
from pathlib import Path

import numpy as np
import psutil
import pytest

from sesstore.encoders import registry
from sesstore.errors import FingerprintMismatchError, InputError, StoppedError
from sesstore.jobs.cluster.connection import Cluster
from sesstore.jobs.cluster.ray_embed import embed_on_ray, encoder_for_workers
from sesstore.jobs.cluster.ray_map import ordered_on_ray
from sesstore.jobs.cluster.ray_sweep import sweep_on_ray
from sesstore.jobs.embedding.embed import embed
from sesstore.jobs.inputs import Inputs
from sesstore.jobs.tokenizing.tokenize import tokenize
from sesstore.jobs.training.sweep import sweep
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.store.diff import compare_stores
from sesstore.store.integrity import verify
from sesstore.structures.structure_files import StructureFile
from sesstore.tasks import Problem, Split, Task
from sesstore.training.fit_config import FitConfig

ONE, TWO = Cluster(workers=1), Cluster(workers=2)
"""A worker more is seconds more, in which it imports torch."""


def test_a_cluster_of_our_own_is_for_this_machine_and_its_token(ray: object) -> None:
    me = psutil.Process()
    family = [me, *me.children(recursive=True)]
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for process in family
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    raylet = importlib.import_module("ray._raylet")
    assert raylet.get_authentication_mode() == raylet.AuthenticationMode.TOKEN
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64


@pytest.fixture
def many() -> list[Protein]:
    rng = np.random.default_rng(5)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    return [
        Protein(f"p{i}", "".join(rng.choice(letters, int(n))))
        for i, n in enumerate(rng.integers(20, 200, 300))
    ]


def slowly(seconds: float, pids: Path, odd: bytes = b"", workers: int = 1) -> Callable[[], object]:
    """Make an encoder that takes so long a protein, leaves one out, and says where it runs.

    It does not begin before there are so many workers, for one may start seconds after another.
    Its functions are local, because workers cannot import this module.
    """

    def make() -> object:
        encoder = registry.load("blosum62")
        quick = encoder.encode

        def encode(proteins):
            (pids / str(os.getpid())).touch()
            latest = time.monotonic() + 120
            while len(list(pids.iterdir())) < workers and time.monotonic() < latest:
                time.sleep(0.01)
            for embedding in quick(proteins):
                time.sleep(seconds)
                if embedding.digest != odd:
                    yield embedding

        encoder.encode = encode
        return encoder

    return make


def check_equal(store: Store, plain: Store, count: int) -> None:
    """Nothing lost, nothing twice in the view, the same numbers, and every byte sound."""
    view = store.embeddings()
    assert len(view) == len({row.tobytes() for row in view.digests}) == count
    assert compare_stores(plain, store).same
    assert verify(store.path).ok


def test_two_workers_equal_one_plain_run(ray, store: Store, encoder, many, tmp_path) -> None:
    plain = Store.create(tmp_path / "plain")
    once = embed(plain, encoder, many)
    pids = tmp_path / "pids"
    pids.mkdir()
    make = slowly(0.005, pids, workers=2)
    report = embed_on_ray(store, encoder, make, many, cluster=TWO)
    assert (report.encoded, report.failed) == (once.encoded, {}) == (300, {})
    assert report.fingerprint == once.fingerprint
    check_equal(store, plain, 300)
    segments = store.embeddings().segments
    assert len(segments) == 2  # each worker wrote its own, over all its work items
    assert sum(len(segment.digests) for segment in segments) == 300
    for segment in segments:  # `plan` counts their throughput by what they ran on
        assert segment.attributes["circumstances"]["device"].startswith("cpu, ")
        assert "ray" in segment.attributes["circumstances"]["versions"]
    again = embed_on_ray(store, encoder, partial(registry.load, "blosum62"), many, cluster=TWO)
    assert (again.encoded, again.already_stored) == (0, 300)


def test_workers_that_die_are_replaced(ray, store: Store, encoder, many, tmp_path) -> None:
    """At random moments; what an encoder leaves out is said, and not mixed up with deaths."""
    plain, killed, rng = Store.create(tmp_path / "plain"), [], random.Random(2)
    plain.add_proteins(many)
    embed(plain, encoder, [protein for protein in many if protein is not many[7]])

    pids = tmp_path / "pids"
    pids.mkdir()

    def kill() -> None:
        while len(killed) < 2:
            time.sleep(rng.uniform(0.05, 0.4))
            if working := {int(path.name) for path in pids.iterdir()} - set(killed):
                killed.append(rng.choice(sorted(working)))
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    make = slowly(0.01, pids, odd=many[7].digest)
    report = embed_on_ray(store, encoder, make, many, cluster=TWO, commit_seconds=0.1)
    killer.join()
    assert report.failed == {"p7": "the encoder returned nothing for it"}
    assert (report.encoded, len(killed)) == (299, 2)
    check_equal(store, plain, 299)


DRIVER = """
    import sys, time
    from sesstore.encoders import registry
    from sesstore.jobs.cluster.connection import Cluster
    from sesstore.jobs.cluster.ray_embed import embed_on_ray
    from sesstore.store import Store

    class Progress:
        def stage(self, *_): return self
        def __enter__(self): return self
        def __exit__(self, *_): pass
        def advance(self, amount=1): print(amount, flush=True)
        def show(self, **_): pass
        def note(self, text): pass

    def make():
        encoder = registry.load("blosum62")
        quick = encoder.encode
        def encode(proteins):
            for embedding in quick(proteins):
                time.sleep(0.02)
                yield embedding
        encoder.encode = encode
        return encoder

    cluster = Cluster(address=sys.argv[2], workers=1)
    store = Store.open(sys.argv[1])
    embed_on_ray(store, make(), make, cluster=cluster, commit_seconds=0.1, progress=Progress())
"""


def test_a_driver_that_is_killed_loses_nothing_committed(
    ray, store: Store, encoder, many, tmp_path
) -> None:
    plain = Store.create(tmp_path / "plain")
    embed(plain, encoder, many)
    store.add_proteins(many)
    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-c", textwrap.dedent(DRIVER), str(store.path), address]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(random.Random(3).uniform(0, 0.3))
    child.kill()
    child.communicate()
    assert verify(store.path).ok
    done = len(store.embeddings())
    assert done < 300
    report = embed(store, encoder, many)
    assert (report.already_stored, report.encoded) == (done, 300 - done)
    check_equal(store, plain, 300)


class Interrupting:
    """Progress that sends this process a signal after the first work items."""

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Interrupting]:
        yield self

    def advance(self, amount: int = 1) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def show(self, **figures: str) -> None: ...

    def note(self, text: str) -> None: ...


def test_a_driver_that_is_stopped_commits_what_is_done(
    ray, store: Store, encoder, many, tmp_path
) -> None:
    make = slowly(0.01, tmp_path)
    with pytest.raises(StoppedError, match=r"stopped by SIGTERM: .* Run the same command again"):
        embed_on_ray(store, encoder, make, many, cluster=ONE, progress=Interrupting())
    done = len(store.embeddings())
    assert 0 < done < 300
    assert verify(store.path).ok
    report = embed(store, encoder, many)
    assert (report.already_stored, report.encoded) == (done, 300 - done)


def test_what_a_worker_cannot_do_is_said_by_its_error(ray, store, encoder, proteins) -> None:
    with pytest.raises(FingerprintMismatchError, match="two different encoders"):
        embed_on_ray(store, encoder, partial(registry.load, "onehot"), proteins, cluster=ONE)
    assert not store.encoders()


def test_the_encoder_of_the_workers(ray) -> None:
    encoder, make, gpus = encoder_for_workers(ray, "onehot", Cluster(threads=2), device="cpu")
    assert make().fingerprint == encoder.fingerprint
    assert gpus is False
    with pytest.raises(InputError, match="--device cuda or cpu"):
        encoder_for_workers(ray, "onehot", TWO, device="cuda:1")


def test_tokens_equal_those_of_one_process(ray, store, shared_structures, tmp_path) -> None:
    names = ("1aki.pdb", "5zng.cif", "1igy.cif")
    files = [StructureFile(shared_structures / name) for name in names]
    files.append(StructureFile(tmp_path / "none.pdb"))
    plain = Store.create(tmp_path / "plain")
    once = tokenize(plain, files, "pdb")
    report = tokenize(store, files, "pdb", over=partial(ordered_on_ray, ray, TWO))
    assert (report.chains, report.failed) == (once.chains, once.failed)
    assert compare_stores(plain, store).same


def test_results_come_in_order_and_only_the_deadly_item_is_lost(ray) -> None:
    items = [partial(abs, -n) for n in range(40)]
    items[7] = partial(os._exit, 3)
    found = list(ordered_on_ray(ray, ONE, call, items, lambda item: item.args[0] * 1000))
    assert found == [*range(7), 3000, *range(8, 40)]


def test_a_sweep_has_the_table_of_one_process(ray, store, encoder, proteins, tmp_path) -> None:
    embed(store, encoder, proteins)
    rows = {"train": proteins[:20], "valid": proteins[20:30], "test": proteins[30:]}
    splits = {
        name: Split(
            tuple(p.id for p in part),
            np.frombuffer(b"".join(p.digest for p in part), np.uint8).reshape(-1, 32),
            [i % 2 for i in range(len(part))],
        )
        for name, part in rows.items()
    }
    task = Task("toy", Problem.SINGLE_LABEL, ("a", "b"), splits, ("accuracy",), "accuracy")
    inputs = Inputs(task, store.embeddings(), None)
    given = ({"lr": (1e-3, 1e-2)}, {"alphabets": (), "heads": 2}, FitConfig(epochs=2))
    once = sweep(inputs, *given, seeds=2, out=tmp_path / "plain")
    found = sweep_on_ray(ray, ONE, inputs, *given, seeds=2, out=tmp_path / "ray")
    assert [s["setting"] for s in found.settings] == [s["setting"] for s in once.settings]
    assert [s["metrics"] for s in found.settings] == [s["metrics"] for s in once.settings]
    record = tmp_path / "ray" / "sweep.json"
    record.unlink()  # as if the driver had died before its last line: nothing is trained again
    again = sweep_on_ray(ray, ONE, inputs, *given, seeds=2, out=tmp_path / "ray", resume=True)
    assert again.settings == found.settings
    with pytest.raises(InputError, match="holds a sweep already"):
        sweep_on_ray(ray, ONE, inputs, *given, seeds=2, out=tmp_path / "ray")
