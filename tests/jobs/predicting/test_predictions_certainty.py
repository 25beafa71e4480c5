"""What a training by seeds says of how sure each of its predictions is."""

from __future__ import annotations

import numpy as np

from sesstore.jobs.predicting.predict import PredictOptions, predict_rows, prediction
from sesstore.jobs.predicting.prediction_inputs import InputSpec
from sesstore.proteins import Protein
from sesstore.training.applicability import FILE
from sesstore.training.certainty import certainty_of, mean_prediction, score_certainty


def test_seeds_valid_and_training_set_give_columns(seeded) -> None:
    odd = Protein("odd", "W" * 40)
    with prediction(
        seeded.report.run, InputSpec(("toy",), (odd,)), seeded.store, PredictOptions(keep=False)
    ) as predicted:
        table = predict_rows(predicted)
        assert list(table[0]) == list(predicted.columns)
        report = predicted.report
    assert {"spread", "confidence", "set_90", "distance", "far"} <= set(table[0])
    assert table[0]["id"] == "odd"
    assert table[0]["far"]
    training = table[1 : 1 + len(seeded.task.split("train"))]
    assert max(row["distance"] for row in training) < 1e-3
    assert report.far == sum(row["far"] for row in table)
    for row in table:
        assert row["label"] in row["set_90"]
        assert 0.5 <= row["confidence"] <= 1
        assert row["spread"] >= 0
    assert len({row["spread"] for row in table}) > 10


def test_certainty_is_measured_on_test(seeded) -> None:
    certainty = certainty_of(seeded.runs)
    score = score_certainty(certainty, mean_prediction(seeded.runs, "test"))
    assert score.rows == len(seeded.task.split("test"))
    assert 0.6 < score.coverage <= 1
    assert 1 <= score.size <= 2
    assert 0 <= score.ece_after < 0.5


def test_a_run_without_its_training_set_has_no_distance(seeded, tmp_path) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(seeded.report.run, run)
    (run / FILE).unlink()
    with prediction(
        run, InputSpec(("toy",)), seeded.store, PredictOptions(keep=False)
    ) as predicted:
        assert "distance" not in predicted.columns
        assert np.isfinite([row["confidence"] for row in predict_rows(predicted)]).all()
