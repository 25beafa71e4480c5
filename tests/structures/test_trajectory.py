"""Frames as conformers: written by mdtraj from real chains, read back as the chains they were."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import mdtraj
import numpy as np
import pytest

from sesstore.errors import MissingFileError, StructureError
from sesstore.structures.chain_tokens import Settings
from sesstore.structures.chains import read_structure
from sesstore.structures.dssp import tokens_dssp
from sesstore.structures.foldseek import tokens_3di
from sesstore.structures.tokenise import tokenise_trajectory
from sesstore.structures.trajectory import (
    Trajectory,
    _chains,
    _free_name,
    _stretches,
    observe_frames,
)


def noisy(path: Path, count: int) -> mdtraj.Trajectory:
    """Frames of a file's protein with a little noise, the first without."""
    one = mdtraj.load_pdb(str(path))
    one = one.atom_slice(one.topology.select("protein"))
    noise = np.random.default_rng(1).normal(0, 0.003, (count, one.n_atoms, 3))
    noise[0] = 0
    return mdtraj.Trajectory((one.xyz + noise).astype(np.float32), one.topology)


@pytest.fixture(scope="module")
def frames(shared_structures: Path) -> mdtraj.Trajectory:
    """A dimer with strands across its chains."""
    return noisy(shared_structures / "1k6p.pdb", 300)


@pytest.mark.filterwarnings("ignore:.*netCDF4")
@pytest.mark.parametrize("suffix", [".xtc", ".dcd", ".trr", ".nc"])
def test_the_first_frame_has_the_tokens_of_the_file(
    shared_structures: Path, tmp_path: Path, suffix: str
) -> None:
    frames = noisy(shared_structures / "1aki.pdb", 3)
    path = tmp_path / f"run{suffix}"
    frames.save(str(path))
    frames[0].save_pdb(str(tmp_path / "top.pdb"))
    model = tokenise_trajectory(Trajectory(path, tmp_path / "top.pdb"), source="md")
    chains = read_structure(shared_structures / "1aki.pdb").chains
    assert [chain.protein.sequence for chain in model.chains] == [c.residues for c in chains]
    for chain, theirs, dssp in zip(model.chains, chains, tokens_dssp(chains), strict=True):
        assert chain.tokens.codes["foldseek"].shape == (3, len(theirs))
        # Formats round to 0.01 Angstrom.
        assert (chain.tokens.codes["foldseek"][0] == tokens_3di(theirs)[0]).mean() > 0.99
        assert (chain.tokens.codes["dssp"][0] == dssp[0]).mean() > 0.98


def test_long_trajectories_are_read_in_blocks_and_strided(
    frames: mdtraj.Trajectory, tmp_path: Path
) -> None:
    path, topology = tmp_path / "run.dcd", tmp_path / "top.pdb"
    frames.save(str(path))
    frames[0].save_pdb(str(topology))
    whole = tokenise_trajectory(Trajectory(path, topology), source="md")
    every = tokenise_trajectory(Trajectory(path, topology, stride=50), source="md")
    for one, two in zip(whole.chains, every.chains, strict=True):
        assert one.tokens.codes["dssp"].shape[0] == 300
        for name in ("foldseek", "dssp"):
            np.testing.assert_array_equal(one.tokens.codes[name][::50], two.tokens.codes[name])


def test_chains_a_periodic_box_cuts_are_made_whole(
    frames: mdtraj.Trajectory, tmp_path: Path
) -> None:
    topology = tmp_path / "top.pdb"
    frames[0].save_pdb(str(topology))
    box = np.full((4, 3), 8.0, np.float32)
    cells = {"unitcell_lengths": box, "unitcell_angles": np.full((4, 3), 90.0, np.float32)}
    whole = mdtraj.Trajectory(frames.xyz[:4], frames.topology, **cells)
    cut = mdtraj.Trajectory(frames.xyz[:4] % 8.0, frames.topology, **cells)
    assert not np.allclose(whole.xyz, cut.xyz)
    found = []
    for name, trajectory in (("whole", whole), ("cut", cut)):
        trajectory.save(str(tmp_path / f"{name}.dcd"))
        settings = Trajectory(tmp_path / f"{name}.dcd", topology)
        found.append(tokenise_trajectory(settings, source="md").chains)
    for one, two in zip(*found, strict=True):
        assert one.tokens.codes["foldseek"].tolist() == two.tokens.codes["foldseek"].tolist()
        assert (one.tokens.codes["dssp"] == two.tokens.codes["dssp"]).mean() > 0.99


