"""Which layer of an encoder is best for a task? A linear probe on each, and what it costs.

A probe (Alain & Bengio 2016, arXiv:1610.01644) is a ridge or logistic regression on mean embeddings
(on those of residues for tasks about residues), the linear model of `training.baselines`. The layer
is chosen on valid and told on test, so that test chooses nothing. With `adapter` an adapter is
trained on each layer, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..encoders import registry
from ..encoders.base import Encoder
from ..encoders.catalogue import EncoderSpec
from ..encoders.layer_names import ALL, depth_of
from ..errors import InputError, UnknownNameError
from ..jobs.embedding.embed import embed
from ..jobs.embedding.means import means_of
from ..jobs.embedding.plan import tokens_and_flops
from ..jobs.inputs import chosen_encoder, task_proteins
from ..jobs.training.baselines import task_rows
from ..provenance import Fingerprint, Layer, Provenance, named_encoders
from ..store import Store
from ..streaming.reader import EmbeddingRows
from ..tasks import Task
from ..training.baselines import BaselineScore, score_baselines
from ..training.intervals import (
    Predicted,
    bootstrap,
    interval_of_mean,
    protein_count,
    resample_difference,
)
from ..training.metrics import better
from ..training.runs import Run
from .figures import layers_chart
from .layer_sample import draw_sample, embed_sample
from .study import Study
from .study_record import StudyReport
from .study_settings import Place, StudySettings

QUESTION = "Which layer is best for this task, and what does it cost?"
FEW = 100
"""Rows of valid by which no layer is told from the next."""
PROBE, ADAPTER = "linear probe", "adapter"


@dataclass(frozen=True)
class LayerOptions:
    """What is probed.

    Parameters
    ----------
    layers : str, optional
        See `encoders.layer_names.parse_layers`; those that are stored by default, and all of a
        sample.
    probe_proteins : int, optional
        Embed a sample of so many rows of the task, in memory; else layers are read from the store,
        and of named ones that it lacks means are embedded into it (or residues, where needed).
    adapter : bool
        Train an adapter on each layer as well.
    weights : path, optional
        Of the encoder.

    Raises
    ------
    InputError
        An adapter cannot learn from a sample of means.
    """

    layers: str | None = None
    probe_proteins: int | None = None
    adapter: bool = False
    weights: Path | None = None

    def __post_init__(self) -> None:
        if self.adapter and self.probe_proteins is not None:
            raise InputError(
                "an adapter needs every residue of every protein, and a sample is not stored. "
                "Leave --adapter or --probe-proteins out"
            )


@dataclass(frozen=True, eq=False)
class _LayerRows:
    """A layer of the task's proteins."""

    provenance: Provenance
    view: EmbeddingRows

    @property
    def layer(self) -> Layer:
        return self.provenance.fingerprint.layer


def run(
    store: Store,
    settings: StudySettings,
    place: Place = Place(),  # noqa: B008 - frozen
    *,
    options: LayerOptions = LayerOptions(),
) -> StudyReport:
    """Run the study.

    Parameters
    ----------
    store, settings, place
        See `StudySettings` and `Place`; seeds and structure matter to adapters alone.
    options : LayerOptions

    Returns
    -------
    StudyReport
        A row for each layer and model: the share of the whole forward it costs, score on valid and
        test.

    Raises
    ------
    InputError, StoppedError
        See `study.Study` and `arms.train_trial`; or there is but one layer to look at.
    """
    settings = settings if options.adapter else replace(settings, seeds=1)
    study = Study("layers", QUESTION, store, settings, place, {"probe": _plain(options)})
    source = study.source() if options.adapter else None
    task, layers = _embedded(study, options)
    if len(layers) < 2:
        raise InputError(
            f"there is but one layer to look at ({_names(layers)}). Embed others with --layer all, "
            f"or look at a sample with --probe-proteins 300"
        )
    study.begin()
    first = layers[0].provenance
    study.encoders[first.fingerprint.encoder] = first.to_json()
    spec = _spec(first.fingerprint)
    length = float(np.mean([len(protein) for protein in task_proteins(store, task)]))
    probes = {}
    with study.progress.stage("fitting linear probes", len(layers), "layers") as bar:
        for rows in layers:
            (score,) = score_baselines(
                task, task_rows(store, task, rows.view), models=("linear",), seed=settings.fit.seed
            )
            probes[rows.layer] = score
            _add_probe(study, rows.layer, score, _share(spec, rows.layer, length))
            bar.advance()
    _say_choice(study, probes, spec, length)
    if (rows_of_valid := len(task.splits.get("valid", ()))) < FEW:
        study.miss(
            f"whether that layer is the best: valid has {rows_of_valid} rows, and by so few one of "
            f"{len(layers)} layers is best by chance. Give more with --probe-proteins"
        )
    if options.adapter:
        _train_adapters(study, source, layers, spec, length)
    study.report.method = _method(study, task, options)
    columns = {
        "layer": "layer",
        "model": "model",
        "share": "share of the forward",
        "valid": f"valid {study.task.monitor}",
    }
    return study.finish(columns, layers_chart)


