"""``sesstore plms``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sesstore.errors import InputError
from sesstore.memory import size

from .options import output_options
from .output import Output

if TYPE_CHECKING:
    from sesstore.encoders.catalogue import EncoderSpec


@click.command("plms")
@click.argument("names", nargs=-1)
@click.option(
    "--filter",
    "text",
    metavar="TEXT",
    help="Only those with TEXT in their name, family, purpose or licence; 'commercial': allowed.",
)
@output_options
def command(names: tuple[str, ...], text: str | None, output: Output) -> None:
    """List the encoders: what for, width, layers, weights, licence, and whether they are here.

    With NAMES, all that is known of these: their layers, how they read letters, which files they
    need, what to cite. Sizes are those of the files that are here, else about what 4 bytes a weight
    come to. Whether commercial use is allowed is what the licence's name says; read the licence.

    \b
    Example:
      sesstore plms
      sesstore plms --filter homolog
      sesstore plms --filter commercial
      sesstore plms esm2_t33 prott5
    """
    from sesstore.encoders import registry
    from sesstore.encoders.weights import located, size_on_disk

    specs = [registry.spec(name) for name in names] or registry.specs()
    specs = [spec for spec in specs if text is None or registry.matches(spec, text)]
    if not specs:
        raise InputError(
            f"no encoder has '{text}' in what is said of it. `sesstore plms` lists all"
        )
    paths = [located(spec) for spec in specs]
    sizes = [None if path is None else size_on_disk(path) for path in paths]
    here = [not spec.files or path is not None for spec, path in zip(specs, paths, strict=True)]
    if names:
        for spec, present, disk_bytes in zip(specs, here, sizes, strict=True):
            _show(spec, present, disk_bytes, output)
    else:
        rows = [
            [*_row(s, disk_bytes), p] for s, p, disk_bytes in zip(specs, here, sizes, strict=True)
        ]
        columns = [
            "name", "for", "width", "layers", "weights", "on disk", "a residue", "window",
            "licence", "commercial use", "here",
        ]  # fmt: skip
        output.table(columns, rows)
    plms = [
        {**spec.to_json(), "here": present, "bytes_on_disk": disk_bytes}
        for spec, present, disk_bytes in zip(specs, here, sizes, strict=True)
    ]
    output.result({"plms": plms})


def _row(spec: EncoderSpec, disk_bytes: int | None) -> list[object]:
    return [
        spec.name,
        spec.purpose,
        spec.dim,
        spec.layers or "-",
        f"{spec.parameters / 1e6:,.1f} M" if spec.parameters else "none",
        _size(spec, disk_bytes),
        size(spec.bytes_per_residue),
        spec.window or "any",
        spec.licence,
        spec.commercial_use,
    ]


def _size(spec: EncoderSpec, disk_bytes: int | None) -> str:
    if disk_bytes is not None:
        return size(disk_bytes)
    return f"~{size(4 * spec.parameters)}" if spec.parameters else "-"


def _use(spec: EncoderSpec) -> str:
    if spec.commercial_use:
        return "allowed"
    return "not allowed" if "-NC-" in spec.licence else "not known to be allowed"


def _precisions(spec: EncoderSpec) -> str:
    if spec.gpu_precision == "fp32":
        return "fp32"
    notes = {"fp32": " (on a CPU, by default)", spec.gpu_precision: " (on a GPU, by default)"}
    return ", ".join(name + notes.get(name, "") for name in spec.precisions)


def _layers(spec: EncoderSpec) -> str:
    if not spec.layers:
        return ""
    return f"1 to {spec.layers} (--layer), and 0, the input of the first"


def _show(spec: EncoderSpec, present: bool, disk_bytes: int | None, output: Output) -> None:
    """Say all that is known of one encoder."""
    reading = spec.reading
    weights = f"{spec.parameters:,}, in {', '.join(spec.files)}" if spec.files else "none"
    extra = f" (of sesstore[{spec.extra}])" if spec.extra else ""
    facts = {
        "for": spec.purpose,
        "width": f"{spec.dim:,}, {size(spec.bytes_per_residue)} a residue as float16",
        "weights": weights + extra,
        "from": f"https://huggingface.co/{spec.repository}" if spec.repository else "",
        "on disk": _size(spec, disk_bytes) if spec.files else "",
        "here": "yes" if present else "no",
        "layers": _layers(spec),
        "window": f"{spec.window:,} residues" if spec.window else "any length",
        "reads letters": reading.mapping,
        "reads structure": "3Di tokens, of embed --source" if reading.structure else "",
        "reads around": " ".join([*reading.before, "...", *reading.after]) + " (not stored)",
        "runs in": _precisions(spec),
        "licence": spec.licence,
        "commercial use": _use(spec),
        "cite": spec.citation,
    }
    if not reading.before + reading.after:
        del facts["reads around"]
    rows = [[name, value] for name, value in facts.items() if value]
    output.table(["", spec.full_name], rows)
