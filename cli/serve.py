"""``sesstore serve``."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import device_option, flags_of, output_options, store_option, weights_option
from .output import Output
from .setting_options import limit_options

if TYPE_CHECKING:
    from sesstore.service.prediction_service import PredictionService
    from sesstore.store import Store

_LOCAL = ("127.0.0.1", "localhost", "::1")


@click.command("serve")
@click.argument("stores", nargs=-1, type=click.Path(path_type=Path), metavar="[STORE...]")
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Predict with this run for who asks, instead of handing out stores.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True)
@click.option(
    "--tokens",
    "token_file",
    type=click.Path(path_type=Path),
    help="File with bearer tokens, one a line; only who has one is let in.",
)
@click.option(
    "--in",
    "neighbours",
    metavar="TASK|FILE",
    help="Among which proteins the nearest are looked for [default: the run's task if the store "
    "has it, else all that have a mean].",
)
@limit_options
@weights_option
@device_option
@store_option
@output_options
def command(
    stores: tuple[Path, ...],
    run: Path | None,
    host: str,
    port: int,
    token_file: Path | None,
    neighbours: str | None,
    weights: Path | None,
    device: str | None,
    store_path: Path,
    output: Output,
    **limits: Any,
) -> None:
    """Hand out stores over HTTP, read-only, with a catalogue page; or a page to predict.

    Serves each STORE, or --store. Others take from it with `sesstore pull http://HOST:PORT/NAME`.

    With --run it serves that run instead: a page takes a sequence, FASTA or a structure file and
    shows label, confidence, the nearest proteins of --store, and the protein residue by residue;
    programs do the same by JSON. Nothing that is sent is kept. --in, the limits,
    --weights and --device belong to it.

    Only this machine can reach it unless --host says otherwise; for the network use --tokens, and a
    proxy that speaks https. Runs until Ctrl-C.

    \b
    Example:
      sesstore serve
      sesstore serve /data/yeast /data/human --host 0.0.0.0 --tokens tokens.txt
      sesstore serve --run runs/deeploc_binary/... --port 8080
      sesstore serve --run runs/deeploc_binary/... --in family.fasta --proteins 1000
    """
    from sesstore.errors import MissingExtraError
    from sesstore.sharing.serve.guard import read_tokens

    try:
        import uvicorn  # noqa: F401 - is it there?
    except ImportError:
        raise MissingExtraError("`sesstore serve`", "serve") from None

    endpoint = _Endpoint(host, port, read_tokens(token_file) if token_file else [])
    if run is None:
        if flags := flags_of({*limits, "neighbours", "weights", "device"}):
            raise click.UsageError(f"only with --run: {', '.join(flags)}")
        _serve_stores(stores or (store_path,), endpoint, output)
    elif stores:
        raise click.UsageError(
            "one server hands out stores, another predicts: leave out --run or the stores. The "
            "store to compare with is --store"
        )
    else:
        from sesstore.service.job_limits import ServiceLimits
        from sesstore.training.seeds import runs_at

        limits_of_jobs = ServiceLimits(**limits)
        runs_at(run)  # a wrong name is known before torch is imported
        store = _store_beside_run(store_path, neighbours, output)

        from sesstore.jobs.predicting.loaded_run import LoadedRun
        from sesstore.service.prediction_service import PredictionService

        listener = endpoint.bind()
        loaded = LoadedRun(run, weights, device)
        with PredictionService(
            loaded, store, limits_of_jobs, neighbours, progress=output
        ) as service:
            _serve_run(service, endpoint, listener, output)


@dataclass(frozen=True)
class _Endpoint:
    """Where to listen, and to whom."""

    host: str
    port: int
    tokens: list[str]

    @property
    def is_open(self) -> bool:
        """Whether anybody of a network is let in."""
        return self.host not in _LOCAL and not self.tokens

    def url(self, listener: socket.socket) -> str:
        """Address to reach it at, without a slash."""
        host = "localhost" if self.host in _LOCAL else self.host
        return f"http://{host}:{listener.getsockname()[1]}"

    def bind(self) -> socket.socket:
        """Listen, so that a port that is taken is known before anything else is done."""
        from sesstore.errors import InputError

        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # Said to be TCP, asyncio sends at once: else each answer waits 40 ms for an
        # acknowledgement.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
        except OSError as problem:
            listener.close()
            raise InputError(
                f"cannot listen at {self.host}, port {self.port}: {problem.strerror or problem}. "
                f"Name another with --port (0 finds a free one)"
            ) from None
        listener.listen(512)
        return listener


def _store_beside_run(path: Path, neighbours: str | None, output: Output) -> Store | None:
    """The store to compare with; None where nobody named one, and there is none."""
    from sesstore.errors import MissingFileError
    from sesstore.store import Store

    if path.exists():
        return Store.open(path)
    if neighbours is not None or flags_of({"store_path"}):
        raise MissingFileError(f"there is no store at '{path}'. Name another with --store")
    output.note(f"there is no store at '{path}': no nearest proteins will be shown")
    return None


def _serve_stores(paths: tuple[Path, ...], endpoint: _Endpoint, output: Output) -> None:
    from sesstore.sharing.serve.server import StoreServer, application
    from sesstore.store import Store

    local_stores = [Store.open(path) for path in paths]
    with StoreServer(local_stores, progress=output) as server:
        server.refresh()
        listener = endpoint.bind()
        address = endpoint.url(listener)
        if endpoint.is_open:
            output.note(
                f"warning: anybody who reaches {endpoint.host} can read all of it. Use --tokens"
            )
        urls = [f"{address}/{name}" for name in server.stores]
        output.line(f"catalogue: {address}/")
        for url in urls:
            output.line(f"  sesstore pull {url}")
        output.result({"url": f"{address}/", "stores": urls})
        _listen(application(server, endpoint.tokens), listener)


def _serve_run(
    service: PredictionService, endpoint: _Endpoint, listener: socket.socket, output: Output
) -> None:
    from sesstore.service.application import service_application

    address = endpoint.url(listener)
    if endpoint.is_open:
        output.note(f"warning: anybody who reaches {endpoint.host} can use it. Use --tokens")
    output.line(f"page to predict: {address}/")
    output.line(f"  curl --data-binary @new.fasta '{address}/jobs?name=new.fasta'")
    output.result({"url": f"{address}/", "run": str(service.loaded.path)})
    _listen(service_application(service, endpoint.tokens), listener, connections=64)
    output.note("stopping after the proteins under way; Ctrl-C again to stop at once")


def _listen(application: Any, listener: socket.socket, connections: int | None = None) -> None:
    """Answer requests until Ctrl-C, of at most so many connections at a time."""
    import uvicorn

    sys.stdout.flush()
    config = uvicorn.Config(
        application,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=30,
        limit_concurrency=connections,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[listener])