def _plain(options: LayerOptions) -> dict[str, Any]:
    return {
        "layers": options.layers,
        "proteins": options.probe_proteins,
        "adapter": options.adapter,
        "weights": str(options.weights) if options.weights else None,
    }


def _embedded(study: Study, options: LayerOptions) -> tuple[Task, list[_LayerRows]]:
    """The rows to look at, and each layer of them."""
    store, task, progress = study.store, study.task, study.progress
    residues = task.problem.per_residue or options.adapter
    if options.probe_proteins is None and options.layers is None:
        return task, _stored(study, residues)
    load = partial(_encoder, study, options)
    if options.probe_proteins is not None:
        task = draw_sample(task, options.probe_proteins, seed=study.settings.fit.seed)
        proteins = task_proteins(store, task)
        views = embed_sample(load(), proteins, per_residue=residues, progress=progress)
        return task, [_LayerRows(view.provenance, view) for view in views]
    # Means take two kilobytes a protein and layer where residues would take a megabyte.
    encoder = load() if residues else means_of(store, str(study.settings.plm), load)
    report = embed(store, encoder, task_proteins(store, task), progress=progress)
    if report.failed:
        raise InputError(
            f"{len(report.failed)} proteins could not be embedded: {report.failed}. Encode them on "
            f"a machine with more memory"
        )
    opened = [store.embeddings(fingerprint) for fingerprint in encoder.fingerprints]
    return task, [_LayerRows(view.provenance, view) for view in opened]


def _encoder(study: Study, options: LayerOptions) -> Encoder:
    """The encoder with the layers that are asked for."""
    plm, device = study.settings.plm, study.settings.fit.device
    stored = None if options.weights else chosen_encoder(study.store, plm)
    wanted = options.layers or ALL
    if stored is not None:
        return registry.load_same(stored.fingerprint, device=device, layers=wanted)
    if plm is None:
        raise InputError("whose layers? Name the encoder with --plm")
    return registry.load(plm, weights=options.weights, device=device, layers=wanted)


def _stored(study: Study, residues: bool) -> list[_LayerRows]:
    """Stored layers of one encoder that all rows of the task have, from the first to the last.

    Their residues, or where these are not needed and not there their means.
    """
    stored = {p.fingerprint: p for p in study.store.encoders() if not (residues and _of_means(p))}
    plm = study.settings.plm
    candidates = list(stored) if plm is None else named_encoders(stored, registry.stored_name(plm))
    kinds = {replace(print_, layer=0, reduction="") for print_ in candidates}
    if len(kinds) > 1:
        names = ", ".join(f"{print_.encoder}: {print_.short}" for print_ in candidates)
        raise InputError(f"whose layers? Name one encoder with --plm (stored here: {names})")
    digests = np.concatenate([split.digests for split in study.task.splits.values()])
    layers: dict[Layer, _LayerRows] = {}
    for fingerprint in sorted(candidates, key=lambda print_: print_.reduction):
        view = study.store.embeddings(fingerprint)
        missing = int((view.find(digests) < 0).sum())
        if not missing:
            layers.setdefault(fingerprint.layer, _LayerRows(stored[fingerprint], view))
        elif not fingerprint.reduction:
            study.miss(
                f"layer {fingerprint.layer} lacks {missing:,} of the task's rows and was left out. "
                f"Embed them with `sesstore embed {study.task.name} --layer {fingerprint.layer}`"
            )
    return sorted(layers.values(), key=lambda rows: (isinstance(rows.layer, str), rows.layer))


def _of_means(provenance: Provenance) -> bool:
    return bool(provenance.fingerprint.reduction)


def _names(layers: Sequence[_LayerRows]) -> str:
    return ", ".join(registry.title(rows.provenance.fingerprint) for rows in layers) or "none"


def _spec(fingerprint: Fingerprint) -> EncoderSpec | None:
    try:
        return registry.spec(fingerprint.encoder)
    except UnknownNameError:  # an imported one
        return None


def _share(spec: EncoderSpec | None, layer: Layer, length: float) -> float | None:
    """Operations of the forward to a layer against those of the whole, at a mean length."""
    if spec is None or not spec.layers:
        return None
    all_operations = tokens_and_flops(spec, round(length))[1]
    return tokens_and_flops(spec, round(length), depth_of((layer,), spec))[1] / all_operations


def _add_probe(study: Study, layer: Layer, score: BaselineScore, share: float | None) -> None:
    report = study.report
    low, high = bootstrap(report.monitor, study.task.problem, [score.predicted[report.split]])
    report.rows.append(
        {
            "arm": f"layer {layer}",
            "layer": layer,
            "model": PROBE,
            "share": share,
            "valid": score.metrics["valid"][report.monitor],
            "score": score.metrics[report.split][report.monitor],
            "std": None,
            "low": low,
            "high": high,
            "seeds": 1,
            "seconds": score.seconds,
        }
    )


