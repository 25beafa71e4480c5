"""``sesstore serve``."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .options import device_option, output_options, store_option, weights_option
from .output import Output

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
    weights: Path | None,
    device: str | None,
    store_path: Path,
    output: Output,
) -> None:
    """Hand out stores over HTTP, read-only, with a catalogue page; or a page to predict.

    Serves each STORE, or --store. Others take from it with `sesstore pull http://HOST:PORT/NAME`.

    With --run it serves that run instead: a page takes a sequence, FASTA or a structure file and
    shows label, confidence, the nearest proteins of --store, and the protein residue by residue;
    programs do the same by JSON. Nothing that is sent is kept.

    Only this machine can reach it unless --host says otherwise; for the network use --tokens, and a
    proxy that speaks https. Runs until Ctrl-C.

    \b
    Example:
      sesstore serve
      sesstore serve /data/yeast /data/human --host 0.0.0.0 --tokens tokens.txt
      sesstore serve --run runs/deeploc_binary/... --port 8080
    """
    from sesstore.errors import MissingExtraError
    from sesstore.sharing.serve.guard import read_tokens

    try:
        import uvicorn  # noqa: F401 - is it there?
    except ImportError:
        raise MissingExtraError("`sesstore serve`", "serve") from None

    tokens = read_tokens(token_file) if token_file else []
    if run is None:
        if weights or device:
            raise click.UsageError("--weights and --device belong to --run")
        _serve_stores(stores or (store_path,), host, port, tokens, output)
    elif stores:
        raise click.UsageError(
            "one server hands out stores, another predicts: leave out --run or the stores. The "
            "store to compare with is --store"
        )
    else:
        _serve_run(run, weights, device, store_path, host, port, tokens, output)


def _serve_stores(
    paths: tuple[Path, ...], host: str, port: int, tokens: list[str], output: Output
) -> None:
    from sesstore.sharing.serve.server import StoreServer, application
    from sesstore.store import Store

    local_stores = [Store.open(path) for path in paths]
    with StoreServer(local_stores, progress=output) as server:
        server.refresh()
        listener = _bind(host, port)
        address = _address(host, listener)
        if host not in _LOCAL and not tokens:
            output.note(f"warning: anybody who reaches {host} can read all of it. Use --tokens")
        urls = [f"{address}/{name}" for name in server.stores]
        output.line(f"catalogue: {address}/")
        for url in urls:
            output.line(f"  sesstore pull {url}")
        output.result({"url": f"{address}/", "stores": urls})
        _listen(application(server, tokens), listener)


def _serve_run(
    run: Path,
    weights: Path | None,
    device: str | None,
    store_path: Path,
    host: str,
    port: int,
    tokens: list[str],
    output: Output,
) -> None:
    from sesstore.errors import MissingFileError
    from sesstore.store import Store
    from sesstore.training.seeds import runs_at

    runs_at(run)  # a wrong name is known before torch is imported
    origin = click.get_current_context().get_parameter_source("store_path")
    store = Store.open(store_path) if store_path.exists() else None
    if store is None and origin is not ParameterSource.DEFAULT:
        raise MissingFileError(f"there is no store at '{store_path}'. Name another")
    if store is None:
        output.note(f"there is no store at '{store_path}': no nearest proteins will be shown")

    from sesstore.jobs.predicting.loaded_run import LoadedRun
    from sesstore.service.application import service_application
    from sesstore.service.job_limits import ServiceLimits
    from sesstore.service.prediction_service import PredictionService

    listener = _bind(host, port)
    limits = ServiceLimits()
    loaded = LoadedRun(run, weights, device)
    with PredictionService(loaded, store, limits, progress=output) as service:
        address = _address(host, listener)
        if host not in _LOCAL and not tokens:
            output.note(f"warning: anybody who reaches {host} can use it. Use --tokens")
        output.line(f"page to predict: {address}/")
        output.line(f"  curl --data-binary @new.fasta '{address}/jobs?name=new.fasta'")
        output.result({"url": f"{address}/", "run": str(run)})
        _listen(service_application(service, tokens), listener, connections=64)
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


def _address(host: str, listener: socket.socket) -> str:
    return f"http://{'localhost' if host in _LOCAL else host}:{listener.getsockname()[1]}"


def _bind(host: str, port: int) -> socket.socket:
    from sesstore.errors import InputError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said to be TCP, asyncio sends at once: else each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as problem:
        listener.close()
        raise InputError(
            f"cannot listen at {host}, port {port}: {problem.strerror or problem}. Name another "
            f"with --port (0 finds a free one)"
        ) from None
    listener.listen(512)
    return listener
