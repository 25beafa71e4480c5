"""``sesstore repair``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sesstore.memory import size

from .options import output_options, store_option
from .output import Output

if TYPE_CHECKING:
    from sesstore.store.repair import RepairReport

_MAX_NAMES = 10


@click.command("repair")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="With a store in object storage: send it again what this store has.",
)
@click.option("--quick", is_flag=True, help="With a store in object storage: look at sizes only.")
@store_option
@output_options
def command(source: Path | None, quick: bool, store_path: Path, output: Output) -> None:
    """Verify a store and set right what is wrong; say what has to be made again.

    Nothing is deleted: what is broken moves to set-aside/ inside the store, a database only once
    its replacement is whole. Nothing is touched if the system does not let everything be read. Run
    it while nobody writes. Exit status 1 if anything has to be made again or cannot be repaired.

    Of a store in object storage every object is read, or with --quick its size looked up. What is
    missing or damaged is named no longer, so that pull and push work again, and is sent again with
    --from; damaged objects move to share/set-aside/.

    \b
    Example:
      sesstore repair
      sesstore repair --store s3://our-lab/embeddings --from my-store
      sesstore repair --json > repaired.json
    """
    from sesstore.sharing.cache import url_of
    from sesstore.store.repair import repair

    if url := url_of(store_path):
        _repair_url(url, source, quick, output)
        return
    if source is not None or quick:
        raise click.UsageError("--from and --quick are for a store in object storage")
    report = repair(store_path, progress=output)
    for fate, names in (("set aside", report.set_aside), ("rebuilt", report.rebuilt)):
        for name in names:
            output.line(f"{fate}: {name}")
    _say_lost(report, output)
    for problem in report.failed:
        output.line(f"not repaired, and left as it was: {problem}")
    if report.lost or report.failed:
        pass
    elif report.set_aside or report.rebuilt:
        output.line("all is sound again, and nothing was lost")
    else:
        output.line("nothing was wrong")
    output.result({**report.to_json(), "lost": report.lost})
    if report.lost or report.failed:
        raise click.exceptions.Exit(1)


def _repair_url(url: str, source: Path | None, quick: bool, output: Output) -> None:
    """Repair a store in object storage."""
    from sesstore.sharing.remote_repair import repair_remote
    from sesstore.store import Store

    store = None if source is None else Store.open(source)
    report = repair_remote(url, store, quick=quick, progress=output)
    output.line(f"{report.checked:,} segments, bundles and tasks looked at")
    for part, problem in report.faults.items():
        output.line(f"taken out: {part}: {problem}")
    for path in report.rebuilt:
        output.line(f"rebuilt: {path}")
    if report.sent is not None:
        output.line(f"sent again: {report.sent.files:,} files, {size(report.sent.bytes)}")
    for encoder, count in report.embeddings_lost.items():
        output.line(f"{count:,} proteins to embed again with {encoder} (`sesstore embed`)")
    for records, count in report.records_lost.items():
        output.line(f"{count:,} {records} lost (push them from a store that has them)")
    for task in report.tasks_lost:
        output.line(f"task {task} lost (`sesstore add`)")
    if not report.lost:
        output.line("nothing is lost" if report.faults or report.rebuilt else "nothing was wrong")
    output.result(report.to_json())
    if report.lost:
        raise click.exceptions.Exit(1)


def _say_lost(report: RepairReport, output: Output) -> None:
    """Say what has to be made again, and how."""
    for encoder, digests in report.embed_again.items():
        _list(output, f"embed again with {encoder} (`sesstore embed`)", digests)
    for source, digests in report.tokens_lost.items():
        _list(output, f"tokens lost of {source} (`sesstore tokens`)", digests)
    for source, digests in report.origins_lost.items():
        _list(output, f"tokens of {source} that no longer say what made them", digests)
    _list(output, "sequences lost (`sesstore add`)", report.sequences_lost)
    _list(output, "ids lost, sequences kept (`sesstore add`)", report.ids_lost)
    _list(output, "tasks lost (`sesstore add`)", report.tasks_lost)
    _list(output, "alphabets to declare again (`sesstore alphabets`)", report.alphabets_lost)
    _list(output, "segments that no longer say what they held (`sesstore embed`)", report.unlisted)
    for name, count in report.unnamed.items():
        number = "an unknown number of" if count is None else f"{count:,}"
        output.line(f"{number} records of {name} are lost and cannot be named: add them again")


def _list(output: Output, headline: str, names: list[str]) -> None:
    if names:
        listing = ", ".join(name[:64] for name in names[:_MAX_NAMES])
        remainder = (
            f" and {len(names) - _MAX_NAMES:,} more (see --json)" if len(names) > _MAX_NAMES else ""
        )
        output.line(f"{len(names):,} {headline}: {listing}{remainder}")
