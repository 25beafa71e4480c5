"""``sesstore serve``."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import click

from .options import output_options, store_option
from .output import Output

_LOCAL = ("127.0.0.1", "localhost", "::1")


@click.command("serve")
@click.argument("stores", nargs=-1, type=click.Path(path_type=Path), metavar="[STORE...]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True)
@click.option(
    "--tokens",
    "token_file",
    type=click.Path(path_type=Path),
    help="File with bearer tokens, one a line; only who has one is let in.",
)
@store_option
@output_options
def command(
    stores: tuple[Path, ...],
    host: str,
    port: int,
    token_file: Path | None,
    store_path: Path,
    output: Output,
) -> None:
    """Hand out stores over HTTP, read-only, with a catalogue page for browsers.

    Serves each STORE, or --store. Others take from it with `sesstore pull http://HOST:PORT/NAME`.
    Only this machine can reach it unless --host says otherwise; for the network use --tokens, and a
    proxy that speaks https. Runs until Ctrl-C.

    \b
    Example:
      sesstore serve
      sesstore serve /data/yeast /data/human --host 0.0.0.0 --tokens tokens.txt
    """
    from sesstore.errors import MissingExtraError
    from sesstore.sharing.serve.server import StoreServer, application, read_tokens
    from sesstore.store import Store

    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("`sesstore serve`", "serve") from None

    tokens = read_tokens(token_file) if token_file else []
    local_stores = [Store.open(path) for path in stores or (store_path,)]
    with StoreServer(local_stores, progress=output) as server:
        server.refresh()
        listener = _bind(host, port)
        hostname, port = ("localhost" if host in _LOCAL else host), listener.getsockname()[1]
        if host not in _LOCAL and not tokens:
            output.note(f"warning: anybody who reaches {host} can read all of it. Use --tokens")
        urls = [f"http://{hostname}:{port}/{name}" for name in server.stores]
        output.line(f"catalogue: http://{hostname}:{port}/")
        for url in urls:
            output.line(f"  sesstore pull {url}")
        output.result({"url": f"http://{hostname}:{port}/", "stores": urls})
        sys.stdout.flush()
        config = uvicorn.Config(
            application(server, tokens),
            log_level="warning",
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=3,
        )
        uvicorn.Server(config).run(sockets=[listener])


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
