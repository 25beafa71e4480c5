"""A hundred corrupted files: each is said, by its name, and none stops the others."""

from __future__ import annotations

import base64
import gzip
import io
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from biotite.structure.io import pdbx

from sesstore.errors import StructureError
from sesstore.jobs.tokenizing.tokenize import tokenize
from sesstore.store import Store
from sesstore.structures.chain_tokens import Settings, observed_chains
from sesstore.structures.chains import parse_structure
from sesstore.structures.structure_files import StructureFile
from sesstore.structures.tokenise import tokenise_many

Lines = list[bytes]


def _atoms(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A change of every atom line of a PDB file."""

    def changed(raw: bytes) -> bytes:
        return b"".join(
            change(line) if line.startswith((b"ATOM", b"HETATM")) else line
            for line in raw.splitlines(keepends=True)
        )

    return changed


def _columns(*order: tuple[int, int]) -> Callable[[bytes], bytes]:
    """Columns of atom lines from 30 on in another order; the rest of the line stays."""

    def change(line: bytes) -> bytes:
        return line[:30] + b"".join(line[a:b] for a, b in order) + line[66:]

    return _atoms(change)


X, Y, Z, OCCUPANCY, B = (30, 38), (38, 46), (46, 54), (54, 60), (60, 66)


def _number(line_number: int, start: int, text: bytes) -> Callable[[bytes], bytes]:
    """One field of one atom as another text."""

    def changed(raw: bytes) -> bytes:
        lines = raw.splitlines(keepends=True)
        rows = [i for i, line in enumerate(lines) if line.startswith(b"ATOM")]
        line = lines[rows[line_number]]
        lines[rows[line_number]] = line[:start] + text + line[start + len(text) :]
        return b"".join(lines)

    return changed


def _shuffled(raw: bytes) -> bytes:
    lines = raw.splitlines(keepends=True)
    rows = [i for i, line in enumerate(lines) if line.startswith(b"ATOM")]
    moved = rows.copy()
    random.Random(4).shuffle(moved)
    atoms = [lines[i] for i in moved]
    for row, line in zip(rows, atoms, strict=True):
        lines[row] = line
    return b"".join(lines)


def _block(fill: bytes, at: float) -> Callable[[bytes], bytes]:
    """4 kB of the file overwritten."""

    def changed(raw: bytes) -> bytes:
        start = int(at * len(raw))
        return raw[:start] + fill * 4096 + raw[start + 4096 :]

    return changed


def _renamed(*pairs: tuple[str, str]) -> Callable[[bytes], bytes]:
    """Columns of the table of atoms under each other's names."""

    def changed(raw: bytes) -> bytes:
        for one, two in pairs:
            one_, two_, between = (f"_atom_site.{n} ".encode() for n in (one, two, "between"))
            raw = raw.replace(one_, between).replace(two_, one_).replace(between, two_)
        return raw

    return changed


PDB = {
    "swapped-xy": _columns(Y, X, Z, OCCUPANCY, B),
    "swapped-yz": _columns(X, Z, Y, OCCUPANCY, B),
    "swapped-xz": _columns(Z, Y, X, OCCUPANCY, B),
    "occupancy-first": _columns(OCCUPANCY, X, Y, Z, B),
    "b-first": _columns(B, X, Y, Z, OCCUPANCY),
    "reversed-columns": _columns(B, OCCUPANCY, Z, Y, X),
    "three-columns-less": _atoms(lambda line: line[:28] + line[31:]),
    "one-column-more": _atoms(lambda line: line[:12] + b" " + line[12:]),
    "tabs": _atoms(lambda line: b"\t".join(line.split()) + b"\n"),
    "commas": _atoms(lambda line: line.replace(b".", b",")),
    "in-nanometres": _atoms(
        lambda line: line[:30]
        + b"".join(b"%8.3f" % (float(line[a:b]) / 10) for a, b in (X, Y, Z))
        + line[54:]
    ),
    "no-coordinates": _atoms(lambda line: line[:30] + b" " * 24 + line[54:]),
    "zeros": _atoms(lambda line: line[:30] + b"   0.000" * 3 + line[54:]),
    "shuffled-atoms": _shuffled,
    "no-carbon-alphas": lambda raw: b"".join(
        line for line in raw.splitlines(keepends=True) if line[12:16] != b" CA "
    ),
    "carbon-alphas-alone": lambda raw: b"".join(
        line
        for line in raw.splitlines(keepends=True)
        if not line.startswith((b"ATOM", b"HETATM")) or line[12:16] == b" CA "
    ),
    "no-atoms": lambda raw: b"".join(
        line
        for line in raw.splitlines(keepends=True)
        if not line.startswith((b"ATOM", b"HETATM"))
    ),
    "nan": _number(40, 30, b"     nan"),
    "inf": _number(41, 38, b"     inf"),
    "stars": _number(42, 46, b"********"),
    "letters": _number(43, 30, b"  1O.5  "),
    "no-number": _number(44, 22, b" A1B"),
    "blank-number": _number(45, 22, b"    "),
    "too-large": _number(46, 30, b"   1e99 "),
    "other-sequence": lambda raw: re.sub(rb"(?m)^(SEQRES .{12}).*$", rb"\1" + b" TRP" * 13, raw),
}  # fmt: skip

CIF = {
    "swapped-xy": _renamed(("Cartn_x", "Cartn_y")),
    "swapped-xz": _renamed(("Cartn_x", "Cartn_z")),
    "x-is-occupancy": _renamed(("Cartn_x", "occupancy")),
    "x-is-the-atom": _renamed(("Cartn_x", "label_atom_id")),
    "number-is-the-residue": _renamed(("auth_seq_id", "label_comp_id")),
    "model-is-the-element": _renamed(("pdbx_PDB_model_num", "type_symbol")),
    "no-x": lambda raw: raw.replace(b"_atom_site.Cartn_x ", b"_atom_site.mystery "),
    "one-word-less": lambda raw: re.sub(rb"(?m)^(ATOM   500 .*) \S+ *$", rb"\1", raw),
    "one-word-more": lambda raw: re.sub(rb"(?m)^(ATOM   500 .*)$", rb"\1 more", raw),
    "nan": lambda raw: re.sub(rb"(?m)^(ATOM   77 .* )1\.00 ", rb"\1nan ", raw)
    .replace(b" 35.365 ", b" nan "),
    "open-quote": lambda raw: raw.replace(b"loop_\n_atom_site.", b"'loop_\n_atom_site.", 1),
    "no-block": lambda raw: raw.replace(b"data_", b"date_", 1),
}  # fmt: skip

ANY = {
    "utf16-le": lambda raw: raw.decode("latin-1").encode("utf-16"),
    "utf16-be": lambda raw: b"\xfe\xff" + raw.decode("latin-1").encode("utf-16-be"),
    "ebcdic": lambda raw: raw.decode("latin-1").encode("cp500"),
    "base64": base64.b64encode,
    "web-page": lambda raw: b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "json": lambda raw: b'{"error": "no such entry"}',
    "empty": lambda raw: b"",
    "blank": lambda raw: b" \n" * 50,
    "noise": lambda raw: random.Random(5).randbytes(5000),
    "zero-block-early": _block(b"\0", 0.6),
    "zero-block-late": _block(b"\0", 0.8),
    "noise-block": _block(b"\xa7", 0.7),
    "reversed": lambda raw: raw[::-1],
}


def _binary(raw: bytes) -> bytes:
    text = pdbx.CIFFile.read(io.StringIO(raw.decode()))
    made = io.BytesIO()
    pdbx.BinaryCIFFile(
        {
            "x": pdbx.BinaryCIFBlock(
                {
                    "atom_site": pdbx.BinaryCIFCategory(
                        {
                            key: pdbx.BinaryCIFColumn(pdbx.BinaryCIFData(column.data.array))
                            for key, column in text.block["atom_site"].items()
                        }
                    )
                }
            )
        }
    ).write(made)
    return made.getvalue()


def _cuts(raw: bytes, count: int) -> dict[str, bytes]:
    """The file cut short in many places, of which some are at the end of a line."""
    rng, cuts = random.Random(6), {}
    for number in range(count):
        place = rng.randrange(10, len(raw) - 40)
        if number % 2:
            place = raw.find(b"\n", place) + 1 or place
        cuts[f"cut-{number}"] = raw[:place]
    return cuts


@pytest.fixture(scope="module")
def corrupted(shared_structures: Path) -> dict[str, bytes]:
    """Corrupted files by name."""
    pdb = (shared_structures / "1aki.pdb").read_bytes()
    cif = (shared_structures / "1aki.cif").read_bytes()
    made = {f"{name}.pdb": change(pdb) for name, change in {**PDB, **ANY}.items()}
    made |= {f"{name}.cif": change(cif) for name, change in {**CIF, **ANY}.items()}
    for suffix, raw, count in (
        (".pdb", pdb, 12),
        (".cif", cif, 12),
        (".bcif", _binary(cif), 6),
        (".pdb.gz", gzip.compress(pdb), 6),
        (".cif.gz", gzip.compress(cif), 6),
    ):
        made |= {f"{name}{suffix}": cut for name, cut in _cuts(raw, count).items()}
    made["not-gzipped.pdb.gz"] = pdb
    made["a-pdb-file.cif"], made["an-mmcif-file.pdb"] = pdb, cif
    return made


def test_each_is_an_error_with_the_name_of_the_file(
    corrupted: dict[str, bytes], tmp_path: Path
) -> None:
    assert len(corrupted) >= 100
    for name, raw in corrupted.items():
        (tmp_path / name).write_bytes(raw)
    files = [(StructureFile(tmp_path / name),) for name in corrupted]
    silent, nameless = [], []
    for model in tokenise_many(files, source="pdb", workers=1):
        name = model.files[0].path.name
        if model.chains or not model.failures:
            silent.append(name)
        nameless += [name for failure in model.failures if name not in failure.reason]
    assert silent == []
    assert nameless == []


def test_none_stops_the_run(
    corrupted: dict[str, bytes], shared_structures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "structures"
    folder.mkdir()
    for number, (name, raw) in enumerate(corrupted.items()):
        (folder / f"{number:03}-{name}").write_bytes(raw)
    (folder / "sound.pdb").write_bytes((shared_structures / "1aki.pdb").read_bytes())
    report = tokenize(Store.create(tmp_path / "store"), [folder], "pdb", workers=2)
    assert (report.structures, report.chains) == (len(corrupted) + 1, 1)
    assert len(report.failed) == len(corrupted)
    report.write_failures(tmp_path / "failed.tsv")
    assert len((tmp_path / "failed.tsv").read_text().splitlines()) == len(corrupted) + 1


def _damaged(raw: bytes, rng: random.Random) -> bytes:
    made = bytearray(raw)
    for _ in range(rng.choice((1, 1, 5, 50))):
        place, other = rng.randrange(len(made)), rng.randrange(len(made))
        kind = rng.randrange(4)
        if kind == 0:
            made[place] = rng.randrange(256)
        elif kind == 1:
            del made[place : place + rng.choice((1, 3, 90))]
        elif kind == 2:
            made[place:place] = made[other : other + 60]
        else:
            made[place : place + 1] = rng.choice((b"\n", b" ", b"'", b"#", b";", b"9" * 20, b"nan"))
    return bytes(made)


@pytest.mark.parametrize("suffix", [".pdb", ".cif", ".bcif"])
def test_random_damage_is_an_error_or_a_structure_and_nothing_else(
    shared_structures: Path, suffix: str
) -> None:
    cif = (shared_structures / "1aki.cif").read_bytes()
    raw = {".cif": cif, ".bcif": _binary(cif)}.get(suffix)
    raw = raw or (shared_structures / "1aki.pdb").read_bytes()
    rng, said = random.Random(7), []
    for _ in range(100):
        try:
            found = parse_structure(Path(f"x{suffix}"), _damaged(raw, rng))
        except StructureError as problem:
            said.append(str(problem))
        else:
            assert observed_chains(found, Settings("pdb"))
    assert said
    assert all(f"'x{suffix}'" in text for text in said)
