"""``sesstore verify``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import output_options, store_option
from .output import Output


@click.command("verify")
@click.option("--quick", is_flag=True, help="Sizes and structure only, without reading values.")
@store_option
@output_options
def command(quick: bool, store_path: Path, output: Output) -> None:
    """Check that every stored byte is what was written; exit status 1 if not.

    What the system does not let be read (no permission, no memory) is named apart: it may be sound.

    Nothing is changed; `sesstore repair` sets right what is wrong.

    \b
    Example:
      sesstore verify
      sesstore verify --quick --json
    """
    from sesstore.store.integrity import verify

    report = verify(store_path, quick=quick, progress=output)
    counts = ", ".join(f"{number:,} {kind}" for kind, number in report.checked.items())
    output.line(f"checked {counts}")
    for note in report.notes:
        output.note(f"note: {note}")
    for fault in report.unreadable:
        output.line(f"could not be read: {fault.where}: {fault.what}")
    if report.bad:
        output.table(["where", "what is wrong"], [[f.where, f.what] for f in report.bad])
        output.line(f"{len(report.bad):,} things are wrong. Set them right with `sesstore repair`")
    elif report.ok:
        output.line("nothing is wrong" + (" (quick: values were not read)" if quick else ""))
    output.result({"ok": report.ok, **report.to_json()})
    if not report.ok:
        raise click.exceptions.Exit(1)
