"""``sesstore plms``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sesstore.memory import size

from .options import output_options
from .output import Output

if TYPE_CHECKING:
    from sesstore.encoders.catalogue import EncoderSpec


@click.command("plms")
@click.argument("names", nargs=-1)
@output_options
def command(names: tuple[str, ...], output: Output) -> None:
    """List the encoders: width, weights, licence, and whether the weights are here.

    With NAMES, all that is known of these: how they read letters, which files they need, what to
    cite.

    \b
    Example:
      sesstore plms
      sesstore plms esm2_t33 prott5
    """
    from sesstore.encoders import registry
    from sesstore.encoders.weights import is_available

    specs = [registry.spec(name) for name in names] or registry.specs()
    availability = [is_available(spec) for spec in specs]
    if names:
        for spec, present in zip(specs, availability, strict=True):
            _show(spec, present, output)
    else:
        rows = [[*_row(spec), present] for spec, present in zip(specs, availability, strict=True)]
        columns = ["name", "width", "weights", "a residue", "window", "licence", "here"]
        output.table(columns, rows)
    plms = [{**spec.to_json(), "here": p} for spec, p in zip(specs, availability, strict=True)]
    output.result({"plms": plms})


def _row(spec: EncoderSpec) -> list[object]:
    return [
        spec.name,
        spec.dim,
        f"{spec.parameters / 1e6:,.1f} M" if spec.parameters else "none",
        size(spec.bytes_per_residue),
        spec.window or "any",
        spec.licence,
    ]


def _show(spec: EncoderSpec, present: bool, output: Output) -> None:
    """Say all that is known of one encoder."""
    reading = spec.reading
    weights = f"{spec.parameters:,}, in {', '.join(spec.files)}" if spec.files else "none"
    extra = f" (of sesstore[{spec.extra}])" if spec.extra else ""
    facts = {
        "width": f"{spec.dim:,}, {size(spec.bytes_per_residue)} a residue as float16",
        "weights": weights + extra,
        "from": f"https://huggingface.co/{spec.repository}" if spec.repository else "",
        "here": "yes" if present else "no",
        "window": f"{spec.window:,} residues" if spec.window else "any length",
        "reads as X": " ".join(reading.as_x) or "no letter",
        "reads around": " ".join([*reading.before, "...", *reading.after]) + " (not stored)",
        "runs in": ", ".join(spec.precisions),
        "licence": spec.licence,
        "cite": spec.citation,
    }
    if not reading.before + reading.after:
        del facts["reads around"]
    rows = [[name, value] for name, value in facts.items() if value]
    output.table(["", spec.full_name], rows)
