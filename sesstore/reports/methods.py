"""Words for a paper: what was done, with what, and what to cite; from the run's record alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..tasks import Problem
from ..training.seeds import between
from ..training.uncertainty import origin
from .charts import NAMES
from .material import Material

_PROBLEMS = {
    Problem.SINGLE_LABEL: "single-label classification with {n} classes",
    Problem.MULTI_LABEL: "multi-label classification with {n} labels",
    Problem.REGRESSION: "regression",
    Problem.RESIDUE_SINGLE_LABEL: "per-residue classification with {n} classes",
    Problem.RESIDUE_REGRESSION: "per-residue regression",
}
TOKENS = {"foldseek": "FoldSeek 3Di", "dssp": "DSSP secondary structure"}
POOLINGS = {
    "attention1d": "attention pooling",
    "mean": "mean pooling",
    "light_attention": "light attention",
    "residue": "no pooling",
}


def methods(material: Material) -> str:
    """Return a paragraph for the methods section of a paper."""
    return " ".join(_sentences(material))


def _sentences(material: Material) -> Iterator[str]:
    run = material.run
    adapter, fit, print_ = run.config["adapter"], run.config["fit"], run.fingerprint
    kind = _PROBLEMS[material.problem].format(n=len(run.task["classes"]))
    sizes = ", ".join(f"{c['proteins']:,} {split}" for split, c in run.coverage.items())
    yield (
        f"We trained structure-aware adapters (Tan et al. 2024) on {run.task['name']} ({kind}; "
        f"{sizes} proteins) with sesstore {run.circumstances.get('versions', {}).get('sesstore')}."
    )
    yield (
        f"Residue embeddings of width {adapter['dim']} came from the frozen encoder "
        f"{print_.encoder} (layer {print_.layer}, {print_.precision})."
    )
    yield _structure(material)
    width = f", projected to width {adapter['width']}" if adapter["width"] else ""
    yield (
        f"The adapter used {adapter['heads']} attention heads{width}, "
        f"{POOLINGS[adapter['pooling']]} and dropout {adapter['dropout']:g} in its head."
    )
    if run.linear:
        yield (
            "Its logits were added to those of a linear model of the mean embedding, the "
            "amino-acid composition and the log length (penalty by cross-validation; on training "
            "proteins its held-out predictions), at which training began."
        )
    alone = sum(each.is_linear for each in material.runs)
    if alone:
        yield (
            f"In {alone} of {len(material.runs)} runs the adapter was not better on the validation "
            f"split by half a standard error of the difference, and the linear model was kept."
        )
    yield (
        f"We optimised with AdamW (learning rate {fit['lr']:g}, weight decay "
        f"{fit['weight_decay']:g}, {fit['schedule']} schedule, warm-up over {fit['warmup']:.0%}), "
        f"batches of at most {fit['batch_tokens']:,} residues, {_epochs(material)}."
    )
    if material.split == "test":
        yield "The test split was scored once, by that epoch."
    if material.learning:
        folds = len(material.learning) // len(material.runs)
        yield (
            f"Each protein was predicted by the one of {folds} trainings of a cross-validation "
            f"that had not seen its fold; the final adapter was trained on all proteins for as "
            f"long as was best for the folds."
        )
    yield _numbers(material)


def _epochs(material: Material) -> str:
    """How many epochs there were, and which was kept."""
    fit = material.run.config["fit"]
    if (stop := fit.get("stop_after")) is not None:
        return f"for {stop} of {fit['epochs']} epochs, as was told beforehand"
    patience = f" (patience {fit['patience']})" if fit["patience"] is not None else ""
    return (
        f"for at most {fit['epochs']} epochs{patience}, and kept the epoch with the best "
        f"{NAMES.get(material.monitor, material.monitor)} on the validation split"
    )


def _structure(material: Material) -> str:
    run = material.run
    alphabets = run.config["adapter"]["alphabets"]
    if not alphabets:
        return "No structure was used."
    train = run.coverage["train"]
    token_names = " and ".join(TOKENS.get(name, name) for name in alphabets)
    share = train["with_tokens"] / max(train["proteins"], 1)
    min_plddt = run.config["fit"]["min_plddt"]
    text = (
        f"Structure tokens ({token_names}) came from {run.source} structures, available for "
        f"{share:.1%} of training proteins; the others were masked, not left out."
    )
    return text + (f" Residues with pLDDT below {min_plddt} were masked." if min_plddt else "")


def _numbers(material: Material) -> str:
    bounds = material.intervals[material.monitor]
    seeds = len(material.runs)
    mean = f"mean over {seeds} seeds" if seeds > 1 else "one seed"
    name = NAMES.get(material.monitor, material.monitor)
    over, rows = origin(seeds, folds=bool(material.learning)), material.split
    if material.learning:
        rows = "out-of-fold predictions"
    return (
        f"On {rows}, {name} was {material.mean(material.monitor):.3f} ({mean}; 95 % "
        f"interval {between(bounds, 3)}, {over})."
    )


def commands(material: Material) -> list[str]:
    """Commands that repeat the training, each once."""
    command_lines = [str(run.circumstances.get("command", "")) for run in material.runs]
    return [text for text in dict.fromkeys(command_lines) if text]


def provenance(material: Material) -> list[tuple[str, str]]:
    """Everything that identifies what was trained on what: name and value."""
    run = material.run
    circumstances: dict[str, Any] = dict(run.circumstances)
    versions = ", ".join(f"{name} {v}" for name, v in circumstances.get("versions", {}).items())
    rows = [
        ("encoder", run.fingerprint.encoder),
        ("encoder's fingerprint", run.fingerprint.digest),
        ("weights (SHA-256)", run.fingerprint.weights_sha256),
        ("data (SHA-256 of rows and labels)", run.task["data_digest"]),
        ("structures", run.source or "none"),
        ("date", str(circumstances.get("date", ""))),
        ("versions", versions),
    ]
    return [(name, value) for name, value in rows if value]
