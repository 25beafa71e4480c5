"""Whether B-factors are pLDDT: what files state, in each format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.structures.chain_tokens import Settings, observed_chains
from sesstore.structures.confidence import (
    CONSTANT,
    EXPERIMENT,
    OTHER_METRIC,
    OUT_OF_RANGE,
    is_predictor,
    plddt,
)

EXPECTED = [40 + number % 50 for number in range(1, 61)]
"""Of the draft."""


def confidence(draft, suffix: str, source: str, name: str = "draft"):
    structure = draft.read(suffix, name)
    path = Path(f"{name}.{suffix}")
    values, remarks = plddt(structure.chains, structure.origin, source, path)
    return [None if v is None else v.tolist() for v in values], [r.kind for r in remarks]


PDB = {
    "EXPDTA    X-RAY DIFFRACTION": True,
    "EXPDTA    ELECTRON MICROSCOPY": True,
    "EXPDTA    SOLUTION NMR": True,
    "EXPDTA    NEUTRON DIFFRACTION; X-RAY DIFFRACTION": True,
    "EXPDTA    THEORETICAL MODEL": False,
    "TITLE     THE STRUCTURE OF ALPHAFOLD'S CHAINSAW": False,
    "REMARK 200 X-RAY DIFFRACTION BY A PROGRAM": False,
}
CIF = {
    "_exptl.method 'X-RAY DIFFRACTION'": True,
    '_exptl.method "electron crystallography"': True,
    "loop_\n_exptl.entry_id\n_exptl.method\nX 'SOLUTION NMR'\nX 'SOLUTION SCATTERING'": True,
    "_exptl.method 'THEORETICAL MODEL'": False,
    "_exptl.method ?": False,
    "loop_\n_software.name\nCHAINSAW\nAlphaFold": False,
    "_struct.title 'PREDICTED BY ALPHAFOLD, X-RAY DIFFRACTION'": False,
}


def _stating(draft, text: str, suffix: str) -> None:
    if suffix == "pdb":
        draft.head = f"{text}\n"
    else:
        draft.tables = f"{text}\n#\n"


STATEMENTS = [
    *(("pdb", text, measured) for text, measured in PDB.items()),
    *((suffix, text, measured) for suffix in ("cif", "bcif") for text, measured in CIF.items()),
]


@pytest.mark.parametrize(("suffix", "text", "measured"), STATEMENTS)
def test_the_experiment_a_file_states_decides(
    draft, suffix: str, text: str, measured: bool
) -> None:
    _stating(draft, text, suffix)
    for source, name in (("alphafold2", "draft"), ("mine", "AF-P12345-F1-model_v4")):
        expected = ([None], [EXPERIMENT]) if measured else ([EXPECTED], [])
        assert confidence(draft, suffix, source, name) == expected
    assert confidence(draft, suffix, "pdb") == ([None], [])


def test_what_is_said_of_a_file_is_said_once(draft) -> None:
    _stating(draft, "EXPDTA    SOLUTION NMR", "pdb")
    draft.parts += ["TER", *draft.shifted(50, chain="B", label="B")]
    chains = observed_chains(draft.read("pdb", "draft"), Settings("alphafold2"))
    assert [[remark.kind for remark in chain.remarks] for chain in chains] == [[EXPERIMENT], []]


@pytest.mark.parametrize("suffix", ["pdb", "cif", "bcif"])
@pytest.mark.parametrize("value", [0.0, 1.0, 50.0, 100.0, None])
def test_a_constant_column_is_no_plddt(draft, suffix: str, value: float | None) -> None:
    draft.change(draft.atoms, bfactor=value)
    assert confidence(draft, suffix, "esmfold") == ([None], [CONSTANT])


@pytest.mark.parametrize("suffix", ["pdb", "cif"])
def test_a_chain_may_have_a_constant_column_alone(draft, suffix: str) -> None:
    draft.parts += ["TER", *draft.shifted(50, chain="B", label="B", bfactor=1.0)]
    assert confidence(draft, suffix, "boltz") == ([EXPECTED, None], [CONSTANT])


def test_the_scale_is_that_of_the_whole_file(draft) -> None:
    """A chain of low confidence is not scaled because its values are below 1."""
    low = draft.shifted(50, chain="B")
    for atom in low:
        atom.bfactor = 0.5 + atom.number / 200
    draft.parts += ["TER", *low]
    (first, second), _ = confidence(draft, "pdb", "boltz")
    assert first == EXPECTED
    assert max(second) == 1
    draft.parts = [*low, "TER", *(a for a in draft.atoms if a.chain == "A")]
    (first, second), _ = confidence(draft, "pdb", "boltz")
    assert (max(first), second) == (1, EXPECTED)
    draft.parts = [*(a for a in draft.atoms if a.chain == "A"), "TER", *low]
    for atom in draft.atoms:
        atom.bfactor = round(atom.bfactor / (100 if atom.chain == "A" else 1), 2)
    (first, second), _ = confidence(draft, "pdb", "boltz")
    assert first == EXPECTED
    assert (min(second), max(second)) == (51, 80)


@pytest.mark.parametrize(("highest", "scale"), [(0.99, 100), (1.0, 100), (1.01, 1)])
def test_a_column_of_at_most_one_is_a_share(draft, highest: float, scale: int) -> None:
    for atom in draft.atoms:
        atom.bfactor = highest if atom.number == 3 else 0.5
    (values,), _ = confidence(draft, "pdb", "af2")
    assert values[2] == round(highest * scale)
    assert set(values) == {round(0.5 * scale), values[2]}


def test_values_no_confidence_can_have_are_b_factors(draft) -> None:
    draft.change(draft.of(3), bfactor=-2.0)
    assert confidence(draft, "pdb", "af2") == ([None], [OUT_OF_RANGE])
    draft.change(draft.of(3), bfactor=140.0)
    assert confidence(draft, "pdb", "af2") == ([None], [OUT_OF_RANGE])
    draft.change(draft.of(3), bfactor=100.6)
    assert confidence(draft, "pdb", "af2") == ([None], [OUT_OF_RANGE])
    for value, stored in ((100.4, 100), (100.0, 100), (0.0, 0), (None, 0)):  # 100.4 is rounding
        draft.change(draft.of(3), bfactor=value)
        (values,), _ = confidence(draft, "pdb", "af2")
        assert values == [*EXPECTED[:2], stored, *EXPECTED[3:]]


@pytest.mark.parametrize(("residues", "counts"), [(4, True), (5, False)])
def test_a_few_residues_may_be_alike_by_chance(draft, residues: int, counts: bool) -> None:
    alike = draft.shifted(50, chain="B", label="B", bfactor=70.0)
    first = dict.fromkeys(atom.number for atom in alike)
    draft.parts += ["TER", *(a for a in alike if a.number in list(first)[:residues])]
    (_, second), _ = confidence(draft, "pdb", "boltz")
    assert second == ([70] * residues if counts else None)


def _metric(draft, kinds: list[tuple[str, str]], rows: list[tuple[int, float]]) -> None:
    """Tables of ModelCIF: metrics by name and mode; values of residues by the metric's number."""
    names = "".join(f"_ma_qa_metric.{n}\n" for n in ("id", "name", "type", "mode"))
    tables = f"loop_\n{names}" + "".join(
        f"{i} '{name}' '{name}' {mode}\n" for i, (name, mode) in enumerate(kinds, 1)
    )
    columns = ("ordinal_id", "model_id", "label_asym_id", "label_seq_id", "metric_id",
               "metric_value")  # fmt: skip
    if rows:
        tables += "#\nloop_\n" + "".join(f"_ma_qa_metric_local.{n}\n" for n in columns)
        for row, (metric, value) in enumerate(rows):
            tables += f"{row} 1 A {row % 60 + 1} {metric} {value}\n"
    draft.tables = f"{tables}#\n"


