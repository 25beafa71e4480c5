"""What commands say about names that met, or did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import Output

if TYPE_CHECKING:
    from sesstore.exchange.imported_embeddings import ImportReport
    from sesstore.jobs.tokenizing.token_report import TokenReport

_LISTED, _LONGEST = 10, 300
"""Lines of a list, and letters of one: some headers have 70,000."""


def say_matching(report: TokenReport, fate: str, output: Output) -> None:
    """Say how many known proteins have structure now, and which structures met none of them.

    Parameters
    ----------
    report : TokenReport
    fate : str
        What became of structures of no known protein.
    output : Output
    """
    if not report.known_proteins:
        return
    output.line(
        f"{report.known_covered:,} of {report.known_proteins:,} known proteins now have structure "
        f"of source {report.source}"
    )
    _list(report.unmatched, f"of no known protein ({fate})", report.unmatched_list, output)
    if not report.known_covered and report.unmatched:
        _warn("NO KNOWN PROTEIN HAS STRUCTURE", report.unmatched, report.known_example, output)


def say_import(report: ImportReport, example: str, output: Output) -> None:
    """Say how many sequences have embeddings now, and which records were not stored."""
    output.line(
        f"{report.covered:,} of {report.sequences:,} given sequences now have embeddings by "
        f"{report.encoder}"
    )
    _list(report.refused, "refused", None, output)
    _list(report.unmatched, "of no given sequence", None, output)
    if report.missing:
        remainder = (
            f" and {len(report.missing) - _LISTED:,} more" if report.missing[_LISTED:] else ""
        )
        output.line(
            f"without a record: {', '.join(map(_short, report.missing[:_LISTED]))}{remainder}"
        )
    if report.unmatched_list:
        output.line(f"list of what is not stored: {report.unmatched_list}")
    if not report.covered and report.unmatched:
        _warn("NO GIVEN SEQUENCE HAS EMBEDDINGS", report.unmatched, example, output)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _list(reasons: dict[str, str], headline: str, path: str | None, output: Output) -> None:
    if not reasons:
        return
    output.line(f"{len(reasons):,} {headline}:")
    for name, reason in list(reasons.items())[:_LISTED]:
        output.line(f"  {_short(name)}: {_short(reason)}")
    remainder = f"and {len(reasons) - _LISTED:,} more; " if len(reasons) > _LISTED else ""
    if path:
        output.line(f"{remainder}list: {path}")


def _warn(headline: str, reasons: dict[str, str], example: str, output: Output) -> None:
    name = _short(next(iter(reasons))).rpartition("/")[2]
    output.line(
        f"{headline}: their names do not meet. Those in the files are like '{name}', those of the "
        f"sequences like '{_short(example)}'. Name the sequences in a FASTA file as the files do "
        f"(by accession, PDB entry and chain, or word for word) and give it with --sequences"
    )