def test_a_topology_without_chains_is_cut_where_numbers_fall(
    frames: mdtraj.Trajectory, tmp_path: Path
) -> None:
    topology, path = tmp_path / "top.gro", tmp_path / "run.xtc"
    frames[0].save_gro(str(topology))
    frames[:2].save(str(path))
    model = tokenise_trajectory(Trajectory(path, topology), source="md")
    assert [chain.protein.id for chain in model.chains] == ["run_A", "run_B"]
    assert [len(chain.protein) for chain in model.chains] == [99, 99]


def test_an_inserted_residue_has_the_number_before_and_cuts_no_chain() -> None:
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in (51, 52, 52, 53, 10, 11):
        residue = topology.add_residue("ALA", chain, resSeq=number)
        topology.add_atom("CA", mdtraj.element.carbon, residue)
    numbers = [[residue.resSeq for residue in part] for part in _stretches(topology)]
    assert numbers == [[51, 52, 52, 53], [10, 11]]


def test_what_is_wrong_is_said(frames: mdtraj.Trajectory, tmp_path: Path) -> None:
    path, topology = tmp_path / "run.xtc", tmp_path / "top.pdb"
    frames[:2].save(str(path))
    frames[0].save_pdb(str(topology))
    with pytest.raises(MissingFileError, match=r"no file '.*none\.xtc'"):
        tokenise_trajectory(Trajectory(tmp_path / "none.xtc"), source="md")
    with pytest.raises(StructureError, match="Name its topology with --topology"):
        tokenise_trajectory(Trajectory(path), source="md")
    with pytest.raises(StructureError, match="name it without --trajectory"):
        tokenise_trajectory(Trajectory(topology), source="md")
    with pytest.raises(StructureError, match="no protein chain 'Q', only A, B"):
        tokenise_trajectory(Trajectory(path, topology), source="md", chain="Q")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(StructureError, match=r"run\.xtc' (cannot be read|has no frame)"):
        tokenise_trajectory(Trajectory(path, topology), source="md")
    small = tmp_path / "small.pdb"
    frames[0].atom_slice(range(40)).save_pdb(str(small))
    frames[:2].save(str(path))
    with pytest.raises(StructureError, match="the topology that belongs to it"):
        tokenise_trajectory(Trajectory(path, small), source="md")