@pytest.mark.parametrize("suffix", ["cif", "bcif"])
@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize("b", [0.0, 77.0, None])
def test_a_metric_of_residues_goes_before_the_column(
    draft, suffix: str, scale: int, b: float | None
) -> None:
    values = [0.2 + 0.01 * number for number in range(60)]
    _metric(draft, [("pLDDT", "local")], [(1, round(v * scale, 2)) for v in values])
    draft.change(draft.atoms, bfactor=b)
    expected = [20 + number for number in range(60)]
    assert confidence(draft, suffix, "mine") == ([expected], [])


def test_of_several_metrics_plddt_counts(draft) -> None:
    other = [(2, 90.0 - number) for number in range(60)]
    own = [(3, 20.0 + number) for number in range(60)]
    kinds = [("pLDDT", "global"), ("PAE", "local"), ("pLDDT all-atom", "local")]
    _metric(draft, kinds, other + own)
    assert confidence(draft, "cif", "mine")[0] == [[20 + number for number in range(60)]]


def test_a_constant_metric_is_no_plddt(draft) -> None:
    _metric(draft, [("pLDDT", "local")], [(1, 0.5)] * 60)
    assert confidence(draft, "cif", "boltz") == ([None], [CONSTANT])


def test_residues_the_metric_leaves_out_have_none(draft) -> None:
    _metric(draft, [("pLDDT", "local")], [(1, 50.0 + number) for number in range(30)])
    (values,), _ = confidence(draft, "cif", "mine")
    assert values == [*range(50, 80), *[0] * 30]


