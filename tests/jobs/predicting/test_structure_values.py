from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.errors import InputError
from sesstore.jobs.demo import demo_files
from sesstore.jobs.predicting.predict import PredictOptions, prediction
from sesstore.jobs.predicting.prediction_inputs import InputSpec
from sesstore.jobs.predicting.structure_values import (
    ResidueValues,
    residue_values,
    write_structures,
)
from sesstore.proteins import digest_of
from sesstore.structures.chains import read_structure
from sesstore.tasks import Problem


def test_each_structure_gets_the_values_of_its_protein(tmp_path: Path) -> None:
    first, second = (demo_files()[name][0] for name in ("1ahs_A", "1bvy_F"))
    models = tmp_path / "models"
    models.mkdir()
    for path in (first, second):
        shutil.copy(path, models)
    (chain,) = read_structure(first).chains
    values = np.linspace(0, 1, len(chain))
    sequence = chain.residues
    predicted = {digest_of(sequence): ResidueValues(sequence, values)}
    report = write_structures([str(models)], predicted, tmp_path / "coloured")
    (path,) = report.files
    assert path.name == "1ahs_A.pdb"
    np.testing.assert_allclose(read_structure(path).chains[0].bfactors, values, atol=6e-3)
    assert [key.rsplit("/", 1)[1] for key in report.failed] == ["1bvy_F.pdb.gz, chain F"]
    with pytest.raises(InputError, match="no structure"):
        write_structures(["new.fasta"], predicted, tmp_path)


def test_what_residues_are_coloured_by() -> None:
    two, three = torch.tensor([[0.2, 0.8]]), torch.tensor([[0.2, 0.3, 0.5]])
    assert residue_values(two, Problem.RESIDUE_SINGLE_LABEL) == pytest.approx([0.8])
    assert residue_values(three, Problem.RESIDUE_SINGLE_LABEL) == pytest.approx([2])
    assert residue_values(torch.tensor([1.5]), Problem.RESIDUE_REGRESSION) == pytest.approx([1.5])


def test_a_run_on_proteins_has_nothing_to_write(seeded) -> None:
    options = PredictOptions(keep=False, onto_structures=True)
    with (
        pytest.raises(InputError, match="leave out --bfactors"),
        prediction(seeded.report.run, InputSpec(("toy",)), seeded.store, options),
    ):
        pass
