"""Write the card of a store: a README.md that says what is inside, whose it is, how to use it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from . import layout
from .atomic_files import replace_file
from .store import Store
from .summary import EncoderSummary, Summary, TaskSummary, TokenSummary, summarise

_MOST_RUNS = 20


def write_card(store: Store, *, title: str | None = None) -> Path:
    """Write ``README.md`` into a store, replacing the one that is there.

    Parameters
    ----------
    store : Store
        The store.
    title : str, optional
        Its heading; the name of its folder by default.

    Returns
    -------
    path
        Where it was written.
    """
    path = store.path / layout.CARD
    replace_file(path, card(summarise(store), title or store.path.resolve().name).encode())
    return path


_MARKS = re.compile(r"[\\`*\[\]<>|&~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[#+-]|^\d+(?=[.)])")


def plain(text: str) -> str:
    """Text from outside as Markdown that shows it and does nothing else: no links, no HTML."""
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0][0])};{mark[0][1:]}", " ".join(text.split()))


def code(text: str) -> str:
    """Text from outside as a code span."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"


def card(summary: Summary, title: str) -> str:
    """Markdown of a store's card."""
    return "\n".join(_lines(summary, title)) + "\n"


def _lines(summary: Summary, title: str) -> Iterator[str]:
    yield f"# {plain(title)}"
    yield ""
    yield (
        f"A sesstore store: per-residue embeddings of proteins by frozen protein language models, "
        f"structure tokens and labelled tasks. {summary.proteins:,} proteins."
    )
    if summary.encoders:
        yield from _table(
            "Embeddings",
            "| encoder | fingerprint | width | type | proteins | residues | size | licence |",
            map(_encoder_row, summary.encoders),
        )
    if summary.sources:
        yield from _table(
            "Structure tokens",
            "| source | proteins | foldseek | dssp | pLDDT | others | made by |",
            map(_source_row, summary.sources),
        )
    if summary.tasks:
        yield from _table(
            "Tasks", "| task | problem | classes | rows |", map(_task_row, summary.tasks)
        )
    yield from _citations(summary)
    yield from _usage(summary)
    yield from _runs(summary)


def _table(title: str, head: str, rows: Iterator[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", head, "|---" * (head.count("|") - 1) + "|")
    yield from rows


def _encoder_row(encoder: EncoderSummary) -> str:
    provenance = encoder.provenance
    fingerprint = provenance.fingerprint
    return (
        f"| {plain(fingerprint.title)} | `{fingerprint.short}` | {provenance.dim} "
        f"| {plain(provenance.dtype)} "
        f"| {encoder.proteins:,} | {encoder.residues:,} | {_size(encoder.bytes)} "
        f"| {plain(provenance.licence) or 'not stated'} |"
    )


def _source_row(source: TokenSummary) -> str:
    usual = ("foldseek", "dssp", "plddt")
    counts = " | ".join(f"{source.counts.get(n, 0):,}" for n in usual)
    counted = [(plain(n), c) for n, c in source.counts.items() if n not in usual]
    further = ", ".join(f"{name} {count:,}" for name, count in counted) or "-"
    tools = plain(source.tool) or "not stated"
    return f"| {plain(source.source)} | {source.proteins:,} | {counts} | {further} | {tools} |"


def _task_row(task: TaskSummary) -> str:
    rows = ", ".join(f"{plain(name)} {count:,}" for name, count in task.splits.items())
    return f"| {plain(task.name)} | {plain(task.problem)} | {task.classes} | {rows} |"


def _citations(summary: Summary) -> Iterator[str]:
    cited = [(e.provenance.fingerprint.title, e.provenance.citation) for e in summary.encoders]
    cited += [(t.name, t.citation) for t in summary.tasks]
    cited = [(subject, citation) for subject, citation in cited if citation]
    if cited:
        yield from ("", "## Please cite", "")
        yield from (f"- {plain(subject)}: {plain(citation)}" for subject, citation in cited)


def _usage(summary: Summary) -> Iterator[str]:
    yield from ("", "## How to use it", "", "```sh", "sesstore info --store PATH_OF_THIS_FOLDER")
    if summary.tasks:
        yield f"sesstore train {summary.tasks[0].name} --store PATH_OF_THIS_FOLDER"
    yield from ("```", "", "```python", "from sesstore.store import Store", "")
    yield 'store = Store.open("PATH_OF_THIS_FOLDER")'
    if summary.encoders:
        first = summary.encoders[0].provenance.fingerprint
        kind = "one row: the mean" if first.reduction else "residues"
        yield f'embeddings = store.embeddings("{first.short}")'
        yield f"values = embeddings.get(next(store.proteins()).digest)  # [{kind}, width]"
    yield from ("```", "", "Without sesstore, `zarr.open` reads everything under `embeddings/`.")


def _runs(summary: Summary) -> Iterator[str]:
    runs = [(e.provenance.fingerprint.title, run) for e in summary.encoders for run in e.runs]
    runs += [(f"tokens of {s.source}", r["circumstances"]) for s in summary.sources for r in s.runs]
    if runs:
        yield from ("", "## What made it", "")
    for subject, run in runs[:_MOST_RUNS]:
        versions = ", ".join(f"{k} {v}" for k, v in sorted(run.get("versions", {}).items()))
        command, date = code(str(run.get("command", ""))), plain(str(run.get("date", "no date")))
        yield f"- {plain(subject)}: {date}, {command} ({plain(versions)})"
    if len(runs) > _MOST_RUNS:
        yield f"- and {len(runs) - _MOST_RUNS:,} more: `sesstore info --json`"


def _size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