def test_the_metric_of_another_model_does_not_count(draft) -> None:
    _metric(draft, [("pLDDT", "local")], [(1, 30.0 + number) for number in range(60)])
    lines = draft.tables.splitlines()
    other = [" ".join([line.split()[0], "2", *line.split()[2:]]) for line in lines[-31:-1]]
    draft.tables = "\n".join([*lines[:-31], *other, "#", ""])
    (values,), _ = confidence(draft, "cif", "mine")
    assert values == [*range(30, 60), *[0] * 30]


def test_a_global_metric_says_what_the_column_is(draft) -> None:
    _metric(draft, [("pLDDT", "global")], [])
    assert confidence(draft, "cif", "mine") == ([EXPECTED], [])
    _metric(draft, [("QMEANDisCo", "local")], [(1, number / 60) for number in range(60)])
    assert confidence(draft, "cif", "mine") == ([None], [])
    assert confidence(draft, "cif", "alphafold2") == ([None], [OTHER_METRIC])


def test_an_experiment_goes_before_a_metric(draft) -> None:
    _metric(draft, [("pLDDT", "local")], [(1, float(number)) for number in range(60)])
    draft.tables += "_exptl.method 'X-RAY DIFFRACTION'\n#\n"
    assert confidence(draft, "cif", "mine") == ([None], [EXPERIMENT])


@pytest.mark.parametrize(
    "source",
    ["alphafold2", "AlphaFold_v4", "af2", "afdb", "esmfold", "colabfold-1.5", "boltz-2", "chai-1",
     "RoseTTAFold2NA", "openfold3"],
)  # fmt: skip
def test_sources_named_for_a_predictor_carry_plddt(draft, source: str) -> None:
    assert is_predictor(source)
    assert confidence(draft, "pdb", source)[0] == [EXPECTED]


@pytest.mark.parametrize(
    "source", ["pdb", "swissmodel", "chains", "chainsaw", "experimental", "md"]
)
def test_other_sources_do_not(draft, source: str) -> None:
    assert not is_predictor(source)
    assert confidence(draft, "pdb", source) == ([None], [])


def test_values_are_rounded(draft) -> None:
    draft.change(draft.of(1), bfactor=88.51)
    draft.change(draft.of(2), bfactor=88.49)
    (values,), _ = confidence(draft, "pdb", "af2")
    assert values[:2] == [89, 88]
    assert np.asarray(values).max() <= 100


def test_shares_may_reach_one(draft) -> None:
    """A model that is sure of a residue says 1.0, and means all of it."""
    for atom in draft.atoms:
        atom.bfactor = 1.0 if atom.number == 7 else 0.5
    (values,), _ = confidence(draft, "pdb", "boltz")
    assert values[6] == 100
    assert set(values) == {50, 100}


@pytest.mark.parametrize(
    ("values", "kind", "detail"),
    [
        ([7.5] * 9, CONSTANT, "all 7.50"),
        ([float("nan")] * 9, CONSTANT, "absent"),
        ([-2.0, *range(1, 9)], OUT_OF_RANGE, "-2.00 to 8.00"),
        ([*range(1, 9), 140.25], OUT_OF_RANGE, "1.00 to 140.25"),
        ([*range(1, 9), 100.5], None, ""),
    ],
)
def test_the_reason_shows_the_values(draft, values: list[float], kind, detail: str) -> None:
    structure = draft.read("pdb", "draft")
    first = structure.chains[0]
    short = replace(first, bfactors=np.array(values, np.float32))
    _, remarks = plddt([short], structure.origin, "af2", Path("draft.pdb"))
    assert [(r.kind, r.detail) for r in remarks] == ([(kind, detail)] if kind else [])


def test_a_chain_without_any_value_has_none_beside_one_that_has(draft) -> None:
    structure = draft.read("pdb", "draft")
    chains = [
        replace(structure.chains[0], id=name, bfactors=np.array(values, np.float32))
        for name, values in (("A", [40, 50, 60, 70, 80]), ("B", [np.nan] * 5), ("C", [9.5] * 5))
    ]
    values, remarks = plddt(chains, structure.origin, "af2", Path("draft.pdb"))
    assert values[0].tolist() == [40, 50, 60, 70, 80]
    assert values[1:] == [None, None]
    assert [r.detail for r in remarks] == ["chain B, all nan", "chain C, all 9.50"]
