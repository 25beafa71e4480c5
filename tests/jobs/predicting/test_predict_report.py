"""What a prediction says it did, and what could not be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.errors import InputError
from sesstore.jobs.predicting.predict import (
    PredictOptions,
    predict_rows,
    prediction,
    write_predictions,
)
from sesstore.jobs.predicting.prediction_inputs import InputSpec
from sesstore.jobs.predicting.tables import RowList
from sesstore.proteins import Protein
from sesstore.store import Store
from sesstore.training.runs import Run

from ...noting import Noting
from .test_predict import NOTHING, trained

__all__ = ["trained"]


class Staged(Noting):
    """Progress that keeps which stages there were."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: list[tuple[str, int | None, str]] = []

    def stage(self, name: str, total: int | None, unit: str):
        self.stages.append((name, total, unit))
        return super().stage(name, total, unit)


def test_the_report_names_run_task_and_encoder(trained: Path, tmp_path: Path) -> None:
    store, progress = Store.open(trained / "store"), Staged()
    new = Protein("new", "MKWWWWKLEH")
    spec = InputSpec([str(trained / "known.fasta")], [new])
    with prediction(trained / "run", spec, store, NOTHING, progress=progress) as predicted:
        report = write_predictions(predicted, rows := RowList())
        assert predicted.meaning == ""
        assert predicted.residue_values == {}
    fingerprint = Run.load(trained / "run").fingerprint
    assert (report.run, report.task, report.encoder) == (str(trained / "run"), "toy", "BLOSUM62")
    assert (report.fingerprint, report.adapters) == (fingerprint.short, 1)
    assert (report.proteins, report.with_structure, report.embedded) == (41, 40, 1)
    assert (report.kept, report.out, report.failed, report.far) == (False, None, {}, 0)
    assert rows.rows[0]["id"] == "new"
    assert ("predicting", 41, "proteins") in progress.stages
    residues = 10 + sum(row["length"] for row in rows.rows[1:])
    assert progress.notes[0] == f"41 proteins, {residues:,} residues to predict"
    assert progress.notes[1] == "embedding with blosum62 what is not stored, and not kept"
    out = tmp_path / "out.csv"
    with prediction(trained / "run", InputSpec(proteins=[new]), store, NOTHING) as predicted:
        assert write_predictions(predicted, out).out == str(out)


def test_structures_that_cannot_be_used_are_failures(trained: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pdb"
    bad.write_text("nothing\n")
    spec, progress = InputSpec([str(bad)], [Protein("good", "MKVLA")]), Staged()
    with prediction(trained / "run", spec, None, NOTHING, progress=progress) as predicted:
        assert [row["id"] for row in predict_rows(predicted)] == ["good"]
    assert list(predicted.report.failed) == [str(bad)]
    assert ("predicting", None, "proteins") in progress.stages  # of structures nobody knows
    with (
        prediction(trained / "run", InputSpec([str(bad)]), None, NOTHING) as predicted,
        pytest.raises(InputError, match=r"nothing to predict for: .*bad\.pdb: "),
    ):
        predict_rows(predicted)
    with (
        prediction(trained / "run", InputSpec(), None, NOTHING) as predicted,
        pytest.raises(InputError, match="nothing to predict for: name some files"),
    ):
        predict_rows(predicted)


def test_nothing_is_kept_without_a_store(trained: Path) -> None:
    for options in (None, PredictOptions(keep=True)):
        with (
            pytest.raises(InputError, match="give a store to keep"),
            prediction(trained / "run", InputSpec(proteins=[Protein("p", "MKV")]), None, options),
        ):
            pass