def _best_on_valid(rows: Sequence[Mapping[str, Any]], monitor: str) -> Mapping[str, Any]:
    """The row with the best score on valid; of equals the shallower, which is the cheaper."""
    best = rows[0]
    for row in rows[1:]:
        best = row if better(monitor, row["valid"], best["valid"]) else best
    return best


def _say_choice(
    study: Study, probes: Mapping[Layer, BaselineScore], spec: EncoderSpec | None, length: float
) -> None:
    """What valid chooses, what test says of it, and what to do next."""
    report, monitor = study.report, study.report.monitor
    best = _best_on_valid(report.rows, monitor)
    study.find(
        f"Best on valid by a linear probe: layer {best['layer']} (valid {monitor} "
        f"{best['valid']:.4f}, {report.split} {best['score']:.4f})"
    )
    numbers = [layer for layer in probes if isinstance(layer, int)]
    deepest = max(numbers) if numbers else best["layer"]
    if best["layer"] != deepest:
        study.find(
            _difference(study, best["layer"], deepest, [probes[best["layer"]], probes[deepest]])
        )
    share = _share(spec, best["layer"], length)
    if share is not None and share < 1:
        study.find(
            f"A forward that ends at layer {best['layer']} takes {share:.2f} of the whole one's "
            f"operations"
        )
    encoder = next(iter(study.encoders))
    name = spec.name if spec is not None else encoder
    study.find(f"Next: `sesstore train {study.task.name} --plm {name} --layer {best['layer']}`")


def _difference(study: Study, layer: Layer, deepest: Layer, scores: list[BaselineScore]) -> str:
    """Say whether test tells two layers apart."""
    report = study.report
    best, last = (score.predicted[report.split] for score in scores)
    low, high = _interval_of_difference(study, best, last)
    values = [score.metrics[report.split][report.monitor] for score in scores]
    words = f"{values[0] - values[1]:+.4f} ({low:+.4f} to {high:+.4f})"
    if not low * high > 0:
        verdict = "and the interval of that includes zero: they are not told apart"
    else:
        worse = (low > 0) is study.lower_is_better
        verdict = f"which is {'worse' if worse else 'better'}"
    return (
        f"On {report.split} layer {layer} differs from layer {deepest}, the deepest, by {words}, "
        f"{verdict}"
    )


def _interval_of_difference(study: Study, best: Predicted, last: Predicted) -> tuple[float, float]:
    monitor, problem = study.report.monitor, study.task.problem
    draws = resample_difference(monitor, problem, [best], [last])
    return interval_of_mean(np.zeros(1), draws, protein_count(best))


def _train_adapters(
    study: Study,
    source: str | None,
    layers: Sequence[_LayerRows],
    spec: EncoderSpec | None,
    length: float,
) -> None:
    """Train an adapter on each layer, and say which is best on valid."""
    alphabets = study.alphabets(source) if source else ()
    rows, runs = [], dict[Layer, Sequence[Run]]()
    for layer in layers:
        inputs = study.stored(layer.provenance, source)
        name = f"layer {layer.layer}, adapter"
        arm = study.arm(name, alphabets)
        runs[layer.layer] = trained = study.train(name, inputs, [arm])[name]
        factors = {"layer": layer.layer, "model": ADAPTER, **arm.factors}
        row = study.row(name, factors, trained)
        row["share"] = _share(spec, layer.layer, length)
        rows.append(row)
    best = _best_on_valid(rows, study.report.monitor)
    study.find(
        f"Best on valid by adapters: layer {best['layer']} ({study.report.split} "
        f"{study.report.monitor} {best['score']:.4f})"
    )


def _method(study: Study, task: Task, options: LayerOptions) -> str:
    """Return a paragraph for a paper."""
    encoder, rows = next(iter(study.encoders)), sum(map(len, task.splits.values()))
    sample = f"a sample of {rows:,} rows of " if options.probe_proteins is not None else ""
    features = "embeddings of residues" if task.problem.per_residue else "mean embeddings"
    model = "Ridge regression" if task.problem.is_regression else "Logistic regression"
    also = (
        f" Adapters (SES-Adapter, Tan et al. 2024) were trained on each layer with "
        f"{study.settings.seeds} seeds."
        if options.adapter
        else ""
    )
    return (
        f"{model} on {features} of each layer of {encoder} was fitted to train of {sample}"
        f"{task.name} ({task.problem}), its penalty chosen by cross-validation on train; the layer "
        f"was chosen by {study.report.monitor} on valid. Intervals of 95 % are by bootstrap over "
        f"proteins.{also}"
    )
