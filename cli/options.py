"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from .output import Output

Command = TypeVar("Command", bound=Callable[..., Any])

EMBEDDING_FORMATS = ("uniprot", "bio_embeddings", "biotrainer", "fairesm", "scikit-bio", "npy")
"""What `import` reads and `export` writes."""

store_option = click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path),
    envvar="SESSTORE_STORE",
    default=Path("store"),
    show_default="./store",
    show_envvar=True,
    help="The store's folder; add, embed, tokens, train, sweep, evaluate, gc: or a URL (s3://...).",
)


encoder_option = click.option(
    "--plm", help="Encoder, such as esm2_t33 or near (see `sesstore plms`)."
)


def plm_option(command: Command) -> Command:
    """Add ``--plm`` and ``--layer``; the command gets both as ``plm``, such as ``esm2_t33@12``."""

    @encoder_option
    @click.option(
        "--layer",
        help="Which layer of it: 6, -2, mean:4, last [default: the deepest stored, or last].",
    )
    @wraps(command)
    def with_layer(*args: Any, plm: str | None, layer: str | None, **kwargs: Any) -> Any:
        return command(*args, plm=_with_layer(plm, layer), **kwargs)

    return with_layer  # type: ignore[return-value]


def _with_layer(plm: str | None, layer: str | None) -> str | None:
    if layer is None:
        return plm
    from sesstore.encoders import registry
    from sesstore.encoders.layer_names import layers_of

    return registry.stored_name(f"{plm or ''}@{layers_of(plm or '', layer)}")


layers_option = click.option(
    "--layer",
    "layers",
    metavar="N|N,M|mean:K|all",
    help="Layers to keep, each under its own fingerprint: 6; -2; 3-6,12; mean:4; all "
    "[default: last].",
)

weights_option = click.option(
    "--weights", type=click.Path(path_type=Path), help="The encoder's weights file."
)


def _automatic(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    """Click callback: "auto" is what is chosen where nothing is named."""
    return None if name == "auto" else name


precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "fp16", "bf16"]),
    callback=_automatic,
    help="Arithmetic of the encoder [default: fp32 on a CPU; on a GPU fp16, or bf16 for models "
    "that need it].",
)

source_option = click.option(
    "--source", help="Where the structures come from: alphafold2, esmfold, pdb, ..."
)

_DEVICE = re.compile(r"(cpu|cuda|mps|xpu|hpu|xla)(:\d+)?")


def _device(_: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    """Click callback: whether it is there, only torch can tell; a typo shows without."""
    if name is not None and not _DEVICE.fullmatch(name):
        raise click.BadParameter(
            f"no device is called '{name}'. Name cpu, cuda, cuda:1 or mps", param=parameter
        )
    return name


device_option = click.option(
    "--device", callback=_device, help="cpu, cuda, cuda:1, ...; the best there is by default."
)


def writable(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Click callback: an output that cannot be written is known before any work for it."""
    if path is not None:
        from sesstore.store.atomic_files import check_writable

        check_writable(path)
    return path


def engine_options(command: Command) -> Command:
    """Add ``--engine`` and ``--address``, and check that they go together."""

    @click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where the work is done: in this process, or by workers on a Ray cluster.",
    )
    @click.option(
        "--address",
        envvar="RAY_ADDRESS",
        help="With --engine ray: a running cluster (auto, host:6379); this machine by default.",
    )
    @wraps(command)
    def with_engine(*args: Any, engine: str, address: str | None, **kwargs: Any) -> Any:
        origin = click.get_current_context().get_parameter_source("address")
        if engine == "local" and origin is ParameterSource.COMMANDLINE:
            raise click.UsageError("--address belongs to --engine ray")
        return command(*args, engine=engine, address=address, **kwargs)

    return with_engine  # type: ignore[return-value]


def output_options(command: Command) -> Command:
    """Add ``--json`` and ``--quiet``, and hand the command an `Output` as ``output``."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")
    @click.option("--quiet", "-q", is_flag=True, help="No progress and no notes.")
    @wraps(command)
    def with_output(*args: Any, as_json: bool, quiet: bool, **kwargs: Any) -> Any:
        # Of the processes that torchrun starts, the first speaks.
        mute = os.environ.get("RANK", "0") != "0"
        store = click.get_current_context().obj
        output = Output(as_json=as_json, quiet=quiet, mute=mute, store=store)
        return command(*args, output=output, **kwargs)

    return with_output  # type: ignore[return-value]


def flags_of(names: Iterable[str]) -> list[str]:
    """Options of these parameters that were given, in the order of the help."""
    context, wanted = click.get_current_context(), set(names)
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in wanted
        and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]


def comma_list(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Click callback: ``"a,b"`` to ``("a", "b")``; ``"none"`` to ``()``."""
    if value is None:
        return None
    words = tuple(word.strip() for word in value.split(",") if word.strip())
    return () if words == ("none",) else words


def several(
    read: Callable[[str], Any],
) -> Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...] | None]:
    """Make a click callback that reads ``"a,b"`` value by value."""

    def callback(_: click.Context, parameter: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return tuple(read(word.strip()) for word in text.split(",") if word.strip())
        except ValueError:
            raise click.BadParameter(f"'{text}' is no list of values", param=parameter) from None

    return callback
