"""``sesstore plms``."""

from __future__ import annotations

import click

from .options import output_options
from .output import Output, size


@click.command("plms")
@output_options
def command(output: Output) -> None:
    """List the encoders: width, weights, licence, and whether the weights are here.

    \b
    Example:
      sesstore plms
    """
    from sesstore.encoders import registry
    from sesstore.encoders.weights import at_hand

    known = registry.specs()
    here = [at_hand(spec) for spec in known]
    output.table(
        ["name", "width", "weights", "a residue", "window", "licence", "here"],
        [
            [
                spec.name,
                spec.dim,
                f"{spec.parameters / 1e6:,.1f} M" if spec.parameters else "none",
                size(spec.bytes_per_residue),
                spec.window or "any",
                spec.licence,
                present,
            ]
            for spec, present in zip(known, here, strict=True)
        ],
    )
    plms = [{**spec.to_json(), "here": p} for spec, p in zip(known, here, strict=True)]
    output.result({"plms": plms})
