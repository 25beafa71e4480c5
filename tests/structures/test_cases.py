"""Files that failed once, held against gemmi, Biopython with mini3di, and mdtraj."""

from __future__ import annotations

from pathlib import Path

import mdtraj
import mini3di
import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.structures.chains import Structure, read_structure
from sesstore.structures.dssp import tokens_dssp
from sesstore.structures.foldseek import tokens_3di
from sesstore.structures.notices import Failure
from sesstore.structures.tokenise import TokenisedChain, tokenise

LYSOZYME = {"A": 129}
CHAINS: dict[str, dict[str, int]] = {
    **{f"01-hex-water-numbers/{n}.pdb": LYSOZYME
       for n in ("five_digits", "plain", "stars", "vmd_hex")},
    "02-hybrid36/titin_part.pdb": LYSOZYME,
    "03-same-auth-number/dup_auth.cif": {"A": 60},
    "03-same-auth-number/right.cif": {"A": 60},
    "04-chains-without-ids/amber_ter.pdb": {"A": 40, "B": 70},
    "04-chains-without-ids/gromacs_restart.pdb": {"A": 40, "B": 70},
    "04-chains-without-ids/one_chain.pdb": {"": 129},
    "04-chains-without-ids/right.pdb": {"A": 40, "B": 70},
    "08-alphafold3-server/fold_test_model_0.cif": {"A": 60},
    **{f"09-pymol-cif/{n}.cif": LYSOZYME for n in ("pymol", "pymol_dot", "pymol_water")},
    "10-biostructures-cif/stripped.cif": {"0": 129},
    **{f"11-quoted-cif/{n}.cif": LYSOZYME
       for n in ("quoted_chain", "quoted_names", "quoted_residue", "wrapped_rows")},
    "11-quoted-cif/underscore_chain.cif": {"_": 129},
    "12-microheterogeneity/micro.cif": {"A": 60},
    "13-modified-residues/free_amino_acid.pdb": {"A": 60},
    "13-modified-residues/midchain_noter.pdb": {"A": 56},
    "13-modified-residues/midchain_ter.pdb": {"A": 56},
    "13-modified-residues/modified.cif": {"A": 60},
    "13-modified-residues/modified.pdb": {"A": 60},
    "15-missing-alpha/no_ca.cif": {"A": 58},
    "15-missing-alpha/no_ca.pdb": {"A": 58},
    "23-model-end/casp.pdb": LYSOZYME,
    "23-model-end/end_only.pdb": LYSOZYME,
    "23-model-end/two_end.pdb": LYSOZYME,
}  # fmt: skip


@pytest.mark.parametrize("case", CHAINS)
def test_chains_are_what_they_should_be(shared_cases: Path, case: str) -> None:
    structure = read_structure(shared_cases / case)
    assert {chain.id: len(chain) for chain in structure.chains} == CHAINS[case]
    models = 2 if case.endswith(("end_only.pdb", "two_end.pdb")) else 1
    assert {len(chain.backbone) for chain in structure.chains} == {models}


GEMMIS = [
    case
    for case in CHAINS
    if case[:2] in ("02", "03", "08", "09", "10", "11", "12")
    or case.endswith(("right.pdb", "noter.pdb", "modified.cif", "modified.pdb", "casp.pdb"))
]


@pytest.mark.parametrize("case", GEMMIS)
def test_residues_and_coordinates_are_gemmis(shared_cases: Path, case: str) -> None:
    gemmi = pytest.importorskip("gemmi")
    model = gemmi.read_structure(str(shared_cases / case))[0]
    for chain in read_structure(shared_cases / case).chains:
        carbon = gemmi.Element("C")
        residues = [r for r in model[chain.id] if r.find_atom("CA", "*", carbon)]
        alphas = [r.find_atom("CA", "*", carbon).pos.tolist() for r in residues]
        if "12-" not in case:
            assert len(residues) == len(chain)
            np.testing.assert_allclose(chain.backbone[0, :, 1], alphas, atol=2e-3)
        numbers = [residue.seqid.num for residue in residues]
        if "noter" not in case and "12-" not in case:
            assert chain.numbers.tolist() == numbers


def _states(structure: Structure) -> dict[str, tuple[str, str]]:
    dssp = tokens_dssp(structure.chains)
    return {
        chain.residues: (FOLDSEEK.decode(tokens_3di(chain)[0]), DSSP.decode(codes[0]))
        for chain, codes in zip(structure.chains, dssp, strict=True)
    }


