from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.errors import InputError
from sesstore.jobs.demo import demo_files
from sesstore.jobs.predicting.predict import PredictOptions, prediction, write_predictions
from sesstore.jobs.predicting.prediction_inputs import InputSpec
from sesstore.jobs.predicting.structure_values import (
    ResidueValues,
    check_structures,
    meaning,
    residue_values,
    write_structures,
)
from sesstore.jobs.predicting.tables import RowList
from sesstore.proteins import digest_of
from sesstore.structures.chains import read_structure
from sesstore.structures.structure_files import structure_files
from sesstore.tasks import Problem
from sesstore.training.predictor import pooling_weights


def test_each_structure_gets_the_values_of_its_protein(tmp_path: Path) -> None:
    first, second = (demo_files()[name][0] for name in ("1ahs_A", "1bvy_F"))
    models = tmp_path / "models"
    models.mkdir()
    for path in (first, second):
        shutil.copy(path, models)
    (chain,) = read_structure(first).chains
    values = np.linspace(0, 1, len(chain))
    sequence = chain.residues
    predicted = {digest_of(sequence): ResidueValues(sequence, values, ["seq1"])}
    report = write_structures(structure_files([models]), predicted, tmp_path / "coloured", "burial")
    (path,) = map(Path, report.files)
    assert path.name == "1ahs_A.pdb"
    np.testing.assert_allclose(read_structure(path).chains[0].bfactors, values, atol=6e-3)
    assert [key.rsplit("/", 1)[1] for key in report.failed] == ["1bvy_F.pdb.gz, chain F"]
    assert (report.residues, report.without, report.unresolved) == (len(chain), 0, 0)
    with pytest.raises(InputError, match="no structure"):
        check_structures([])


def test_a_chain_is_found_by_name_and_what_it_lacks_is_counted(tmp_path: Path) -> None:
    """The protein has a tag, a mutation and a later start: it is not the structure's sequence."""
    path = demo_files()["1ahs_A"][0]
    (chain,) = read_structure(path).chains
    body = chain.residues[2:]
    sequence = f"{'A' if body[0] != 'A' else 'G'}{body[1:]}GSGS"
    values = np.arange(float(len(sequence))) - 40
    predicted = {digest_of(sequence): ResidueValues(sequence, values, ["other", "1ahs_A"])}
    report = write_structures(structure_files([path]), predicted, tmp_path)
    (again,) = read_structure(Path(report.files[0])).chains
    assert report.none == -41
    expected = np.r_[-41, -41, values[: len(body)]]
    np.testing.assert_allclose(again.bfactors, expected, atol=6e-3)
    assert (report.residues, report.without, report.unresolved) == (len(body), 2, 4)
    # Its name alone is no proof: another protein under it is listed, and nothing is written.
    liar = {digest_of("MKV" * 40): ResidueValues("MKV" * 40, np.zeros(120), ["1ahs_A"])}
    report = write_structures(structure_files([path]), liar, tmp_path / "liar")
    assert report.files == []
    assert "is not the protein it should be" in next(iter(report.failed.values()))
    assert not (tmp_path / "liar").exists()


def test_files_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    path = demo_files()["1ahs_A"][0]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(path, tmp_path / folder)
    (chain,) = read_structure(path).chains
    entry = ResidueValues(chain.residues, np.zeros(len(chain)), ["p"])
    files = structure_files([tmp_path / "a", tmp_path / "b"])
    report = write_structures(files, {digest_of(chain.residues): entry}, tmp_path / "out")
    assert [Path(file).name for file in report.files] == ["1ahs_A.pdb", "1ahs_A-2.pdb"]


def test_what_residues_are_coloured_by() -> None:
    two, three = torch.tensor([[0.2, 0.8]]), torch.tensor([[0.2, 0.3, 0.5]])
    assert residue_values(two, Problem.RESIDUE_SINGLE_LABEL) == pytest.approx([0.8])
    assert residue_values(three, Problem.RESIDUE_SINGLE_LABEL) == pytest.approx([2])
    assert residue_values(torch.tensor([1.5]), Problem.RESIDUE_REGRESSION) == pytest.approx([1.5])


def test_values_are_told_in_words(seeded) -> None:
    run = seeded.runs[0]

    def of(problem: Problem, *classes: str) -> str:
        return meaning([replace(run, task={**run.task, "problem": problem, "classes": classes})])

    assert of(Problem.RESIDUE_SINGLE_LABEL, "exposed", "buried") == "probability of buried"
    assert of(Problem.RESIDUE_SINGLE_LABEL, "H", "E", "C") == (
        "most probable class: 0 H, 1 E, 2 C"
    )  # fmt: skip
    assert of(Problem.RESIDUE_REGRESSION, "shift (ppm)") == "shift (ppm)"
    assert meaning([run]) == "attention, 1 is the mean"
    pooled = {**run.config, "adapter": {**run.config["adapter"], "pooling": "mean"}}
    with pytest.raises(InputError, match="leave out --bfactors"):
        meaning([replace(run, config=pooled)])


def test_a_run_on_proteins_gives_the_mean_attention_of_its_seeds(seeded) -> None:
    options = PredictOptions(keep=False, onto_structures=True)
    with prediction(seeded.report.run, InputSpec(("toy",)), seeded.store, options) as predicted:
        write_predictions(predicted, RowList())
    digests = seeded.task.splits["test"].digests
    view = seeded.store.embeddings(seeded.runs[0].fingerprint)
    tokens = seeded.store.tokens("alphafold2")
    each = [pooling_weights(run, digests, view, tokens) for run in seeded.runs]
    for row, digest in enumerate(digests):
        expected = np.mean([weights[row] for weights in each], axis=0)
        entry = predicted.residue_values[digest.tobytes()]
        np.testing.assert_allclose(entry.values, expected * len(expected), rtol=1e-4)
        assert entry.values.mean() == pytest.approx(1)
