"""A job gives what `sesstore predict` gives, and what stands beside it is of the same proteins."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import InputError, WeightsError
from sesstore.jobs.predicting.loaded_run import LoadedRun
from sesstore.jobs.predicting.predict import PredictOptions, prediction, write_predictions
from sesstore.jobs.predicting.prediction_inputs import InputSpec
from sesstore.proteins import Protein
from sesstore.reports.gather import gather
from sesstore.service import prediction_service as module
from sesstore.service.job_limits import ServiceLimits
from sesstore.service.job_queue import Job, State
from sesstore.service.prediction_service import JobProgress, PredictionService
from sesstore.service.results import JobResult
from sesstore.service.submission import Submission, read_submission
from sesstore.structures import structure_files
from sesstore.structures.chains import Structure, parse_structure

from .conftest import Trained
from .test_job_queue import wait_for


def finished(service: PredictionService, data: bytes, name: str = "") -> Job:
    job = service.queue.add(read_submission(data, name, service.limits), "me")
    wait_for(lambda: job.state not in (State.QUEUED, State.RUNNING))
    return job


def result_of(service: PredictionService, data: bytes, name: str = "") -> JobResult:
    job = finished(service, data, name)
    assert job.result is not None, job.error
    return job.result


def predicted_csv(trained: Trained, what: Path) -> str:
    text = io.StringIO()
    options = PredictOptions(source="alphafold2", keep=False)
    with prediction(trained.run, InputSpec([str(what)]), trained.store, options) as predicted:
        write_predictions(predicted, text)
    return text.getvalue()


def test_sequences_are_predicted_as_by_the_command(
    trained: Trained, service: PredictionService, tmp_path: Path
) -> None:
    stored = list(trained.store.proteins())[:3]
    entries = [*((p.id, p.sequence) for p in stored), ("new", "MKVLAAGIVGLCA"), ("new", "WWWWHHH")]
    fasta = tmp_path / "mine.fasta"
    fasta.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in entries))
    before = trained.store.count_proteins()
    result = result_of(service, fasta.read_bytes(), "mine.fasta")
    assert result.to_csv() == predicted_csv(trained, fasta)
    assert trained.store.count_proteins() == before  # nothing that was sent is kept
    assert [p.sequence for p in result.proteins] == [sequence for _, sequence in entries]
    (note,) = result.notes
    assert "structure tokens (3Di and DSSP), and none are known of 2 of 5 proteins" in note
    for protein in result.proteins:
        assert protein.values is not None
        assert len(protein.values) == len(protein.sequence)
        assert protein.values.mean() == pytest.approx(1, abs=1e-5)  # weights of pooling
    assert all(len(t) == len(stored[0]) for t in result.proteins[0].tokens.values())
    assert result.proteins[3].tokens == {}


def test_nearest_proteins_are_known_by_their_labels(
    trained: Trained, service: PredictionService
) -> None:
    task = trained.store.task("toy")
    digest = task.splits["train"].digests[4].tobytes()
    (protein,) = trained.store.proteins([digest])
    (predicted,) = result_of(service, protein.sequence.encode()).proteins
    nearest = predicted.neighbours
    assert len(nearest) == module.NEAREST
    assert (nearest[0]["digest"], nearest[0]["identity"]) == (digest.hex(), 1.0)
    assert nearest[0]["label"] == task.classes[task.splits["train"].labels[4]]
    assert nearest[0]["split"] == "train"
    cosines = [hit["similarity"] for hit in nearest]
    assert cosines == sorted(cosines, reverse=True)


def test_a_structure_brings_sequence_and_tokens(
    trained: Trained, service: PredictionService, shared_structures: Path
) -> None:
    path = shared_structures / "1aki.pdb"
    result = result_of(service, path.read_bytes(), "1aki.pdb")
    assert result.to_csv() == predicted_csv(trained, path)
    (protein,) = result.proteins
    assert (protein.row["structure"], protein.row["length"]) == (True, 129)
    assert set(protein.tokens) == {"foldseek", "dssp"}
    assert protein.in_3d
    assert result.notes == ()


def test_a_structure_is_parsed_once(
    service: PredictionService, shared_structures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tokenised and drawn from the same atoms."""
    paths: list[Path] = []

    def counting(path: Path, raw: bytes) -> Structure:
        paths.append(path)
        return parse_structure(path, raw)

    monkeypatch.setattr(structure_files, "parse_structure", counting)
    result = result_of(service, (shared_structures / "1aki.pdb").read_bytes(), "1aki.pdb")
    assert (result.proteins[0].in_3d, paths) == (True, [Path("1aki.pdb")])


def test_a_broken_structure_is_told_without_paths(service: PredictionService) -> None:
    job = finished(service, b"HEADER    NOTHING\nEND\n", "mine.pdb")
    assert job.state is State.FAILED
    assert "mine.pdb" in job.error
    assert "/" not in job.error
    assert "{" not in job.error


