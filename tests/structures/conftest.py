"""PDB files written from chains that were read; drafts of files with the faults people bring."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from biotite.structure.io import pdbx

from sesstore.structures.chains import BACKBONE, Chain, parse_structure, read_structure
from sesstore.structures.letters import one_letter
from sesstore.structures.tokenise import TokenisedChain, tokenise

_NAMES = (
    "ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE",
    "LEU", "LYS", "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR", "VAL",
)  # fmt: skip


NAMES = {one_letter(name): name for name in _NAMES}


def _pdb_text(
    chain: Chain,
    rows: slice = slice(None),
    *,
    begin: int | None = None,
    atoms: tuple[str, ...] = BACKBONE,
) -> str:
    """PDB text of some residues; with `begin`, what place in a database sequence they start at."""
    lines = []
    if begin is not None:
        lines.append(
            f"DBREF  XXXX A    1  {len(chain):4d}  UNP    P99999   XXXX_XXXXX"
            f"   {begin:>8d}  {begin + len(chain):4d}"
        )
        lines[0] = f"{lines[0][:55]}{begin:>5d} {begin + len(chain):>5d}"
    for number, row in enumerate(range(len(chain))[rows], 1):
        for place, name in enumerate(BACKBONE):
            xyz = chain.backbone[0, row, place]
            if name in atoms and np.isfinite(xyz).all():
                x, y, z = xyz.tolist()
                lines.append(
                    f"ATOM  {1:5d}  {name:<3} {NAMES[chain.residues[row]]} A{number:4d}    "
                    f"{x:8.3f}{y:8.3f}{z:8.3f}{1:6.2f}{chain.bfactors[row]:6.2f}          "
                    f"{name[0]:>2}  "
                )
    return "\n".join([*lines, "END", ""])


@pytest.fixture(scope="session")
def pdb_text() -> Callable[..., str]:
    """`_pdb_text`, for tests."""
    return _pdb_text


@pytest.fixture(scope="session")
def heavy(shared_structures: Path) -> Chain:
    """A chain of 434 residues."""

    return read_structure(shared_structures / "1igy.cif").chains[1]


@dataclass
class Atom:
    """One atom of a draft; a fault is a change of its fields."""

    name: str
    residue: str
    number: int
    xyz: tuple[float, float, float]
    position: int | None = None
    record: str = "ATOM"
    altloc: str = ""
    chain: str = "A"
    insertion: str = ""
    occupancy: float = 1.0
    bfactor: float | None = 30.0
    segment: str = ""
    label: str = "A"
    entity: str = "1"
    model: int = 1
    written_number: str = ""
    """What a PDB file has in place of the number."""


@dataclass
class Draft:
    """A structure file to be: atoms and, for PDB, lines between them."""

    parts: list[Atom | str]
    head: str = ""
    tables: str = ""
    sequence: list[str] = field(default_factory=list)

    @property
    def atoms(self) -> list[Atom]:
        return [part for part in self.parts if isinstance(part, Atom)]

    def of(self, *numbers: int) -> list[Atom]:
        """Atoms of some residues."""
        return [atom for atom in self.atoms if atom.number in numbers]

    def change(self, atoms: list[Atom], **fields: object) -> None:
        for atom in atoms:
            vars(atom).update(fields)

    def shifted(self, distance: float, **fields: object) -> list[Atom]:
        """A copy of all atoms, somewhere else."""
        return [
            replace(a, xyz=(a.xyz[0] + distance, *a.xyz[1:]), **fields)
            for a in deepcopy(self.atoms)
        ]

    def line(self, text: str, before: int) -> None:
        """Put a line before the first atom of a residue."""
        place = next(i for i, a in enumerate(self.parts) if vars_of(a).get("number") == before)
        self.parts.insert(place, text)

    def pdb(self) -> bytes:
        lines = [_pdb_line(part) if isinstance(part, Atom) else part for part in self.parts]
        return (self.head + "\n".join([*lines, "END", ""])).encode()

    def cif(self) -> bytes:
        rows = "".join(_cif_row(i, atom) for i, atom in enumerate(self.atoms, 1))
        tags = "".join(f"_atom_site.{name}\n" for name in _CIF_NAMES)
        poly = "".join(f"1 {n} {name}\n" for n, name in enumerate(self.sequence, 1))
        if poly:
            names = "".join(f"_entity_poly_seq.{n}\n" for n in ("entity_id", "num", "mon_id"))
            poly = f"loop_\n{names}{poly}#\n"
        return f"data_draft\n#\n{self.tables}{poly}loop_\n{tags}{rows}#\n".encode()

    def bcif(self) -> bytes:
        return binary(self.cif())

    def raw(self, suffix: str) -> bytes:
        return {"pdb": self.pdb, "cif": self.cif, "bcif": self.bcif}[suffix]()

    def read(self, suffix: str = "pdb", name: str = "draft"):
        from sesstore.structures.chains import parse_structure

        return parse_structure(Path(f"{name}.{suffix}"), self.raw(suffix))


def vars_of(part: Atom | str) -> dict[str, object]:
    return vars(part) if isinstance(part, Atom) else {}


def _pdb_line(a: Atom) -> str:
    name = a.name if len(a.name) == 4 else f" {a.name:<3}"
    number = a.written_number or f"{a.number:4d}"
    x, y, z = a.xyz
    b = " " * 6 if a.bfactor is None else f"{a.bfactor:6.2f}"
    return (
        f"{a.record:<6}{1:5d} {name}{a.altloc or ' '}{a.residue:>3} {a.chain or ' '}"
        f"{f'{number}{a.insertion or str()}':<5}   {x:8.3f}{y:8.3f}{z:8.3f}{a.occupancy:6.2f}{b}"
        f"      {a.segment:<4}{a.name[0]:>2}"
    )


_CIF_NAMES = (
    "group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id",
    "label_asym_id", "label_entity_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y",
    "Cartn_z", "occupancy", "B_iso_or_equiv", "auth_seq_id", "auth_asym_id", "pdbx_PDB_model_num",
)  # fmt: skip


def _cif_row(number: int, a: Atom) -> str:
    words = (
        a.record, number, a.name[0], a.name, a.altloc or ".", a.residue, a.label or ".",
        a.entity or "?", a.position or ".", a.insertion or "?", *(f"{x:.3f}" for x in a.xyz),
        f"{a.occupancy:.2f}", "?" if a.bfactor is None else f"{a.bfactor:.2f}", a.number,
        a.chain or "?", a.model,
    )  # fmt: skip
    return " ".join(map(str, words)) + "\n"


def binary(text: bytes) -> bytes:
    """The BinaryCIF of an mmCIF text, by biotite."""

    block = pdbx.CIFFile.read(io.StringIO(text.decode())).block
    categories = {
        name: pdbx.BinaryCIFCategory(
            {
                key: pdbx.BinaryCIFColumn(
                    pdbx.BinaryCIFData(column.data.array),
                    None if column.mask is None else pdbx.BinaryCIFData(column.mask.array),
                )
                for key, column in block[name].items()
            }
        )
        for name in block
    }
    packed = io.BytesIO()
    pdbx.BinaryCIFFile({"draft": pdbx.BinaryCIFBlock(categories)}).write(packed)
    return packed.getvalue()


def _demo_atoms(count: int) -> Iterator[Atom]:
    """Atoms of the first residues of a bundled chain, numbered from 1."""
    folder = resources.files("sesstore") / "demo" / "structures"
    text = gzip.decompress((folder / "3a4r_A.pdb.gz").read_bytes()).decode()
    lines = [line for line in text.splitlines() if line.startswith("ATOM")]
    numbers = list(dict.fromkeys(line[22:27] for line in lines))
    for line in lines:
        number = numbers.index(line[22:27]) + 1
        if number <= count:
            xyz = (float(line[30:38]), float(line[38:46]), float(line[46:54]))
            yield Atom(line[12:16].strip(), line[17:20], number, xyz, number)


@pytest.fixture(scope="session")
def _sixty() -> list[Atom]:
    return list(_demo_atoms(60))


@pytest.fixture
def draft(_sixty: list[Atom]) -> Draft:
    """Sixty residues of chain A of 3a4r, whole and plain."""
    atoms = deepcopy(_sixty)
    names = {atom.number: atom.residue for atom in atoms}
    confidence = {number: 40.0 + number % 50 for number in names}
    for atom in atoms:
        atom.bfactor = confidence[atom.number]
    return Draft(list(atoms), sequence=list(names.values()))


def atom(
    name: str,
    residue: str,
    number: int,
    xyz: tuple[float, float, float],
    *,
    record: str = "ATOM",
    chain: str = "A",
    altloc: str = " ",
    occupancy: float = 1.0,
    insertion: str = " ",
) -> str:
    x, y, z = xyz
    return (
        f"{record:<6}{1:5d}  {name:<3}{altloc}{residue:>3} {chain}{number:4d}{insertion}   "
        f"{x:8.3f}{y:8.3f}{z:8.3f}{occupancy:6.2f}{50.0:6.2f}          {name[0]:>2}\n"
    )


def residue(
    name: str,
    number: int,
    *,
    shift: float = 0.0,
    record: str = "ATOM",
    chain: str = "A",
    altloc: str = " ",
    occupancy: float = 1.0,
    insertion: str = " ",
) -> str:
    start = 3.8 * number + shift
    places = {"N": (start, 0, 0), "CA": (start + 1.2, 0.8, 0), "C": (start + 2.4, 0, 0)}
    places["O"] = (start + 2.4, -1.2, 0)
    return "".join(
        atom(
            atom_name,
            name,
            number,
            place,
            record=record,
            chain=chain,
            altloc=altloc,
            occupancy=occupancy,
            insertion=insertion,
        )
        for atom_name, place in places.items()
    )


def read(text: str, name: str = "made.pdb"):
    return parse_structure(Path(name), text.encode())


def by_id(path: Path, **options) -> dict[str, TokenisedChain]:
    return {chain.protein.id: chain for chain in tokenise(path, source="pdb", **options)}
