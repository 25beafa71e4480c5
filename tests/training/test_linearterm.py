"""The linear term: where training starts, what it adds to, and what it falls back to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.adapter.workers import Workers
from sesstore.errors import InputError, MissingFileError, StoppedError
from sesstore.progress import _Silent
from sesstore.streaming.composition import LETTERS, StoredCompositions
from sesstore.tasks import Problem
from sesstore.training import linear, linearterm
from sesstore.training.baselines import trivial_logits
from sesstore.training.checkpoint import load_adapter
from sesstore.training.evaluate import (
    evaluate,
    load_predictions,
    predict_scores,
    scores_of,
    split_data,
)
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig
from sesstore.training.linear import fit_linear, fold_rows
from sesstore.training.linearterm import fit_term, load_term
from sesstore.training.losses import Loss, class_weights, label_scale
from sesstore.training.predictor import Predictor
from sesstore.training.runs import LINEAR, Run

from .conftest import stopping_after


class Notes(_Silent):
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


QUICK = FitConfig(lr=3e-3, epochs=3, patience=9, batch_tokens=150)
PROTEIN_PROBLEMS = [problem for problem in Problem if not problem.per_residue]


def shape_for(task, **others) -> AdapterConfig:
    return AdapterConfig(16, task.n_outputs, heads=2, **others)


def rows_of(taught, task, split):
    return split_data(task, task.splits[split], taught.embeddings, taught.tokens, ("dssp",), 0)


@pytest.fixture
def letters(taught) -> StoredCompositions:
    return StoredCompositions(taught.store)


def trained(taught, letters, out, task=None, config=QUICK, **others) -> Run:
    task = task or taught.task()
    shape = shape_for(task, **others)
    view, tokens = taught.embeddings, taught.tokens
    return fit(task, view, tokens, shape, config, out, compositions=letters)


@pytest.mark.parametrize("problem", PROTEIN_PROBLEMS)
def test_training_starts_at_the_linear_model(taught, letters, out, problem) -> None:
    """At a rate of almost nothing the adapter stays there."""
    task, weights = taught.task(problem), None if problem.is_regression else (1.0, 2.0, 4.0)
    run = trained(taught, letters, out, task, replace(QUICK, lr=1e-12, class_weights=weights))
    data = rows_of(taught, task, "train")
    term, held_out = fit_term(task, data, letters)
    loss, labels = Loss(problem, run.scale, class_weights(task, weights)), data.all_labels()
    mean = float(loss.total(held_out, labels)) / loss.weight(labels)
    assert run.history[0]["loss"] == pytest.approx(mean, rel=1e-5)  # of fits without each row
    outputs = term(rows_of(taught, task, "test"), letters)
    measured = evaluate(run, task, "test", taught.embeddings, taught.tokens, compositions=letters)
    expected = scores_of(outputs, problem, label_scale(task))
    assert torch.allclose(measured.scores, expected, atol=1e-6)
    assert run.history[0]["epoch"] == 0
    assert run.history[0]["valid"] == pytest.approx(run.metrics["valid"])


@pytest.mark.parametrize("problem", PROTEIN_PROBLEMS)
def test_train_rows_get_what_a_fit_without_them_says(taught, letters, problem) -> None:
    """Another label changes the term of every row but those of its own fold."""
    task = taught.task(problem)
    data = rows_of(taught, task, "train")
    _, before = fit_term(task, data, letters)
    split = task.splits["train"]
    labels = list(split.labels)
    other = next(label for label in labels if label != labels[0])
    # An exchange, so that the mean and the folds stay what they are.
    place = labels.index(other)
    labels[0], labels[place] = labels[place], labels[0]
    changed = replace(task, splits={**task.splits, "train": replace(split, labels=labels)})
    full, _ = fit_term(changed, rows_of(taught, changed, "train"), letters)
    own = full(data, letters)[0]
    assert not torch.allclose(before[0], own, atol=1e-4)


def test_the_term_is_the_mean_of_three_models(taught, letters) -> None:
    """Of embeddings, of composition and length, and of both; so are the outputs of train rows."""
    task = taught.task(Problem.REGRESSION)
    data = rows_of(taught, task, "train")
    term, terms = fit_term(task, data, letters)
    scale = label_scale(task)
    values = (data.all_labels() - scale["mean"]) / scale["std"]
    folds = fold_rows(data.digests, values.tolist())
    inputs = linearterm.features(data, letters, np.arange(len(data)))
    width = taught.embeddings.dim
    used = (range(width), range(width, inputs.shape[1]), range(inputs.shape[1]))
    emphases = (torch.ones(width), torch.ones(LETTERS + 1),
                torch.tensor([1.0] * width + [10.0] * LETTERS + [30.0]))  # fmt: skip
    models = [
        fit_linear(inputs[:, columns], values, task.problem, 1, folds, emphasis)
        for columns, emphasis in zip(used, emphases, strict=True)
    ]
    assert term.penalties == tuple(model.penalty for model in models)
    outputs = sum(model.outputs(inputs[:, columns])
                  for model, columns in zip(models, used, strict=True)) / 3  # fmt: skip
    torch.testing.assert_close(term(data, letters), outputs.float())
    torch.testing.assert_close(terms, (sum(model.held_out for model in models) / 3).float())


def test_rows_of_one_sequence_are_held_out_together(taught, letters) -> None:
    task = taught.task()
    split = task.splits["train"]
    twice = replace(
        split,
        ids=split.ids * 2,
        digests=np.concatenate([split.digests] * 2),
        labels=split.labels * 2,
    )
    doubled = replace(task, splits={**task.splits, "train": twice})
    _, terms = fit_term(doubled, rows_of(taught, doubled, "train"), letters)
    assert torch.allclose(terms[: len(split)], terms[len(split) :])


def test_more_rows_than_are_fitted_get_the_term_as_it_is(taught, letters, monkeypatch) -> None:
    task = taught.task()
    data = rows_of(taught, task, "train")
    monkeypatch.setattr(linear, "MOST_TARGETS", 20 * task.n_outputs)
    term, terms = fit_term(task, data, letters)
    assert term.rows == 20
    same = (term(data, letters) - terms).abs().amax(1) < 1e-6
    assert 10 <= int(same.sum()) <= 20
    assert len(terms) == 36


def test_a_term_of_some_rows_is_said(taught, letters, out, monkeypatch) -> None:
    monkeypatch.setattr(linear, "MOST_ROWS", 20)
    notes = Notes()
    task = taught.task()
    fit(task, taught.embeddings, taught.tokens, shape_for(task), replace(QUICK, epochs=1), out,
        compositions=letters, progress=notes)  # fmt: skip
    assert Run.load(out).linear["rows"] == 20
    assert any("fitted to 20 of 36 train rows" in note for note in notes.lines)


def test_the_head_of_the_paper_stands_alone(taught, letters, out) -> None:
    run = trained(taught, letters, out, head="paper")
    assert (run.linear, load_term(run)) == ({}, None)
    assert not (out / LINEAR).exists()
    assert run.history[0]["epoch"] == 1
    plain = fit(
        taught.task(), taught.embeddings, taught.tokens,
        shape_for(taught.task(), head="paper"), QUICK, out.parent / "plain",
    )  # fmt: skip
    assert [e["loss"] for e in plain.history] == [e["loss"] for e in run.history]


@pytest.mark.parametrize("problem", [Problem.RESIDUE_SINGLE_LABEL, Problem.RESIDUE_REGRESSION])
def test_residues_start_at_what_is_most_likely(taught, letters, out, problem) -> None:
    task = taught.task(problem, "mae" if problem.is_regression else None)
    run = trained(taught, letters, out, task, replace(QUICK, lr=1e-12), pooling="residue")
    assert run.linear == {}
    labels = torch.cat([torch.as_tensor(row)[1:] for row in task.splits["train"].labels])
    rates = trivial_logits(problem, labels, task.n_outputs)
    adapter = load_adapter(run, name="last.safetensors")
    assert torch.allclose(adapter.logits.bias, rates, atol=1e-6)
    if not problem.is_regression:
        counts = torch.bincount(labels, minlength=3)
        assert torch.allclose(rates.softmax(0), counts / len(labels), atol=0.01)


@pytest.mark.parametrize("after", [1, 7, 14])
def test_a_resumed_training_adds_to_the_same_term(taught, letters, tmp_path, after) -> None:
    task = taught.task(Problem.REGRESSION)
    whole = trained(taught, letters, tmp_path / "whole", task)
    args = (task, taught.embeddings, taught.tokens, shape_for(task), QUICK, tmp_path / "cut")
    with pytest.raises(StoppedError):
        fit(*args, compositions=letters, stop=stopping_after(after))
    again = fit(*args, compositions=letters, resume=True)
    for name in ("best.safetensors", "last.safetensors", LINEAR):
        assert (whole.path / name).read_bytes() == (again.path / name).read_bytes()
    assert [e["valid"] for e in whole.history] == [e["valid"] for e in again.history]


@pytest.mark.parametrize("problem", PROTEIN_PROBLEMS)
def test_predicting_adds_the_term_too(taught, letters, out, problem) -> None:
    task = taught.task(problem)
    run = trained(taught, letters, out, task, replace(QUICK, lr=3e-2, epochs=8))
    view, tokens = taught.embeddings, taught.tokens
    measured = evaluate(run, task, "test", view, tokens, compositions=letters)
    digests = task.splits["test"].digests
    said = Predictor([run, run])(digests, view, tokens, letters)
    assert torch.allclose(torch.stack(said.scores), measured.scores, atol=1e-6)
    few = Predictor([run])(digests[3:5], view, tokens, letters)
    assert torch.allclose(torch.stack(few.scores), measured.scores[3:5], atol=1e-6)
    adapter = load_adapter(run)
    data = rows_of(taught, task, "test")
    data = split_data(task, task.splits["test"], view, tokens, adapter.config.alphabets, 0)
    alone = torch.stack(predict_scores(adapter, data, problem, run.scale, Workers(None)))
    assert not torch.allclose(alone, measured.scores, atol=1e-3)
    with pytest.raises(InputError, match="compositions"):
        evaluate(run, task, "test", view, tokens)


def test_what_valid_cannot_tell_from_the_linear_model_is_the_linear_model(
    taught, letters, out, monkeypatch
) -> None:
    task = taught.task(Problem.REGRESSION, "rmse")
    config = replace(QUICK, lr=1e-2, epochs=8)
    monkeypatch.setattr(linearterm, "EMPHASES", ((0.0, 1.0, 0.0),))  # what says nothing here
    better = trained(taught, letters, out / "better", task, config)
    assert better.best_epoch > 0
    monkeypatch.setattr("sesstore.training.trainer.clearly_better", lambda *_: False)
    run = trained(taught, letters, out / "same", task, config)
    assert run.best_epoch == 0
    assert run.metrics["valid"] == pytest.approx(run.history[0]["valid"])
    adapter = load_adapter(run)
    assert not adapter.logits.weight.any()
    assert not adapter.logits.bias.any()
    assert Run.load(run.path).best_epoch == 0


def test_one_sequence_has_no_term(taught, letters, out) -> None:
    task = taught.task()
    split = task.splits["train"]
    one = replace(split, digests=np.repeat(split.digests[:1], len(split), 0))
    task = replace(task, splits={**task.splits, "train": one})
    assert fit_term(task, rows_of(taught, task, "train"), letters) is None
    run = trained(taught, letters, out, task)
    assert run.linear == {}


def test_a_term_that_is_gone_or_broken_is_told(taught, letters, out) -> None:
    run = trained(taught, letters, out)
    file = out / LINEAR
    whole = file.read_bytes()
    assert load_term(run).weight.shape == (16 + LETTERS + 1, 3)
    file.write_bytes(whole[:-9])
    with pytest.raises(InputError, match="does not hold"):
        load_term(run)
    other = replace(run, config={"adapter": {"dim": 17, "n_outputs": 3}})
    file.write_bytes(whole)
    with pytest.raises(InputError, match="shape"):
        load_term(other)
    file.unlink()
    with pytest.raises(MissingFileError, match="whole folder"):
        load_term(run)


def test_adapters_of_both_heads_learn_from_one_stream(taught, letters, tmp_path) -> None:
    from sesstore.training.fit import Member, fit_many

    task = taught.task()
    heads = ("linear", "paper")
    members = [Member(shape_for(task, head=h), QUICK, tmp_path / h) for h in heads]
    view, tokens = taught.embeddings, taught.tokens
    together = fit_many(task, view, tokens, members, tmp_path, compositions=letters)
    for run, head in zip(together, heads, strict=True):
        alone = trained(taught, letters, tmp_path / f"{head} alone", head=head)
        assert [e["loss"] for e in alone.history] == [e["loss"] for e in run.history]
        assert bool(run.linear) == (head == "linear")


def test_the_term_alone_is_learned_where_training_ends_before_it_begins(
    taught, letters, out
) -> None:
    """Without valid, as of a training on all rows whose folds' adapters added nothing."""
    task = taught.task()
    task = replace(task, splits={n: s for n, s in task.splits.items() if n != "valid"})
    run = trained(taught, letters, out, task, replace(QUICK, stop_after=0))
    assert run.is_linear
    assert list(run.metrics) == ["test"]
    term = load_term(run)
    scores = scores_of(term(rows_of(taught, task, "test"), letters), task.problem, {})
    torch.testing.assert_close(load_predictions(run, "test").scores, scores)
