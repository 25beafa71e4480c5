from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sesstore.errors import FingerprintMismatchError, InputError, MissingFileError
from sesstore.tasks import Problem, Split
from sesstore.training.evaluate import evaluate, load_predictions


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


def test_metrics_do_not_depend_on_the_order_of_rows(taught, trained) -> None:
    run, task = trained[Problem.SINGLE_LABEL], taught.task()
    split = task.splits["test"]
    turned = Split(split.ids[::-1], split.digests[::-1].copy(), split.labels[::-1])
    other = replace(task, splits={"test": turned})
    found = evaluate(run, other, "test", taught.embeddings, taught.tokens)
    assert found.metrics == pytest.approx(run.metrics["test"])


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


def test_missing_predictions(trained) -> None:
    with pytest.raises(MissingFileError, match="train"):
        load_predictions(trained[Problem.SINGLE_LABEL], "train")
