"""Settings of a training in people's words: for tables of one run and of what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {
    "alphabets": "structure tokens",
    "pooling": "from residues to protein",
    "heads": "attention heads",
    "width": "width of the adapter",
    "dropout": "dropout in the head",
    "modality_dropout": "share of proteins that lose their tokens in a step",
    "head": "what the adapter's logits are added to",
    "lr": "learning rate",
    "weight_decay": "weight decay",
    "epochs": "epochs at most",
    "patience": "checks on valid without a better score before it stops",
    "stop_after": "epoch that is kept",
    "batch_tokens": "residues of a batch at most",
    "seed": "seed",
    "min_plddt": "residues are masked below a pLDDT of",
    "schedule": "schedule of the learning rate",
    "warmup": "share of training the rate rises over",
    "clip": "largest norm of the gradient",
    "class_weights": "weights of classes",
    "focal": "exponent of focal loss",
    "device": "device",
    "residency": "where embeddings are held",
}
"""Settings as people call them."""

VALUES: dict[str, dict[Any, str]] = {
    "stop_after": {None: "the best on valid"},
    "width": {None: "that of the embeddings"},
    "min_plddt": {0: "none are"},
    "clip": {0.0: "any"},
    "class_weights": {None: "all alike", "balanced": "by the inverse of their number"},
    "focal": {0.0: "none: cross-entropy"},
    "device": {None: "the best there is"},
    "residency": {"auto": "chosen by what memory there is"},
    "head": {
        "linear": "a linear model of mean embedding, composition and length; for residues, nothing",
        "paper": "nothing",
    },
    "pooling": {
        "attention1d": "attention (attention1d)",
        "mean": "mean",
        "light_attention": "light attention",
        "residue": "no pooling: a prediction for each residue",
    },
}
"""Values that say nothing by themselves."""

_HIDDEN = ("dim", "n_outputs", "declared")
"""What follows from the data."""


def settings_in_words(config: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the settings of a run: name to value, as people read them.

    Parameters
    ----------
    config : mapping
        ``adapter`` and ``fit``, as in `Run.config`.
    """
    settings = {**config["adapter"], **config["fit"]}
    return {
        NAMES.get(name, name.replace("_", " ")): value_in_words(name, value)
        for name, value in settings.items()
        if name not in _HIDDEN
    }


def value_in_words(name: str, value: Any) -> str:
    """Return the value of a setting as people read it."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    text = VALUES.get(name, {}).get(value)
    if text is not None:
        return text
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
