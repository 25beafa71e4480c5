"""What came of a job, on a page: labels, how sure they are, what is near, residue by residue."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from ..reports.page import Page, cell
from ..reports.structure_view import view_assets
from ..tasks import Problem
from .protein_view import ATTENTION
from .results import JobResult, ProteinResult

MOST_CLASSES = 10
"""Classes whose probabilities are shown; the files have all."""

FAR_CAUTION = (
    "This protein is farther from every training protein than 99 % of those are from each other: "
    "nothing like it was learned from, and no other number here knows that."
)

MEANINGS = {
    "confidence": "probability that the class is right, calibrated on proteins the run was not "
    "fitted to",
    "set of classes": "holds the truth nine times in ten; many classes mean that the run does not "
    "know",
    "interval": "holds the true value nine times in ten",
    "spread": "standard deviation over adapters trained by several seeds",
    "distance": "1 - cosine of mean embeddings to the nearest training protein; 0 is the same "
    "protein, and beyond the limit of the training set there is a caution",
    "similarity": "cosine of mean embeddings; 1 is the same protein",
    "identity": "share of aligned residues that are equal: high similarity with low identity is a "
    "lookalike or a remote relative",
    ATTENTION: "how often the mean weight each residue counts in what is predicted",
}


def add_result(page: Page, problem: Problem, id: str, result: JobResult, nonce: str) -> None:
    """Add the result of a job to a page.

    Parameters
    ----------
    page : Page
    problem : Problem
        Of the run.
    id : str
        Of the job.
    result : JobResult
    nonce : str
        Of the page's policy.
    """
    page.section("Prediction" if len(result.proteins) == 1 else "Predictions")
    for note in result.notes:
        page.caution(f"{note}.")
    if result.failed:
        page.table(["could not be predicted", "why"], list(result.failed.items()))
    if len(result.proteins) == 1:
        _protein(page, problem, result.proteins[0])
    else:
        _overview(page, problem, result)
        for number, protein in enumerate(result.proteins):
            page.html(
                f'<details class="protein"><summary>{escape(str(protein.row["id"]))}</summary>'
                f'<div id="p{number}" tabindex="-1">'
            )
            _protein(page, problem, protein)
            page.html("</div></details>")
    page.html(
        f'<p class="act"><a class="button" href="/">Predict something else</a>'
        f'<a class="button" href="/jobs/{id}/result.csv">CSV</a>'
        f'<a class="button" href="/jobs/{id}/result.json">JSON</a>'
        f'<button type="button" class="quiet" id="drop" data-job="/jobs/{id}" data-then="/">'
        f"Delete this result</button></p>"
    )
    _glossary(page, result)
    page.once(view_assets(any(protein.in_3d for protein in result.proteins), nonce))


def _overview(page: Page, problem: Problem, result: JobResult) -> None:
    per_residue = problem.per_residue
    head = ["protein", "residues", *([] if per_residue else ["prediction"])]
    figures = [name for name in ("confidence", "spread", "distance") if _has(result, name)]
    is_any_far = any(protein.row.get("far") for protein in result.proteins)
    cells = []
    for number, protein in enumerate(result.proteins):
        row = protein.row
        texts = [f'<a href="#p{number}">{escape(str(row["id"]))}</a>', cell(row["length"])]
        if not per_residue:
            texts.append(escape(_label(row)))
        texts += [
            _share(row[name]) if name == "confidence" else cell(row[name]) for name in figures
        ]
        texts += ["yes" if row["far"] else "no"] if is_any_far else []
        cells.append("".join(f"<td>{text}</td>" for text in texts))
    head += figures + (["far from training"] if is_any_far else [])
    titles = "".join(f"<th scope=col>{title}</th>" for title in head)
    rows = "".join(f"<tr>{line}</tr>" for line in cells)
    page.html(
        f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>'
        "</div>"
    )


def _share(value: float) -> str:
    return f"{value:.0%}"


def _has(result: JobResult, column: str) -> bool:
    return result.columns.get(column) == "number"


def _protein(page: Page, problem: Problem, protein: ProteinResult) -> None:
    row = protein.row
    page.figures(dict(_figures(protein, problem)))
    if row.get("far"):
        page.caution(FAR_CAUTION)
    if not problem.per_residue and not problem.is_regression:
        page.html(_probabilities(row))
    page.heading("Residue by residue")
    page.html(protein.markup)
    if protein.neighbours:
        page.heading("Nearest known proteins")
        _neighbours(page, protein)


def _figures(protein: ProteinResult, problem: Problem) -> Iterator[tuple[str, str]]:
    row = protein.row
    if not problem.per_residue:
        yield "prediction", _label(row)
        if "confidence" in row:
            yield "confidence", _share(row["confidence"])
        if "set_90" in row:
            yield "set of classes (90 %)", ", ".join(row["set_90"][:6]) + _remainder(row["set_90"])
        if "low_90" in row:
            yield "interval (90 %)", f"{row['low_90']:.4g} to {row['high_90']:.4g}"
        if "spread" in row:
            yield "spread over seeds", f"{row['spread']:.3g}"
    yield "residues", f"{row['length']:,}"
    if protein.tokens:
        yield "with structure tokens", f"{row['unmasked']:.0%}"
    if "distance" in row:
        yield "distance to training", f"{row['distance']:.3f}"


def _remainder(names: list[str]) -> str:
    return f" and {len(names) - 6:,} more" if len(names) > 6 else "" if names else "no class"


def _label(row: dict[str, Any]) -> str:
    if "value" in row:
        return f"{row['value']:.4g}"
    label = row["label"]
    return (", ".join(label) or "none") if isinstance(label, list) else str(label)


def _probabilities(row: dict[str, Any]) -> str:
    """Probabilities of the most probable classes, with bars."""
    chances = {name[2:]: p for name, p in row.items() if name.startswith("p_")}
    best = sorted(chances.items(), key=lambda pair: -pair[1])[:MOST_CLASSES]
    remainder = len(chances) - len(best)
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td><meter min="0" max="1" value="{p:.4f}" '
        f'aria-hidden="true"></meter></td><td class="n">{p:.1%}</td></tr>'
        for name, p in best
    )
    note = f'<p class="note">and {remainder:,} less probable classes</p>' if remainder else ""
    return (
        '<div class="wide"><table><thead><tr><th scope=col>class</th><th></th>'
        f"<th scope=col>probability</th></tr></thead><tbody>{rows}</tbody></table></div>{note}"
    )


def _neighbours(page: Page, protein: ProteinResult) -> None:
    labelled = any("label" in hit for hit in protein.neighbours)
    labels = ["true label", "split"] if labelled else []
    head = ["protein", *labels, "similarity", "identity", "aligned", "residues"]
    rows = [
        [
            hit["id"],
            *([_true_label(hit), hit.get("split")] if labelled else []),
            f"{hit['similarity']:.3f}",
            *(None if hit[k] is None else f"{hit[k]:.0%}" for k in ("identity", "coverage")),
            hit["length"],
        ]
        for hit in protein.neighbours
    ]
    page.table(head, rows)


def _true_label(hit: dict[str, Any]) -> str | None:
    label = hit.get("label")
    if isinstance(label, list):
        return ", ".join(label) or "none"
    return None if label is None else str(label)


def _glossary(page: Page, result: JobResult) -> None:
    columns, first = result.columns, result.proteins[0] if result.proteins else None
    presence = {
        "confidence": "confidence" in columns,
        "set of classes": "set_90" in columns,
        "interval": "low_90" in columns,
        "spread": "spread" in columns,
        "distance": "distance" in columns,
        "similarity": first is not None and bool(first.neighbours),
        "identity": first is not None and bool(first.neighbours),
        ATTENTION: result.value_title == ATTENTION,
    }
    page.section("What the numbers say")
    page.table(
        ["number", "what it says"],
        [[name, MEANINGS[name]] for name, is_shown in presence.items() if is_shown],
    )