def test_a_structure_beyond_the_limits_is_refused(
    trained: Trained, loaded: LoadedRun, shared_structures: Path
) -> None:
    with PredictionService(loaded, None, ServiceLimits(residues=128)) as service:
        data = (shared_structures / "1aki.pdb").read_bytes()
        job = finished(service, data, "1aki.pdb")
        assert job.state is State.FAILED
        assert "more than a job may have" in job.error


def test_without_a_store_nothing_is_near(loaded: LoadedRun) -> None:
    with PredictionService(loaded, None, ServiceLimits()) as service:
        (protein,) = result_of(service, b"MKVLAAGIV").proteins
        assert protein.neighbours == []
        assert protein.row["label"] in ("out", "in")


def test_a_running_job_stops_after_the_proteins_under_way(
    service: PredictionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_RESIDUES", 1)  # a protein
    seen: list[int] = []
    results = PredictionService._results

    def cancelling(self, chunk, structure):
        job = service.queue._running
        seen.append(job.done)
        if len(seen) == 3:
            service.queue.cancel(job)
        return results(self, chunk, structure)

    monkeypatch.setattr(PredictionService, "_results", cancelling)
    job = finished(service, "".join(f">p{i}\nMKVLAAGIV\n" for i in range(20)).encode(), "x.fa")
    assert (job.state, job.result) == (State.CANCELLED, None)
    assert seen == [0, 1, 2]


def test_weights_that_are_absent_are_known_before_anybody_asks(
    loaded: LoadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sesstore.encoders import registry

    def absent(*_: object, **__: object) -> None:
        raise WeightsError("there are no weights of blosum62 here")

    monkeypatch.setattr(registry, "load", absent)
    with pytest.raises(WeightsError, match="no weights"):
        PredictionService(LoadedRun(loaded.path), None, ServiceLimits())


def test_a_linear_model_alone_looks_nowhere_and_reads_no_structure(trained: Trained) -> None:
    with PredictionService(LoadedRun(trained.linear), None, ServiceLimits()) as service:
        result = result_of(service, b"MKVLAAGIV")
    assert (result.notes, result.value_title) == ((), "")
    assert result.about["structure_tokens"] == []
    assert result.proteins[0].to_json()["residue_values"] is None
    material = gather(trained.linear, trained.store)
    assert material.tracks == ()
    assert "the run predicts by its linear model alone" in material.notes[-1]
    with (
        pytest.raises(InputError, match="by its linear model alone, so there is nothing to write"),
        prediction(
            trained.linear,
            InputSpec(proteins=(Protein("a", "MKV"),)),
            options=PredictOptions(keep=False, onto_structures=True),
        ),
    ):
        pass


def test_results_as_json_are_plain(service: PredictionService) -> None:
    value = result_of(service, b">a\nMKVLAAGIV\n", "x.fasta").to_json()
    (protein,) = value["proteins"]
    assert value["task"] == "toy"
    assert value["residue_values_are"] == "attention"
    assert value["structure_tokens"] == ["foldseek", "dssp"]
    assert protein.keys() >= value["columns"].keys()
    assert np.mean(protein["residue_values"]) == pytest.approx(1, abs=1e-4)


def test_a_run_without_structure_takes_sequences_of_a_file(
    trained: Trained, shared_structures: Path
) -> None:
    """And says so; it pools by the mean, so there is nothing to show along a protein."""
    data = (shared_structures / "1aki.pdb").read_bytes()
    with PredictionService(LoadedRun(trained.plain), None, ServiceLimits()) as service:
        assert all(seed.best_epoch > 0 for seed in service.loaded.runs)  # no linear model alone
        result = result_of(service, data, "1aki.pdb")
        sequences = result_of(service, result.proteins[0].sequence.encode())
    assert result.notes == ("The run reads no structure: of the file only sequences were used",)
    (protein,), (same,) = result.proteins, sequences.proteins
    assert (len(protein.sequence), protein.values, result.value_title) == (129, None, "")
    assert result.to_json()["residue_values_are"] is None
    assert {k: v for k, v in protein.row.items() if k.startswith(("p_", "label"))} == {
        k: v for k, v in same.row.items() if k.startswith(("p_", "label"))
    }


def test_progress_is_that_of_the_stage() -> None:
    job = Job(Submission("x"), "me")
    progress = JobProgress(job)
    with progress.stage("embedding", 30, "residues"):
        progress.advance(7)
        assert (job.stage, job.done, job.total) == ("embedding", 7, 30)
        with progress.stage("reading", None, "files") as inner:
            inner.advance()
            assert (job.stage, job.done, job.total) == ("reading", 1, 0)
        assert (job.stage, job.done, job.total) == ("embedding", 7, 30)
    assert (job.stage, job.done, job.total) == ("", 0, 0)
