"""``sesstore doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .data_options import OF_FILES, own_data_options
from .options import flags_of, output_options, store_option, writable
from .output import Output
from .stores import tasks_at

if TYPE_CHECKING:
    from sesstore.datasets.diagnosis import Diagnosis
    from sesstore.datasets.user_data import UserData


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
    user_data: UserData,
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
        patient = from_files(task, data, user_data=user_data, allow_partial=allow_partial)
    else:
        if flags := flags_of(OF_FILES):
            raise click.UsageError(
                f"{', '.join(flags)}: said of files, but '{task}' is looked for in the store. "
                f"Leave it out, or examine files with --data"
            )
        patient = from_store(Store.open(store_path), task)
    for note in patient.notes:
        output.note(note)
    diagnosis = diagnose(patient, progress=output)
    say_diagnosis(diagnosis, output)
    changes = fix(patient, out) if out is not None else None
    if changes is not None:
        say_fix(changes, output)
    output.result({"task": task, **diagnosis.to_json(), "fixed": changes})
    if not diagnosis.healthy:
        raise click.exceptions.Exit(1)


def say_diagnosis(diagnosis: Diagnosis, output: Output) -> None:
    """Show the splits, then what was found."""
    several = len({facts["data"] for facts in diagnosis.splits}) > 1
    output.table(
        [*(["data"] if several else []), "split", "rows", "distinct", "residues", "labels"],
        [_split_row(facts, several) for facts in diagnosis.splits],
        title="what there is (residues: shortest, median, longest)",
    )
    for line in _tokens_lines(diagnosis.splits):
        output.line(line)
    for biases, title in ((True, "would bias a result"), (False, "good to know")):
        findings = [finding for finding in diagnosis.findings if finding.biases == biases]
        if findings:
            output.line(f"\n{title}:")
        for number, finding in enumerate(findings, 1):
            output.line(f"\n{number}. {finding.title}: {finding.count:,}")
            if finding.examples:
                ellipsis = ", ..." if finding.count > len(finding.examples) else ""
                output.line(f"   such as:  {'; '.join(finding.examples)}{ellipsis}")
            output.line(f"   why:      {finding.why}")
            output.line(f"   what now: {finding.todo}")
    if diagnosis.healthy:
        output.line("\nnothing was found that would bias a result")


def say_fix(copies: dict[str, Any], output: Output) -> None:
    """Say what the cleaned copy is."""
    for name, facts in copies.items():
        rows = ", ".join(f"{count:,} {split}" for split, count in facts["rows"].items())
        output.line(f"\ncleaned copy of {name}: {facts['folder']} ({rows} rows)")
        for change, count in facts["changes"].items():
            output.line(f"   {change}: {count:,} rows")
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
    splits_by_line: dict[str, list[str]] = {}
    for facts in splits:
        tokens = [
            f"{source} for {share['proteins']:.0%} of rows, {share['residues']:.0%} of residues"
            for source, share in facts["tokens"].items()
        ]
        line = f"{facts['data']}: tokens from {'; '.join(tokens)}" if tokens else "no tokens"
        splits_by_line.setdefault(line, []).append(facts["split"])
    return [f"{line} ({', '.join(names)})" for line, names in splits_by_line.items()]
