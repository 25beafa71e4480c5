"""``sesstore info``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sesstore.memory import size

from .options import output_options, store_option
from .output import Output

if TYPE_CHECKING:
    from sesstore.store.summary import EncoderSummary, Summary


@click.command("info")
@store_option
@output_options
def command(store_path: Path, output: Output) -> None:
    """Say in full what a store holds, and what made it.

    \b
    Example:
      sesstore info
      sesstore info --json
    """
    from sesstore.store import Store
    from sesstore.store.summary import summarise

    summary = summarise(Store.open(store_path))
    output.line(f"{summary.path}: {summary.proteins:,} sequences")
    for encoder in summary.encoders:
        _say_encoder(encoder, output)
    _say_tokens_and_tasks(summary, output)
    output.result(summary.to_json())


def _say_encoder(encoder: EncoderSummary, output: Output) -> None:
    provenance = encoder.provenance
    output.table(
        ["embeddings", provenance.fingerprint.title],
        [
            ["fingerprint", provenance.fingerprint.short],
            ["proteins", f"{encoder.proteins:,}"],
            [
                "rows" if provenance.fingerprint.reduction else "residues",
                f"{encoder.residues:,}",
            ],
            [
                "stored as",
                f"{provenance.dtype} [N, {provenance.dim}], {size(encoder.bytes)}, "
                f"{encoder.segments:,} segments",
            ],
            [
                "weights",
                f"sha256 {provenance.fingerprint.weights_sha256[:16]}..., {provenance.licence}",
            ],
            ["layer", provenance.fingerprint.layer],
            ["letters", provenance.fingerprint.residue_mapping],
            ["long proteins", provenance.fingerprint.long_policy],
            ["precision", provenance.fingerprint.precision],
            *(
                [["imported from", provenance.fingerprint.imported_from]]
                if provenance.fingerprint.imported_from
                else []
            ),
            ["cite", provenance.citation or "-"],
            *([run.get("date", ""), run.get("command", "")] for run in encoder.runs),
        ],
    )


def _say_tokens_and_tasks(summary: Summary, output: Output) -> None:
    if summary.sources:
        output.table(
            ["source", "proteins", "of which with", "made by"],
            [
                [s.source, s.proteins, ", ".join(f"{n} {c:,}" for n, c in s.counts.items()), s.tool]
                for s in summary.sources
            ],
        )
    if summary.tasks:
        output.table(
            ["task", "problem", "classes", "rows", "cite"],
            [
                [
                    t.name,
                    t.problem,
                    t.classes,
                    ", ".join(f"{n} {c:,}" for n, c in t.splits.items()),
                    t.citation,
                ]
                for t in summary.tasks
            ],
        )
