"""Labels that mislead: classes that cannot be learned or outweigh all, values far from the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tasks import IGNORED, Split, Task
from .findings import Finding, first

IMBALANCE = 0.8
"""Share of train rows from which one class outweighs the others."""

RARE_ROWS = 5
"""Train rows below which a class is hardly learned."""

SMALL = 20
"""Proteins of a split below which its scores say little."""

OUTLIER_SPREADS = 6.0
"""Robust standard deviations (1.4826 times the median distance from the median) that are far."""


def check_labels(task: Task) -> list[Finding]:
    """Find what of the labels misleads."""
    check = _values if task.problem.is_regression else _classes
    findings = [*check_names(task), *check(task), *_small_splits(task)]
    findings += [*_rare_classes(task), *_unlabelled(task)]
    return [finding for finding in findings if finding.count]


def check_names(task: Task) -> list[Finding]:
    """Find classes whose names differ in case or blanks alone."""
    if task.problem.is_regression:
        return []
    alike: dict[str, list[str]] = {}
    for name in task.classes:
        alike.setdefault("".join(name.lower().split()), []).append(name)
    odd = [names for names in alike.values() if len(names) > 1]
    if not odd:
        return []
    return [
        Finding(
            "classes_alike",
            "classes whose names differ in case or blanks alone",
            sum(map(len, odd)),
            first([", ".join(map(repr, names)) for names in odd]),
            "what is one class is learned and measured as several",
            "write each class in one way",
        )
    ]


def label_summary(task: Task, split: Split) -> str:
    """Labels of a split in a few words: shares of the largest classes, or the range of values."""
    if task.problem.is_regression:
        values = _numbers(split)
        if not len(values):
            return "none"
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        return f"{low:.4g} to {high:.4g}, median {middle:.4g}"
    counts = _counts(split)
    total = max(1, sum(counts.values()))
    shares = [f"{task.classes[c]} {n / total:.0%}" for c, n in counts.most_common(3)]
    ellipsis = f", {len(counts) - 3:,} more" if len(counts) > 3 else ""
    return ", ".join(shares) + ellipsis


def _small_splits(task: Task) -> Iterator[Finding]:
    for name, split in task.splits.items():
        count = len(split)
        if name != "train" and count < SMALL:
            yield Finding(
                f"small_{name}",
                f"proteins in {name}, fewer than {SMALL}",
                count,
                first(split.ids),
                "one protein more or less that is right changes every score",
                f"read the interval; `sesstore train {task.name} --folds 5` measures on all rows",
                biases=False,
            )


def _rare_classes(task: Task) -> Iterator[Finding]:
    if task.problem.is_regression or "train" not in task.splits:
        return
    rows = Counter(number for label in task.splits["train"].labels for number in _classes_of(label))
    rare = sorted(
        (number for number, count in rows.items() if count < RARE_ROWS), key=rows.__getitem__
    )
    yield Finding(
        "rare_classes",
        f"classes with fewer than {RARE_ROWS} train rows",
        len(rare),
        first([f"{task.classes[number]} ({rows[number]})" for number in rare]),
        "they are hardly learned, and count as much as any in a mean over classes",
        "find more of them, join them with a related class, or read each class's score",
        biases=False,
    )


def _classes_of(label: Any) -> tuple[int, ...]:
    """Classes of a row, each once."""
    if isinstance(label, np.ndarray):
        return tuple(np.unique(label[_labelled_positions(label)]).tolist())
    return label if isinstance(label, tuple) else (label,)


def _classes(task: Task) -> Iterator[Finding]:
    counts = {name: _counts(split) for name, split in task.splits.items()}
    trained = counts.get("train", Counter())
    for name in [name for name in task.splits if name != "train"]:
        untaught = sorted(counts.get(name, Counter()).keys() - trained.keys())
        yield Finding(
            f"classes_only_in_{name}",
            f"classes in {name} that no train row has",
            len(untaught),
            first([task.classes[number] for number in untaught]),
            "they cannot be learned, so the best possible score is below 1",
            "say so beside the result, or leave these classes out",
        )
        single = len(counts[name]) == 1 if name in counts else False
        yield Finding(
            f"one_class_in_{name}",
            f"{name} has rows of one class only",
            int(single),
            first([task.classes[number] for number in counts.get(name, ())]),
            "AUROC and MCC are not defined, and accuracy rewards a constant",
            "make other splits",
        )
    yield from _imbalance(task, trained)


def _imbalance(task: Task, trained: Counter[int]) -> Iterator[Finding]:
    if task.problem == "multi_label" or not trained:
        return
    number, largest = trained.most_common(1)[0]
    share = largest / sum(trained.values())
    yield Finding(
        "imbalance",
        f"train labels of class {task.classes[number]}, {share:.0%} of all",
        largest if share >= IMBALANCE else 0,
        (),
        f"always saying {task.classes[number]} reaches an accuracy of {share:.2f}",
        "read MCC or balanced accuracy; train with --balanced",
    )


def _values(task: Task) -> Iterator[Finding]:
    train = _numbers(task.splits["train"]) if "train" in task.splits else np.zeros(0)
    middle = float(np.median(train)) if len(train) else 0.0
    spread = 1.4826 * float(np.median(np.abs(train - middle))) if len(train) else 0.0
    for name, split in task.splits.items():
        values = _numbers(split)
        outliers = (
            values[np.abs(values - middle) > OUTLIER_SPREADS * spread] if spread else values[:0]
        )
        yield Finding(
            f"far_values_in_{name}",
            f"{name} labels further than {OUTLIER_SPREADS:g} deviations from the median of train",
            len(outliers),
            first([f"{value:.6g}" for value in outliers.tolist()]),
            "RMSE and R2 follow these few, and so does training",
            "check their unit; read Spearman",
        )
        yield Finding(
            f"constant_in_{name}",
            f"all {name} labels are equal",
            int(len(values) > 0 and float(np.ptp(values)) == 0),
            first([f"{value:.6g}" for value in values[:1].tolist()]),
            "no correlation is defined",
            "make other splits",
        )


def _unlabelled(task: Task) -> Iterator[Finding]:
    """Rows without any label: allowed, and good to know."""
    for name, split in task.splits.items():
        pairs = zip(split.ids, split.labels, strict=True)
        empty = [name_in_file for name_in_file, label in pairs if not _any(label)]
        yield Finding(
            f"no_label_in_{name}",
            f"{name} rows without any label",
            len(empty),
            first(empty),
            "they teach that nothing applies, or nothing at all",
            "leave them out if nobody looked",
            biases=False,
        )


def _any(label: Any) -> bool:
    if isinstance(label, np.ndarray):
        return bool(_labelled_positions(label).any())
    return not (isinstance(label, tuple) and not label)


def _labelled_positions(label: NDArray[Any]) -> NDArray[np.bool_]:
    labelled: NDArray[np.bool_] = (
        np.isfinite(label) if label.dtype.kind == "f" else label != IGNORED
    )
    return labelled


def _counts(split: Split) -> Counter[int]:
    """How often each class occurs, over rows or labelled residues."""
    counts: Counter[int] = Counter()
    for label in split.labels:
        if isinstance(label, np.ndarray):
            numbers, often = np.unique(label[_labelled_positions(label)], return_counts=True)
            counts.update(dict(zip(numbers.tolist(), often.tolist(), strict=True)))
        else:
            counts.update(label if isinstance(label, tuple) else (label,))
    return counts


def _numbers(split: Split) -> NDArray[np.float64]:
    """All values of a split, of rows or labelled residues."""
    parts = [np.atleast_1d(np.asarray(label, np.float64)) for label in split.labels]
    values = np.concatenate(parts) if parts else np.zeros(0)
    return values[np.isfinite(values)]
