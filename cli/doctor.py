"""``sesstore doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .opening import tasks_at
from .options import output_options, store_option, writable
from .output import Output
from .owndata import own_data_options

if TYPE_CHECKING:
    from sesstore.datasets.doctor import Diagnosis
    from sesstore.datasets.own import OwnData


@click.command("doctor")
@click.argument("task")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Examine files of the task instead of the store; several are compared by name.",
)
@own_data_options
@click.option("--allow-partial", is_flag=True, help="As for `sesstore add`.")
@click.option(
    "--fix",
    "out",
    type=click.Path(path_type=Path),
    callback=writable,
    help="Write a cleaned copy into this folder.",
)
@store_option
@output_options
def command(
    task: str,
    data: tuple[Path, ...],
    own: OwnData,
    allow_partial: bool,
    out: Path | None,
    store_path: Path,
    output: Output,
) -> None:
    """Examine TASK: a task of the store, or your own file before it is added.

    Says what would bias a result, why, and what to do; the exit status is then 1. Looked at are
    conflicting labels, equal and nearly equal sequences in several splits, repeated names, names
    whose sequence differs between sources, lengths, letters, labels and token coverage.

    \b
    Example:
      sesstore doctor deeploc_binary
      sesstore doctor mydata.csv --label Tm --fix cleaned
      sesstore doctor deeploc_binary --data alphafold2 --data esmfold
    """
    from sesstore.jobs.doctor import diagnose, fix, from_files, from_store
    from sesstore.store import Store

    # A task of the store counts before a file or folder that happens to have its name.
    if data or (Path(task).exists() and task not in tasks_at(store_path)):
        patient = from_files(task, data, own=own, allow_partial=allow_partial)
    else:
        patient = from_store(Store.open(store_path), task)
    for note in patient.notes:
        output.note(note)
    found = diagnose(patient, progress=output)
    say_diagnosis(found, output)
    done = fix(patient, out) if out is not None else None
    if done is not None:
        say_fix(done, output)
    output.result({"task": task, **found.to_json(), "fixed": done})
    if not found.healthy:
        raise click.exceptions.Exit(1)


def say_diagnosis(found: Diagnosis, output: Output) -> None:
    """Show the splits, then what was found."""
    several = len({facts["data"] for facts in found.splits}) > 1
    output.table(
        [*(["data"] if several else []), "split", "rows", "distinct", "residues", "labels"],
        [_split_row(facts, several) for facts in found.splits],
        title="what there is (residues: shortest, median, longest)",
    )
    for line in _tokens_lines(found.splits):
        output.line(line)
    for biases, title in ((True, "would bias a result"), (False, "good to know")):
        findings = [finding for finding in found.findings if finding.biases == biases]
        if findings:
            output.line(f"\n{title}:")
        for number, finding in enumerate(findings, 1):
            output.line(f"\n{number}. {finding.title}: {finding.count:,}")
            if finding.examples:
                more = ", ..." if finding.count > len(finding.examples) else ""
                output.line(f"   such as:  {'; '.join(finding.examples)}{more}")
            output.line(f"   why:      {finding.why}")
            output.line(f"   what now: {finding.todo}")
    if found.healthy:
        output.line("\nnothing was found that would bias a result")


def say_fix(done: dict[str, Any], output: Output) -> None:
    """Say what the cleaned copy is."""
    for name, facts in done.items():
        rows = ", ".join(f"{count:,} {split}" for split, count in facts["rows"].items())
        output.line(f"\ncleaned copy of {name}: {facts['folder']} ({rows} rows)")
        for what, count in facts["changes"].items():
            output.line(f"   {what}: {count:,} rows")
        output.line(f"   every change: {facts['folder']}/changes.jsonl")


def _split_row(facts: dict[str, Any], several: bool) -> list[Any]:
    return [
        *([facts["data"]] if several else []),
        facts["split"],
        facts["rows"],
        facts["sequences"],
        " ".join(f"{length:,}" for length in facts["length"]),
        facts["labels"],
    ]


def _tokens_lines(splits: list[dict[str, Any]]) -> list[str]:
    """Token coverage, in one line where all splits of a data set are alike."""
    where: dict[str, list[str]] = {}
    for facts in splits:
        tokens = [
            f"{source} for {share['proteins']:.0%} of rows, {share['residues']:.0%} of residues"
            for source, share in facts["tokens"].items()
        ]
        said = f"{facts['data']}: tokens from {'; '.join(tokens)}" if tokens else "no tokens"
        where.setdefault(said, []).append(facts["split"])
    return [f"{said} ({', '.join(names)})" for said, names in where.items()]
