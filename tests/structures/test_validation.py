"""Packed files that unpack to more than a structure can be: one clear error, little memory."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import StructureError
from sesstore.structures import validation
from sesstore.structures.chains import parse_structure
from sesstore.structures.structure_files import StructureFile, structure_files
from sesstore.structures.validation import most_bytes, unpack


@contextmanager
def memory_below(megabytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < megabytes << 20


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """64 megabytes of one letter, in 300 kilobytes of gzip or less."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(b"A" * (1 << 26))
    return packed.getvalue()


@pytest.mark.parametrize("name", ["x.pdb.gz", "x.cif.gz", "x.bcif.gz", "x.pdb"])
def test_a_gzip_bomb_is_an_error(bomb: bytes, name: str) -> None:
    with (
        memory_below(60),
        pytest.raises(StructureError, match=rf"'{name}' has .* bytes and unpacks to more than"),
    ):
        parse_structure(Path(name), bomb)


def test_structures_are_far_from_the_bound(draft) -> None:
    packed = gzip.compress(draft.pdb(), 9)
    assert len(draft.pdb()) < 10 * len(packed)
    assert unpack(Path("x.pdb.gz"), packed) == draft.pdb()


def test_the_bound_is_a_hundred_times_the_file_and_32_megabytes_at_least() -> None:
    assert most_bytes(1000) == 1 << 25
    assert most_bytes(1_000_000) == 100_000_000
    assert most_bytes(1 << 40) == validation.MOST_BYTES


def test_a_packed_tar_file_is_not_unpacked_without_end(
    tmp_path: Path, draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sesstore.structures.structure_files._TAR_SMALL", 1 << 20)
    path = tmp_path / "models.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, raw in (("good.pdb", draft.pdb()), ("bomb.pdb", b"A" * (1 << 25))):
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    good, bad = structure_files([path])
    assert good.read() == draft.pdb()
    assert "bomb.pdb' of 33,554,432 bytes is more than it can hold" in bad.problem


def test_a_member_beyond_its_archive_takes_no_memory(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar"
    archive.write_bytes(b"A" * 10_000)
    member = StructureFile(archive / "x.pdb", archive, 512, 1 << 30)
    with memory_below(10), pytest.raises(StructureError, match="is cut short"):
        member.read()
    endless = StructureFile(archive / "x.pdb", archive, 512, 1 << 60)
    with memory_below(10), pytest.raises(StructureError, match="more than the"):
        endless.read()


def test_a_plain_file_larger_than_any_structure_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.pdb"
    with path.open("wb") as file:
        file.truncate(validation.MOST_BYTES + 1)  # a hole: it takes no space
    with memory_below(10), pytest.raises(StructureError, match="--trajectory"):
        StructureFile(path).read()


def test_models_that_share_nothing_take_no_memory(draft) -> None:
    """Each model is stacked on the residues of the first: one of each would be a square."""
    first = [atom for n, chain in enumerate("ABCD") for atom in draft.shifted(60 * n, chain=chain)]
    lone = draft.of(1)
    draft.parts = ["MODEL        1", *first, "ENDMDL"]
    for number in range(2, 300):
        draft.parts += [f"MODEL     {number:4d}", *lone, "ENDMDL"]
    with pytest.raises(StructureError, match=r"299 models that hardly have .* Write each to a"):
        draft.read()


def test_alternate_locations_of_many_names_take_no_memory(draft) -> None:
    for place, atom in enumerate(draft.atoms):
        atom.altloc = f"a{place}"
    with memory_below(50):
        (chain,) = draft.read("cif").chains
    assert len(chain) == 60


def _scaled(draft, bond: float) -> None:
    """Blow up the draft until its median N-CA bond has a length."""
    places = {(a.number, a.name): np.array(a.xyz) for a in draft.atoms}
    lengths = [
        np.linalg.norm(places[n, "N"] - xyz) for (n, name), xyz in places.items() if name == "CA"
    ]
    factor = bond / float(np.median(lengths))
    for atom in draft.atoms:
        atom.xyz = tuple(factor * x for x in atom.xyz)


@pytest.mark.parametrize(
    ("bond", "sound"), [(1.33, False), (1.37, True), (1.58, True), (1.62, False)]
)
def test_a_bond_may_have_a_tenth_more_or_less(draft, bond: float, sound: bool) -> None:
    _scaled(draft, bond)
    if sound:
        assert len(draft.read().chains[0]) == 60
    else:
        with pytest.raises(StructureError, match=rf"N and CA are {bond} apart, not 1\.46"):
            draft.read()


@pytest.mark.parametrize(("residues", "sound"), [(9, True), (10, False)])
def test_a_mirror_image_is_noticed_by_ten_residues(draft, residues: int, sound: bool) -> None:
    """Of those that have a hand: glycine has none, and D-amino acids have names of their own."""
    handed = [n for n in range(1, 61) if draft.of(n)[0].residue != "GLY"][:residues]
    draft.parts = [atom for n in handed for atom in draft.of(n)]
    for atom in draft.atoms:
        atom.xyz = (-atom.xyz[0], *atom.xyz[1:])
    if sound:
        assert len(draft.read().chains[0]) == residues
        return
    with pytest.raises(StructureError, match="is a mirror image"):
        draft.read()
    for atom in draft.of(*handed[:5]):
        atom.xyz = (-atom.xyz[0], *atom.xyz[1:])
    assert len(draft.read().chains[0]) == residues  # half of them may be


def test_text_may_have_a_mark_and_names_in_another_alphabet(draft) -> None:
    plain = draft.read().chains[0].residues
    for head in (b"\xef\xbb\xbf", b"REMARK   " + b"\xe9" * 199 + b"\n"):
        raw = head + draft.pdb()
        assert parse_structure(Path("x.pdb"), raw).chains[0].residues == plain
    with pytest.raises(StructureError, match="bytes that are no text"):
        parse_structure(Path("x.pdb"), b"REMARK   " + b"\xe9" * 200 + b"\n" + draft.pdb())


def test_files_that_state_sequences_end_as_archives_end_them(draft) -> None:
    draft.head = "HEADER    X\nSEQRES   1 A    1  ALA\n"
    assert len(draft.read().chains[0]) == 60
    for end in (b"END\n", b"END   "):
        raw = draft.pdb().removesuffix(b"END\n") + end
        assert len(parse_structure(Path("x.pdb"), raw).chains[0]) == 60
    with pytest.raises(StructureError, match=r"'x\.pdb' has SEQRES but does not end with END"):
        parse_structure(Path("x.pdb"), draft.pdb().removesuffix(b"END\n"))
    assert len(parse_structure(Path("x.cif"), draft.cif()).chains[0]) == 60
    with pytest.raises(StructureError, match=r"'x\.cif' does not end with #"):
        parse_structure(Path("x.cif"), draft.cif().removesuffix(b"#\n"))


@pytest.mark.parametrize(
    ("name", "told"), [("x.cif", "is a PDB file by its content. Name it .pdb"),
                       ("x.pdb", "is an mmCIF file by its content. Name it .cif")]
)  # fmt: skip
def test_a_file_of_the_other_format_is_told_so(draft, name: str, told: str) -> None:
    raw = draft.pdb() if name == "x.cif" else draft.cif()
    with pytest.raises(StructureError, match=f"'{name}' {told}"):
        parse_structure(Path(name), raw)
