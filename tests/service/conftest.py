"""A small run by two seeds, on tokens of both alphabets, and a server for it."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from sesstore.jobs.predicting.loaded_run import LoadedRun
from sesstore.jobs.training.train import prepare, train
from sesstore.proteins import Protein
from sesstore.service.application import service_application
from sesstore.service.job_limits import ServiceLimits
from sesstore.service.prediction_service import PredictionService
from sesstore.store import Store
from sesstore.training.fit_config import FitConfig

from ..jobs.conftest import labelled


@dataclass(frozen=True)
class Trained:
    """A store, a run on its task, its linear model alone, and one that reads and weighs nothing."""

    store: Store
    run: Path
    linear: Path
    plain: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("service")
    rng = np.random.default_rng(21)
    proteins = [
        Protein(f"p{i}", "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), int(n))))
        for i, n in enumerate(rng.integers(6, 20, 90))
    ]
    store = Store.create(folder / "store")
    labelled(store, proteins)
    inputs = prepare(
        store, "toy", plm="blosum62", alphabets=("foldseek", "dssp"), source="alphafold2"
    )
    config = FitConfig(epochs=2, batch_tokens=200, lr=5e-3, schedule="constant")
    shape = {"heads": 2, "width": 8, "head": "paper"}
    train(inputs, shape, config, seeds=2, out=folder / "run")
    train(inputs, {"heads": 2, "width": 8}, replace(config, stop_after=0), out=folder / "linear")
    shape = {"alphabets": (), "width": 8, "head": "paper", "pooling": "mean"}
    plain = prepare(store, "toy", plm="blosum62")
    train(plain, shape, replace(config, epochs=1), out=folder / "plain")
    return Trained(store, folder / "run", folder / "linear", folder / "plain")


@pytest.fixture(scope="session")
def loaded(trained: Trained) -> LoadedRun:
    return LoadedRun(trained.run, device="cpu")


@pytest.fixture
def service(trained: Trained, loaded: LoadedRun) -> Iterator[PredictionService]:
    with PredictionService(loaded, trained.store, ServiceLimits(jobs_a_minute=1000)) as ready:
        yield ready


@dataclass(frozen=True)
class Client:
    """Talks to a server."""

    address: str

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body (JSON is read) and headers of an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, body, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, raw, told = answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as refusal:
            status, raw, told = refusal.code, refusal.read(), dict(refusal.headers)
        told = {name.lower(): value for name, value in told.items()}
        if told.get("content-type", "").startswith("application/json"):
            return status, json.loads(raw), told
        return status, raw.decode(), told

    def post(self, text: str | bytes, name: str = "", **headers: str) -> tuple[int, Any, Any]:
        body = text.encode() if isinstance(text, str) else text
        return self.ask(f"/jobs?name={name}", "POST", body, **headers)

    def finished(self, job: dict[str, Any], **headers: str) -> dict[str, Any]:
        """The job once it is finished."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            _, state, _ = self.ask(f"/jobs/{job['id']}", **headers)
            if state["state"] not in ("queued", "running"):
                return dict(state)
            time.sleep(0.02)
        raise TimeoutError(job["id"])


Serve = Callable[..., Client]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer for a service with uvicorn in a thread."""
    stopping = []

    def start(service: PredictionService, tokens: tuple[str, ...] = ()) -> Client:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        config = uvicorn.Config(
            service_application(service, tokens), log_level="error", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        stopping.append((server, thread))
        return Client(f"http://127.0.0.1:{listener.getsockname()[1]}")

    yield start
    for server, thread in stopping:
        server.should_exit = server.force_exit = True
        thread.join(10)
