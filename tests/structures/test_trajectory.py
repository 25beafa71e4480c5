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
from sesstore.structures.trajectory import Trajectory, _stretches, observe_frames


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