@pytest.mark.parametrize(
    ("case", "right"),
    [
        ("03-same-auth-number/dup_auth.cif", "03-same-auth-number/right.cif"),
        ("04-chains-without-ids/amber_ter.pdb", "04-chains-without-ids/right.pdb"),
        ("04-chains-without-ids/gromacs_restart.pdb", "04-chains-without-ids/right.pdb"),
        ("13-modified-residues/midchain_ter.pdb", "13-modified-residues/midchain_noter.pdb"),
        ("23-model-end/end_only.pdb", "01-hex-water-numbers/plain.pdb"),
        ("11-quoted-cif/quoted_names.cif", "01-hex-water-numbers/plain.pdb"),
        ("01-hex-water-numbers/vmd_hex.pdb", "01-hex-water-numbers/plain.pdb"),
    ],
)
def test_states_are_those_of_the_file_without_the_fault(
    shared_cases: Path, case: str, right: str
) -> None:
    fault, plain = (read_structure(shared_cases / name) for name in (case, right))
    assert _states(fault) == _states(plain)


@pytest.mark.parametrize(
    "case",
    ["14-backbone-only/full.pdb", "14-backbone-only/ncac_gly.pdb", "15-missing-alpha/no_ca.pdb",
     "13-modified-residues/midchain_noter.pdb", "04-chains-without-ids/right.pdb"],
)  # fmt: skip
def test_3di_is_mini3dis_by_biopython(shared_cases: Path, case: str) -> None:
    pdb = pytest.importorskip("Bio.PDB")
    model = pdb.PDBParser(QUIET=True).get_structure("x", str(shared_cases / case))[0]
    structure = read_structure(shared_cases / case)
    for chain, other in zip(structure.chains, model, strict=True):
        residues = [residue for residue in other if "CA" in residue]
        atoms = {
            name: np.array([r[name].coord if name in r else [np.nan] * 3 for r in residues])
            for name in ("CA", "CB", "N", "C")
        }
        states = mini3di.Encoder().encode_atoms(**{n.lower(): a for n, a in atoms.items()})
        expected = np.ma.filled(states, FOLDSEEK.letters.index("D")).astype(np.uint8)
        expected[~np.isfinite(np.stack([atoms[n] for n in ("CA", "N", "C")])).all((0, 2))] = (
            FOLDSEEK.mask
        )
        np.testing.assert_array_equal(tokens_3di(chain)[0], expected)


@pytest.mark.parametrize("case", ["14-backbone-only/full.pdb", "04-chains-without-ids/right.pdb"])
def test_dssp_is_mdtrajs_of_the_whole_file(shared_cases: Path, case: str) -> None:
    whole = mdtraj.load_pdb(str(shared_cases / case), standard_names=False)
    states = "".join(mdtraj.compute_dssp(whole, simplified=False)[0])
    codes = np.concatenate(tokens_dssp(read_structure(shared_cases / case).chains), axis=1)[0]
    assert DSSP.decode(codes) == DSSP.decode(DSSP.encode(states))


CONFIDENCE = {
    "05-experimental-taken-for-predicted/alphafold_mr.cif": [None],
    "05-experimental-taken-for-predicted/chainsaw.cif": [None],
    "05-experimental-taken-for-predicted/plainsoft.cif": [None],
    "06-constant-bfactors/all_1.00.pdb": [None],
    "06-constant-bfactors/all_100.00.pdb": [None],
    "06-constant-bfactors/esmfold01.pdb": [[39, 88, 82]],
    "06-constant-bfactors/esmfold100.pdb": [[39, 88, 82]],
    "07-boltz-scales/job_model_0.cif": [[39, 88, 82]],
    "07-boltz-scales/metric_only.cif": [[39, 88, 82]],
    "08-alphafold3-server/fold_test_model_0.cif": [[39, 88, 82]],
}


@pytest.mark.parametrize("source", ["alphafold2", "boltz"])
@pytest.mark.parametrize("case", CONFIDENCE)
def test_plddt_is_what_the_file_states(shared_cases: Path, case: str, source: str) -> None:
    chains = [c for c in tokenise(shared_cases / case, source=source) if not isinstance(c, Failure)]
    values = [None if c.tokens.plddt is None else c.tokens.plddt[:3].tolist() for c in chains]
    assert values == CONFIDENCE[case]
    experimental = case.startswith("05")
    assert any("no pLDDT stored" in r.kind for c in chains for r in c.remarks) == (values == [None])
    if experimental:
        (chain,) = tokenise(shared_cases / case, source="pdb")
        assert isinstance(chain, TokenisedChain)
        assert chain.tokens.plddt is None


def test_backbones_without_oxygen_say_that_dssp_is_masked(shared_cases: Path) -> None:
    (chain,) = tokenise(shared_cases / "14-backbone-only/ncac_gly.pdb", source="pdb")
    assert isinstance(chain, TokenisedChain)
    assert (chain.tokens.codes["dssp"] == DSSP.mask).all()
    assert (chain.tokens.codes["foldseek"] < FOLDSEEK.mask).all()
    (remark,) = chain.remarks
    assert remark.kind == "residues without O: DSSP is masked there"
    assert remark.detail.endswith("ncac_gly.pdb chain A: 129 of 129")
