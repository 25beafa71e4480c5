from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sesstore.errors import FingerprintMismatchError, InputError, MissingFileError
from sesstore.tasks import Problem, Split
from sesstore.training.evaluate import evaluate, load_predictions, scores_of
from sesstore.training.predictor import Predictor, pooling_weights


@pytest.mark.parametrize("problem", [Problem.SINGLE_LABEL, Problem.REGRESSION])
def test_evaluating_again_gives_the_runs_metrics(taught, trained, problem) -> None:
    run, task = trained[problem], taught.task(problem)
    found = evaluate(run, task, "test", taught.embeddings, taught.tokens)
    assert found.metrics == pytest.approx(run.metrics["test"], abs=1e-9)
    assert found.ids == task.splits["test"].ids
    kept = load_predictions(run, "test")
    for name in ("scores", "labels", "rows"):
        torch.testing.assert_close(getattr(kept, name), getattr(found, name))
    assert int(found.rows.max()) < len(found.ids)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_residues_are_masked_as_the_run_was_trained(taught, masked, split) -> None:
    """By evaluating, predicting, and asking where it looks: all mask what the run never saw."""
    task, view, tokens = taught.task(Problem.REGRESSION), taught.embeddings, taught.tokens
    kept = load_predictions(masked, split)
    found = evaluate(masked, task, split, view, tokens)
    torch.testing.assert_close(found.scores, kept.scores)
    assert found.metrics == pytest.approx(masked.metrics[split], abs=1e-6)
    digests = task.splits[split].digests
    predictions = Predictor([masked])(digests, view, tokens)
    torch.testing.assert_close(torch.stack(predictions.scores), kept.scores)
    careless = replace(masked, config={**masked.config, "fit": {"min_plddt": 0}})
    other = Predictor([careless])(digests, view, tokens)
    assert not torch.allclose(torch.stack(other.scores), kept.scores, atol=1e-3)
    sure = [(tokens.get(row.tobytes()).plddt >= 70).mean() for row in digests]
    assert predictions.unmasked == pytest.approx(sure)
    assert (other.unmasked == 1).all()
    weights, careless_weights = (
        pooling_weights(run, digests, view, tokens) for run in (masked, careless)
    )
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(weights, careless_weights, strict=True))
    assert [len(row) for row in weights] == [len(tokens.get(row.tobytes())) for row in digests]
    np.testing.assert_allclose([row.sum() for row in weights], 1, rtol=1e-5)


def test_the_device_is_the_one_that_is_named(taught, trained, monkeypatch) -> None:
    run, task = trained[Problem.SINGLE_LABEL], taught.task()
    names: list[str | None] = []

    def chosen(name: str | None) -> torch.device:
        names.append(name)
        return torch.device("cpu")

    with pytest.raises(InputError, match="--device cpu"):
        evaluate(run, task, "test", taught.embeddings, taught.tokens, device="quantum")
    with pytest.raises(InputError, match="--device cpu"):
        Predictor([run], "quantum")
    monkeypatch.setattr("sesstore.training.evaluate.choose_device", chosen)
    monkeypatch.setattr("sesstore.training.predictor.choose_device", chosen)
    for name in ("cuda:1", None):
        evaluate(run, task, "test", taught.embeddings, taught.tokens, device=name)
        Predictor([run], name)
    assert names == ["cuda:1", "cuda:1", None, None]
    assert run.circumstances["device"] == "cpu"


@pytest.mark.parametrize("problem", [Problem.SINGLE_LABEL, Problem.RESIDUE_SINGLE_LABEL])
def test_scores_are_fetched_a_few_at_a_time(taught, trained, monkeypatch, problem) -> None:
    run, task = trained[problem], taught.task(problem)
    whole = evaluate(run, task, "test", taught.embeddings, taught.tokens).scores
    monkeypatch.setattr("sesstore.training.evaluate.FETCHED", 3)
    monkeypatch.setattr("sesstore.training.evaluate.EVALUATION_TOKENS", 100)
    parts = evaluate(run, task, "test", taught.embeddings, taught.tokens).scores
    torch.testing.assert_close(parts, whole)


def test_scores_are_probabilities_or_values_in_original_units() -> None:
    logits = torch.tensor([[0.0, 2.0], [-1.0, 1.0]])
    torch.testing.assert_close(
        scores_of(logits, Problem.MULTI_LABEL, {}), 1 / (1 + (-logits).exp())
    )
    shares = logits.exp() / logits.exp().sum(1, keepdim=True)
    for problem in (Problem.SINGLE_LABEL, Problem.RESIDUE_SINGLE_LABEL):
        torch.testing.assert_close(scores_of(logits, problem, {}), shares)
    values = scores_of(logits[:, :1], Problem.REGRESSION, {"mean": 50.0, "std": 3.0})
    assert values.tolist() == [50.0, 47.0]


def test_metrics_do_not_depend_on_the_order_of_rows(taught, trained) -> None:
    run, task = trained[Problem.SINGLE_LABEL], taught.task()
    split = task.splits["test"]
    turned = Split(split.ids[::-1], split.digests[::-1].copy(), split.labels[::-1])
    other = replace(task, splits={"test": turned})
    found = evaluate(run, other, "test", taught.embeddings, taught.tokens)
    assert found.metrics == pytest.approx(run.metrics["test"])


def test_another_tasks_rows_are_scored_in_the_units_the_run_learned(taught, trained) -> None:
    run, task = trained[Problem.REGRESSION], taught.task(Problem.REGRESSION)
    train = task.splits["train"]
    colder = replace(train, labels=[9 * label for label in train.labels])
    other = replace(task, name="colder", splits={"train": colder, "extra": task.splits["test"]})
    found = evaluate(run, other, "extra", taught.embeddings, taught.tokens)
    torch.testing.assert_close(found.scores, load_predictions(run, "test").scores)


def test_another_encoder_is_refused(taught, trained, other_encoder) -> None:
    view = other_encoder(taught.embeddings)
    run = trained[Problem.SINGLE_LABEL]
    with pytest.raises(FingerprintMismatchError, match="weights_sha256"):
        evaluate(run, taught.task(), "test", view, taught.tokens)


def test_another_kind_of_task_is_refused(taught, trained) -> None:
    with pytest.raises(InputError, match="regression"):
        evaluate(
            trained[Problem.SINGLE_LABEL],
            taught.task(Problem.REGRESSION),
            "test",
            taught.embeddings,
            taught.tokens,
        )


def test_other_classes_are_refused(taught, trained) -> None:
    task = replace(taught.task(), classes=("a", "b", "c", "d"))
    with pytest.raises(InputError, match=r"with 3 classes; task 'toy' is single_label with 4"):
        evaluate(trained[Problem.SINGLE_LABEL], task, "test", taught.embeddings, taught.tokens)


def test_missing_predictions(trained) -> None:
    with pytest.raises(MissingFileError, match="train"):
        load_predictions(trained[Problem.SINGLE_LABEL], "train")