def test_readers_that_print_do_not_touch_standard_output(
    frames: mdtraj.Trajectory, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, topology = tmp_path / "run.dcd", tmp_path / "top.pdb"
    frames[:2].save(str(path))
    frames[0].save_pdb(str(topology))
    capfd.readouterr()
    tokenise_trajectory(Trajectory(path, topology), source="md")
    assert capfd.readouterr().out == ""


@pytest.mark.skipif(importlib.util.find_spec("tables") is not None, reason="tables is installed")
def test_hdf5_without_its_package_is_said(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(b"")
    with pytest.raises(StructureError, match="pip install tables"):
        tokenise_trajectory(Trajectory(path), source="md")


def test_frames_are_assigned_by_the_program_that_is_named(
    shared_structures: Path, tmp_path: Path
) -> None:
    frames = noisy(shared_structures / "1aki.pdb", 2)
    path, topology = tmp_path / "run.dcd", tmp_path / "top.pdb"
    frames.save(str(path))
    frames[0].save_pdb(str(topology))
    with pytest.raises(StructureError, match="Leave out --dssp"):
        observe_frames(Trajectory(path, topology), Settings("md", mkdssp=sys.executable))


def test_one_chain_of_several_has_its_own_tokens(frames: mdtraj.Trajectory, tmp_path: Path) -> None:
    path, topology = tmp_path / "run.dcd", tmp_path / "top.pdb"
    frames[:2].save(str(path))
    frames[0].save_pdb(str(topology))
    whole = observe_frames(Trajectory(path, topology), Settings("md"))
    (second,) = observe_frames(Trajectory(path, topology), Settings("md", chain="B"))
    assert (second.id, second.name) == ("run_B", f"{path} chain B")
    for name, codes in second.codes.items():
        np.testing.assert_array_equal(codes, whole[1].codes[name])
        assert (codes != whole[0].codes[name]).any()


def test_chains_of_a_topology_and_the_atoms_they_lack() -> None:
    """Waters and residues without a C-alpha are left out; chains without a name get letters."""
    topology = mdtraj.Topology()
    atoms = {"ALA": ("N", "CA", "O"), "HOH": ("O",), "GLY": ("N", "C"), "SER": ("CA", "HA", "N")}
    for names in (("ALA", "HOH", "GLY"), ("HOH",), ("SER", "ALA")):
        part = topology.add_chain()
        for number, name in enumerate(names, 5):
            residue = topology.add_residue(name, part, resSeq=number)
            for atom in atoms[name]:
                topology.add_atom(atom, mdtraj.element.carbon, residue)
    (first, one), (second, two) = _chains(topology)
    assert (first.residues, first.numbers.tolist()) == ("A", [5])
    assert (second.residues, second.numbers.tolist()) == ("SA", [5, 6])
    assert one.tolist() == [[0, 1, -1, -1, 2]]
    assert two.tolist() == [[9, 7, -1, -1, -1], [10, 11, -1, -1, 12]]
    assert [first.id, second.id] == ["A", "B"]


def test_a_chain_of_waters_beside_the_protein_is_left_out(
    frames: mdtraj.Trajectory, tmp_path: Path
) -> None:
    """As most simulations have it: solvent has a chain of its own."""
    one = frames[:1]
    water = mdtraj.Topology()
    part = water.add_chain()
    for number in range(3):
        water.add_atom("O", mdtraj.element.oxygen, water.add_residue("HOH", part, resSeq=number))
    xyz = np.zeros((1, 3, 3), np.float32)
    solvated = one.stack(mdtraj.Trajectory(xyz, water))
    path, topology = tmp_path / "run.dcd", tmp_path / "top.pdb"
    solvated.save(str(path))
    solvated.save_pdb(str(topology))
    dry, wet = tmp_path / "dry.dcd", Trajectory(path, topology)
    one.save(str(dry))
    one.save_pdb(str(tmp_path / "dry.pdb"))
    expected = observe_frames(Trajectory(dry, tmp_path / "dry.pdb"), Settings("md"))
    observed = observe_frames(wet, Settings("md"))
    assert [chain.chain.residues for chain in observed] == [c.chain.residues for c in expected]
    for chain, plain in zip(observed, expected, strict=True):
        for name, codes in plain.codes.items():
            np.testing.assert_array_equal(chain.codes[name], codes)


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        ([None, None, None], ["A", "B", "C", "D"]),
        ([" ", " ", " "], ["A", "B", "C", "D"]),
        (["A", "B", "C"], ["A", "D", "B", "C"]),
        (["C", None, "A"], ["C", "B", "D", "A"]),
        (["A", "A", "B"], ["A", "C", "D", "B"]),
    ],
)
def test_no_chain_takes_the_name_of_another(names: list[str | None], ids: list[str]) -> None:
    """The first chain's numbers fall, so that it is two; a name that is a blank is none."""
    topology = mdtraj.Topology()
    for name, numbers in zip(names, ((5, 6, 1), (1,), (1,)), strict=True):
        part = topology.add_chain(name)
        for number in numbers:
            residue = topology.add_residue("ALA", part, resSeq=number)
            topology.add_atom("CA", mdtraj.element.carbon, residue)
    assert [chain.id for chain, _ in _chains(topology)] == ids


def test_beyond_the_letters_chains_have_numbers() -> None:
    letters = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert [_free_name(set()), _free_name({"A", "C"}), _free_name(letters - {"Z"})] == [
        "A",
        "B",
        "Z",
    ]
    assert [_free_name(letters), _free_name(letters | {"27"})] == ["27", "28"]
